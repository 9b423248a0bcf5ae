"""`schedule`: a mailing at a moment, or at each moment of a cron expression."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from cronsim import CronSim, CronSimError
from pydantic import PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from streams.engine.definition import described, invalid
from streams.engine.triggers import Trigger
from streams.engine.values import LocalDateTime, is_zone

_CRON_FIELDS = 5


def _cron(value: Any) -> str:
    if isinstance(value, str) and len(value.split()) == _CRON_FIELDS:
        try:
            CronSim(value, datetime(2000, 1, 1, tzinfo=UTC))
        except CronSimError:
            pass
        else:
            return value
    expected = "a cron expression of five fields such as `0 10 * * 1`"
    raise PydanticCustomError("definition", f"expected {expected}, not {described(value)}")


CronText = Annotated[str, PlainValidator(_cron), WithJsonSchema({"type": "string", "examples": ["0 10 * * 1"]})]


def _zone(value: Any) -> str:
    if isinstance(value, str) and (value == "member" or is_zone(value)):
        return value
    raise PydanticCustomError(
        "definition",
        f"expected `member` or a time zone such as Europe/Moscow, not {described(value)}",
    )


class ScheduleTrigger(Trigger):
    """A mailing: everyone in the audience, at the local moment `at` or at each moment of `cron`.

    `zone` is `member` (each in the own zone) or an IANA name; without it, the programme's.
    """

    kind: ClassVar[str] = "schedule"
    example: ClassVar[str] = 'schedule: {at: "2026-12-01T10:00", zone: member}\n'
    shown_given: ClassVar[str] = "[]"

    at: LocalDateTime | None = None
    """A date and time of day, without offset."""
    cron: CronText | None = None
    """Five fields: minute, hour, day of the month, month, day of the week."""
    zone: Annotated[str, PlainValidator(_zone), WithJsonSchema({"type": "string", "examples": ["member"]})] | None = (
        None
    )
    """In which zone: `member` (each in the own), or an IANA name; without it, the programme's."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.at is None) == (self.cron is None):
            raise invalid([(("at",), "expected exactly one of `at` and `cron`")])
        return self
