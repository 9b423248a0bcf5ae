"""A counter's value from its buckets, as `streams.engine.windows` reads it: those that count at the moment."""

from streams.engine import windows
from streams.segments.sql import literals
from streams.segments.sql.asking import Asking
from streams.segments.sql.grids import WHOLE, Fixed
from streams.segments.sql.value import Facet, number

_NUMBER = Fixed(38, 6)


def counter_value(name: str, asking: Asking) -> tuple[Facet, ...]:
    """0 of nothing, but missing for a maximum of nothing; missing where there is no such counter."""
    counter = asking.counter(name)
    if counter is None:
        return ()
    oldest = windows.oldest_bucket(counter, asking.at, asking.zone)
    current = windows.bucket_of(counter, asking.at, asking.zone)
    counts = (
        f"x.name = {literals.text(name)} AND x.definition = {literals.text(counter.fingerprint)} "
        f"AND x.bucket BETWEEN {oldest} AND {current}"
    )
    if counter.aggregate == "distinct":
        different = f"arrayDistinct(arrayMap(x -> x.value, arrayFilter(x -> {counts}, counter_values)))"
        return (number(f"length({different})", WHOLE, nullable=False),)
    counted = f"arrayFilter(x -> {counts}, counter_numbers)"
    if counter.aggregate == "max":
        return (number(f"arrayReduce('maxOrNull', arrayMap(x -> x.number, {counted}))", _NUMBER),)
    return (number(f"arraySum(x -> x.number, {counted})", _NUMBER, nullable=False),)
