"""Timers that follow the calendar: yearly dates of members, and mailings at a moment or by cron.

Dates: the next occurrence strictly after now, at most once per trigger and year of the occurrence, reckoned anew when
the date or the zone changes (contract, fine print "Dates"). Whole days of an offset move the date, so that it still
comes at the stated local time; what is shorter is clock time.
"""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from cronsim import CronSim
from dateutil.relativedelta import relativedelta

from streams.engine.handling import Handling, member_value
from streams.engine.local_time import DAY_MS, local_moment, occurrence, to_datetime, to_ms, zone

if TYPE_CHECKING:
    from streams.engine.triggers.date import DateTrigger
    from streams.engine.triggers.schedule import ScheduleTrigger
    from streams.engine.values import Duration

DATE_TIMER, SCHEDULE_TIMER = "date", "schedule"
_YEARS_AHEAD = 9


def set_date_timers(handling: Handling) -> None:
    """Reckon every date trigger's next occurrence; a timer that stays the same keeps its place."""
    state = handling.state
    set_already = {(str(timer.owner), timer.detail): timer for timer in state.timers if timer.kind == DATE_TIMER}
    wanted = {}
    for campaign, index, trigger in handling.programme.date_triggers:
        found = _next_date(handling, campaign.id, index, trigger)
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


def _next_date(handling: Handling, campaign_id: str, index: int, trigger: "DateTrigger") -> tuple[int, int] | None:
    """(year of the occurrence, when it is due in ms) of the next one, None without a date."""
    born = _as_date(handling, trigger.date)
    if born is None:
        return None
    now = handling.now
    last_year = handling.state.dated.get(f"{campaign_id}/{index}")
    this_year = to_datetime(now, handling.zone).year
    for year in range(this_year - 1, this_year + _YEARS_AHEAD):
        if year < born.year or (last_year is not None and year <= last_year):
            continue
        day, rest_ms = _moved(occurrence(born, year), trigger.offset)
        due = local_moment(day, trigger.at, handling.zone) + rest_ms
        if due > now:
            return year, due
    return None


def _moved(day: date, offset: "Duration | None") -> tuple[date, int]:
    if offset is None:
        return day, 0
    days = int(offset.ms / DAY_MS)
    moved = day + relativedelta(months=offset.months) + timedelta(days=days)
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


def set_schedule_timers(handling: Handling) -> None:
    """Set the next moment of every mailing that has a schedule."""
    state = handling.state
    state.timers = [timer for timer in state.timers if timer.kind != SCHEDULE_TIMER]
    for campaign, index, trigger in handling.programme.schedule_triggers:
        due = next_mailing(handling, trigger)
        if due is not None:
            handling.set_timer(due, SCHEDULE_TIMER, campaign.id, str(index))


def next_mailing(handling: Handling, trigger: "ScheduleTrigger") -> int | None:
    """The mailing's next moment strictly after now (ms), None if it has none."""
    tz = handling.zone if trigger.zone == "member" else zone(trigger.zone) if trigger.zone else handling.programme.zone
    assert tz is not None, "zones are checked when they are read"
    if trigger.at is not None:
        due = local_moment(trigger.at.date(), trigger.at.time(), tz)
        return due if due > handling.now else None
    assert trigger.cron is not None
    for moment in CronSim(trigger.cron, to_datetime(handling.now, tz)):
        due = to_ms(moment.astimezone(UTC))
        if due > handling.now:
            return due
    return None
