"""Timers that follow the calendar: yearly dates of members, and mailings at a moment or by cron.

Dates: the next occurrence strictly after now, at most once per trigger and year of the occurrence, reckoned anew when
the date or the zone changes (contract, fine print "Dates"). Whole days of an offset move the date, so that it still
comes at the stated local time; what is shorter is clock time.
"""

import contextlib
from collections.abc import Iterator
from datetime import MAXYEAR, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cronsim import CronSim
from dateutil.relativedelta import relativedelta

from streams.engine.handling import Handling
from streams.engine.local_time import DAY_MS, local_moment, occurrence, to_datetime, zone
from streams.engine.view import member_value

if TYPE_CHECKING:
    from streams.engine.state import MemberState
    from streams.engine.triggers.date import DateTrigger
    from streams.engine.triggers.schedule import ScheduleTrigger
    from streams.engine.values import Duration

DATE_TIMER, SCHEDULE_TIMER = "date", "schedule"
_YEARS_AHEAD = 9
_YEARS_BACK = 3
_YEAR_MS = 360 * DAY_MS
_YEAR_BITS = 14  # enough for MAXYEAR
_YEAR_MASK = (1 << _YEAR_BITS) - 1


def set_date_timers(handling: Handling, only: tuple[str, str] | None = None, *, since: int | None = None) -> None:
    """Reckon every date trigger's next occurrence; a timer that stays the same keeps its place.

    `since`: the first due at or after it (ms), by default strictly after now.
    `only`: that of one campaign and place of the trigger, because it has come; others due at this very moment still
    have to.
    """
    state = handling.state
    set_already = {
        (str(timer.owner), timer.detail): timer
        for timer in state.timers
        if timer.kind == DATE_TIMER and (only is None or only == (timer.owner, timer.detail.split("/")[0]))
    }
    wanted = {}
    for campaign, index, trigger in handling.programme.date_triggers:
        if only is not None and only != (campaign.id, str(index)):
            continue
        found = _next_date(handling, campaign.id, index, trigger, handling.now + 1 if since is None else since)
        if found is not None:
            year, due = found
            wanted[campaign.id, f"{index}/{year}"] = due
    stale = {id(timer) for place, timer in set_already.items() if wanted.get(place) != timer.due}
    if stale:
        state.timers = [timer for timer in state.timers if id(timer) not in stale]
    for (owner, detail), due in wanted.items():
        timer = set_already.get((owner, detail))
        if timer is None or timer.due != due:
            handling.set_timer(due, DATE_TIMER, owner, detail)


def _next_date(
    handling: Handling, campaign_id: str, index: int, trigger: "DateTrigger", since: int
) -> tuple[int, int] | None:
    """(year of the occurrence, when it is due in ms) of the first since then, None without a date."""
    born = _as_date(handling, trigger.date)
    if born is None:
        return None
    years = handling.state.dated.get(f"{campaign_id}/{index}", 0)
    this_year = to_datetime(handling.now, handling.zone).year
    first_year = this_year - 1 - (0 if trigger.offset is None else max(0, trigger.offset.approximate_ms // _YEAR_MS))
    for year in range(max(first_year, born.year), min(this_year + _YEARS_AHEAD, MAXYEAR) + 1):
        if _came_in(years, year):
            continue
        moved = _moved(occurrence(born, year), trigger.offset)
        if moved is None:
            continue
        day, rest_ms = moved
        due = local_moment(day, trigger.at, handling.zone) + rest_ms
        if due >= since:
            return year, due
    return None


def note_date(state: "MemberState", campaign_id: str, index: str, year: int) -> None:
    """Remember that a date trigger came for the occurrence in that year.

    One number stands for the latest year (its low bits) and, bit by bit above, for each of a few years before it: an
    occurrence of the year before may still be ahead when the date or the offset changes around New Year.
    """
    years = state.dated.get(f"{campaign_id}/{index}", 0)
    latest = max(years & _YEAR_MASK, year)
    before = sum(1 << back for back in range(_YEARS_BACK) if _came_in(years, latest - 1 - back))
    if year < latest and latest - 1 - year < _YEARS_BACK:
        before |= 1 << (latest - 1 - year)
    state.dated[f"{campaign_id}/{index}"] = latest | before << _YEAR_BITS


def unite_dates(state: "MemberState", other: "MemberState") -> None:
    """What came for either came for both."""
    for place, years in other.dated.items():
        campaign_id, _, index = place.rpartition("/")
        latest = years & _YEAR_MASK
        for year in range(latest - _YEARS_BACK, latest + 1):
            if _came_in(years, year):
                note_date(state, campaign_id, index, year)


def _came_in(years: int, year: int) -> bool:
    latest = years & _YEAR_MASK
    back = latest - 1 - year
    return year == latest or (0 <= back < _YEARS_BACK and bool(years >> _YEAR_BITS >> back & 1)) or back >= _YEARS_BACK


def _moved(day: date, offset: "Duration | None") -> tuple[date, int] | None:
    """The day that the offset leads to, and what of it is shorter than a day (ms); None outside the calendar."""
    if offset is None:
        return day, 0
    days = int(offset.ms / DAY_MS)
    try:
        moved = (day + relativedelta(months=offset.months) if offset.months else day) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return moved, offset.ms - days * DAY_MS


def _as_date(handling: Handling, name: str) -> date | None:
    value = member_value(handling, name)
    if value is None:
        value = member_value(handling, f"attributes.{name.removeprefix('attributes.')}")
    if isinstance(value, datetime):
        return value.astimezone(handling.zone).date()
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value[:10])
        except ValueError:
            return None
    return None


def set_schedule_timers(handling: Handling, *, moved: bool = False, since: int | None = None) -> None:
    """Set the next moment of every mailing that has a schedule; `moved`: only of those that go by the member's zone.

    `since`: the first at or after it (ms), by default strictly after now.
    """
    state = handling.state
    wanted = {}
    for campaign, index, trigger in handling.programme.schedule_triggers:
        if not moved or trigger.zone == "member":
            wanted[campaign.id, str(index)] = next_mailing(handling, trigger, since)
    if not wanted and moved:
        return
    kept = []
    for timer in state.timers:
        if timer.kind == SCHEDULE_TIMER:
            place = str(timer.owner), timer.detail
            if place in wanted and wanted[place] == timer.due:
                del wanted[place]
            elif place in wanted or not moved:
                continue
        kept.append(timer)
    state.timers = kept
    for (owner, detail), due in wanted.items():
        if due is not None:
            handling.set_timer(due, SCHEDULE_TIMER, owner, detail)


def next_mailing(handling: Handling, trigger: "ScheduleTrigger", since: int | None = None) -> int | None:
    """The mailing's first moment at or after `since` (ms), by default strictly after now; None if it has none."""
    after = handling.now if since is None else since - 1
    tz = mailing_zone(handling, trigger)
    if trigger.at is not None:
        due = local_moment(trigger.at.date(), trigger.at.time(), tz)
        return due if due > after else None
    assert trigger.cron is not None
    return next_by_cron(trigger.cron, after, tz)


def mailing_zone(handling: Handling, trigger: "ScheduleTrigger") -> ZoneInfo:
    """The zone that the mailing's moments are read in."""
    if trigger.zone is None:
        return handling.programme.zone
    found = handling.zone if trigger.zone == "member" else zone(trigger.zone)
    assert found is not None, "zones are checked when they are read"
    return found


def next_by_cron(expression: str, now: int, tz: ZoneInfo) -> int | None:
    """The expression's next local time after `now`, read by our rule for local times and not by cron's own.

    A time in a gap is read with the offset before the change and so may come after later ones: where the offset
    changes near by, all candidates of two days are looked at.
    """
    local = to_datetime(now, tz)
    first = _moment(next(_local_times(expression, local), None), tz)
    if first is None:
        return None
    offsets = {to_datetime(at, tz).utcoffset() for at in (now - DAY_MS, now, first, first + DAY_MS)}
    if len(offsets) == 1:
        return first
    best: int | None = None
    for candidate in _local_times(expression, to_datetime(now - DAY_MS, tz)):
        due = _moment(candidate, tz)
        if due is None or (best is not None and due > best + DAY_MS):
            break
        if due > now and (best is None or due < best):
            best = due
    return best


def _local_times(expression: str, after: datetime) -> Iterator[datetime]:
    with contextlib.suppress(OverflowError):  # the calendar's end
        yield from CronSim(expression, after.replace(tzinfo=None))


def _moment(local: datetime | None, tz: ZoneInfo) -> int | None:
    return None if local is None else local_moment(local.date(), local.time(), tz)
