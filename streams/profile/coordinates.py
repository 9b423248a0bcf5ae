"""The time zone of a place by its coordinates, from the polygons of `tzfpy`.

Garbage: what is no number, lies off the globe or on the high seas says nothing; nor does 0, 0, which is what devices
report that don't know.
"""

import functools
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import tzfpy

_LATITUDE, _LONGITUDE = ("latitude", "lat"), ("longitude", "lon", "lng")
NAMES = frozenset({*_LATITUDE, *_LONGITUDE})
"""The attributes that coordinates are read from, in degrees."""


def zone_of_coordinates(attributes: Mapping[str, Any]) -> str | None:
    """The IANA zone of the place that the attributes name; None if they name none on land."""
    latitude, longitude = _degrees(attributes, _LATITUDE), _degrees(attributes, _LONGITUDE)
    if latitude is None or longitude is None or not (abs(latitude) <= 90 and abs(longitude) <= 180):  # noqa: PLR2004
        return None
    return _zone_at(latitude, longitude) if latitude or longitude else None


def _degrees(attributes: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                return None
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return float(value)
    return None


@functools.lru_cache(maxsize=16384)
def _zone_at(latitude: float, longitude: float) -> str | None:
    name = tzfpy.get_tz(longitude, latitude)
    return name if name and not name.startswith("Etc/") else None
