"""Which events something is about: a type, and a condition on the event that comes."""

from typing import Any

from pydantic_core import ValidationError
from typing_extensions import override

from streams.engine.conditions import Condition, parse
from streams.engine.definition import Definition, invalid
from streams.engine.values import Text

TYPES_WITH_SEGMENT = ("segment_assigned", "segment_removed", "segment_entered", "segment_left")
"""In a `where` on one of these, `segment: vip` tests the event's own field; everywhere else it asks for membership."""


class EventMatch(Definition):
    """Events of one type, of which `where` holds if it is stated; its names are the fields of the event that comes."""

    event: Text
    """The type of event, see [events](events.md)."""
    where: Condition | None = None
    """What must hold of the event that comes."""

    @classmethod
    @override
    def read(cls, data: Any) -> Any:
        return with_own_segment(data)


def with_own_segment(data: Any) -> Any:
    """`data` with its `where` parsed, if its event has a field `segment` of its own."""
    if (
        not isinstance(data, dict)
        or data.get("event") not in TYPES_WITH_SEGMENT
        or not isinstance(data.get("where"), dict)
    ):
        return data
    try:
        return {**data, "where": parse(data["where"], segment_is_field=True)}
    except ValidationError as error:
        raise invalid([(("where", *detail["loc"]), detail["msg"]) for detail in error.errors()]) from None
