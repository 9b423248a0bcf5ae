"""`wait`: let time pass, or wait for an event."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from pydantic.json_schema import JsonSchemaValue
from typing_extensions import override

from streams.engine.actions import Action
from streams.engine.definition import Loc, invalid
from streams.engine.matching import EventMatch
from streams.engine.values import Duration, LocalTime, Period, Text
from streams.engine.waiting import Waiting


class WaitFor(EventMatch):
    """The event waited for; `of` names a message of the campaign (its `as`) that a delivery status must belong to."""

    of: Text | None = None
    """The `as` of a message: only a status of that one counts."""


class Wait(Action):
    """Wait for a length of time (`wait: P14D`), until a time of day (`wait: {until: "10:00"}`), or for an event.

    `until` is the next such moment, never the present one. On the event of `for` the journey goes on after the wait;
    on `timeout` it does `on_timeout` and then goes on, unless an `exit` is met there. An event at the very time-out
    comes too late.
    """

    kind: ClassVar[str] = "wait"
    example: ClassVar[str] = """\
wait: {for: {event: message_opened, of: mail}, timeout: P3D, on_timeout: [{exit: ignored}]}
"""
    shown_before: ClassVar[str] = "- send: {channel: email, template: come-back, as: mail}\n"

    duration: Duration | None = None
    """How long."""
    until: LocalTime | None = None
    """A time of day in the member's zone: the next such moment."""
    for_: WaitFor | None = Field(None, alias="for")
    """The event to wait for."""
    timeout: Period | None = None
    """How long at most; without it, for ever."""
    on_timeout: tuple[Action, ...] = ()
    """What is done when the time is over."""

    @classmethod
    @override
    def read(cls, data: Any) -> Any:
        if isinstance(data, dict) and set(data) == {"wait"} and not isinstance(data["wait"], dict):
            return {"duration": data["wait"]}
        fields = super().read(data)
        if fields is not data and "duration" in fields:
            raise invalid([(("wait", "duration"), "unknown key: a length of time is written as `wait: P14D`")])
        return fields

    @classmethod
    @override
    def place(cls, field: str) -> Loc:
        return ("wait",) if field == "duration" else ("wait", field)

    @override
    @classmethod
    def yaml_schema(cls, fields: JsonSchemaValue) -> JsonSchemaValue:
        properties = {key: part for key, part in fields["properties"].items() if key != "duration"}
        nested = super().yaml_schema({**fields, "properties": properties})
        forms = [fields["properties"]["duration"], nested["properties"]["wait"]]
        nested["properties"]["wait"] = {"description": fields["description"], "anyOf": forms}
        return nested

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(value is not None for value in (self.duration, self.until, self.for_)) != 1:
            raise invalid([(("for",), "expected exactly one of a length of time, `until` and `for`")])
        if self.for_ is None and (self.timeout is not None or self.on_timeout):
            raise invalid([(("timeout",), "`timeout` and `on_timeout` belong to a wait with `for`")])
        if self.on_timeout and self.timeout is None:
            raise invalid([(("on_timeout",), "`on_timeout` is never reached without a `timeout`")])
        return self

    @override
    def blocks(self) -> Iterator[tuple[str, tuple[Action, ...]]]:
        if self.on_timeout:
            yield ".on_timeout", self.on_timeout

    @cached_property
    def waiting(self) -> Waiting:
        """The wait, as the engine runs it."""
        return Waiting(self)
