"""Birth dates that can be: from 1900 to the day of the event.

Garbage: what is no date, lies in the future or before 1900 is rejected. One that makes a member older than 110 or
younger than 5 is taken and reported, and so is the first of January of 1900 or 1970, which forms put in by themselves.
"""

from datetime import date
from typing import Any

from streams.profile.findings import Checked

_OLDEST = date(1900, 1, 1)
_BY_DEFAULT = frozenset({date(1900, 1, 1), date(1970, 1, 1)})
_YEARS_MAX, _YEARS_MIN = 110, 5


def check_birth_date(value: Any, on: date) -> Checked:
    """The date, seen on the day `on`."""
    if not isinstance(value, date):
        try:
            value = date.fromisoformat(str(value)[:20])
        except ValueError:
            return Checked(None, "rejected", "not_a_date")
    if value > on:
        return Checked(None, "rejected", "future")
    if value < _OLDEST:
        return Checked(None, "rejected", "too_old")
    if value in _BY_DEFAULT:
        return Checked(value, "doubtful", "a_forms_default")
    years = on.year - value.year - ((on.month, on.day) < (value.month, value.day))
    return Checked(value, "valid") if _YEARS_MIN <= years <= _YEARS_MAX else Checked(value, "doubtful", "unlikely_age")
