"""The moment of which a list speaks: `occurred_at` of its events, an input like any other."""

from schemas.values import parse_time
from streams.clock import wall_clock
from streams.errors import RekindleError
from streams.settings import Settings


def moment(settings: Settings, stated: str | None) -> int:
    """Take the stated time (ISO 8601), else the clock; milliseconds. Raises `RekindleError`.

    Where the clock follows the events (REKINDLE_CLOCK=event) it must be stated: today would end a replay of history.
    """
    if stated is None:
        if settings.clock == "event":
            raise RekindleError("REKINDLE_CLOCK=event: say by --at which moment of the history this is")
        return wall_clock()
    try:
        at_ms = parse_time(stated)
    except ValueError as error:
        raise RekindleError(f"--at {stated}: {error}") from None
    if settings.clock == "wall" and at_ms > wall_clock():
        raise RekindleError(f"--at {stated} lies ahead of the clock")
    return at_ms
