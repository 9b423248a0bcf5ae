"""A member's age at a moment: by the date that it is then where the member lives.

The zone is the member's, the moment is fixed: so each zone has one date, of which there are two or three in the world.
They are told by our own zone data, which the engine decides by, not by ClickHouse's.
"""

from calendar import isleap
from collections import defaultdict
from datetime import date
from functools import lru_cache
from zoneinfo import available_timezones

from streams.engine.local_time import to_datetime, zone
from streams.segments.sql import literals
from streams.segments.sql.asking import Asking


def age(asking: Asking) -> str:
    """Whole years since the birth date; NULL without one. 29 February counts as 28 February in other years."""
    zones = _zones_by_date(asking.at)
    elsewhere = max(zones, key=lambda day: (len(zones[day]), day))
    own = literals.text(asking.zone.key)
    tests = [
        f"ifNull(time_zone, {own}) IN {literals.texts(names)}, {_age_on(day)}"
        for day, names in sorted(zones.items())
        if day != elsewhere
    ]
    return f"multiIf({', '.join([*tests, _age_on(elsewhere)])})" if tests else _age_on(elsewhere)


def _age_on(today: date) -> str:
    birthday = "toMonth(birth_date) * 100 + toDayOfMonth(birth_date)"
    if not isleap(today.year):
        birthday = f"if({birthday} = 229, 228, {birthday})"
    return f"{today.year} - toYear(birth_date) - ({today.month * 100 + today.day} < {birthday})"


@lru_cache(maxsize=16)
def _zones_by_date(at: int) -> dict[date, list[str]]:
    """The zones by the date that they have at that moment (ms)."""
    found: defaultdict[date, list[str]] = defaultdict(list)
    for name in sorted(available_timezones()):
        tz = zone(name)
        if tz is not None:
            found[to_datetime(at, tz).date()].append(name)
    return dict(found)
