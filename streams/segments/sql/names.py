"""What the names of the campaign language are in the table `profiles`.

The counterpart of `streams.engine.view`, name by name: what it reckons from a member's state is reckoned here from the
columns that carry the same (`sinks/clickhouse/rows/profiles.py`). A name that the engine doesn't know is missing here,
too; a field of the event at hand isn't asked for at all (`is_of_event`).
"""

from collections.abc import Callable, Mapping

from streams.engine.local_time import DAY_MS
from streams.segments.sql import literals
from streams.segments.sql.ages import age
from streams.segments.sql.asking import Asking
from streams.segments.sql.counters import counter_value
from streams.segments.sql.grids import MONEY, WHOLE, Fixed
from streams.segments.sql.value import Facet, moment, number, text, truth

_ATTRIBUTE = Fixed(76, 44)
_MS_US = 1000
_DAY_US = DAY_MS * _MS_US


def is_of_event(name: str) -> bool:
    """Whether the name stands for a field of an event: no member has it."""
    return "." not in name or name.startswith("entry.")


def is_reckoned(name: str) -> bool:
    """Whether it takes more than a column to say what the name stands for: then it has one facet at most."""
    head, _, rest = name.partition(".")
    return head in {"counter", "days_since"} or (head == "member" and (rest in _RECKONED or rest.startswith("bonus.")))


def facets_of(name: str, asking: Asking) -> tuple[Facet, ...]:
    """What the name stands for in the table, as each kind that it may be of; nothing if it is missing for everyone."""
    head, _, rest = name.partition(".")
    match head:
        case "member":
            return _member(rest, asking)
        case "counter":
            return counter_value(rest, asking)
        case "days_since":
            return _days_since(rest, asking)
        case "rfm":
            return _RFM.get(rest, ())
        case _:
            return ()


def _member(name: str, asking: Asking) -> tuple[Facet, ...]:
    if name in _PLAIN:
        return (_PLAIN[name],)
    if name in _RECKONED:
        return (_RECKONED[name](asking),)
    head, dot, rest = name.partition(".")
    if dot and head == "bonus":
        return (_balance(rest, asking),)
    return tuple(facet(_entry(column, rest)) for column, facet in _MAPS.get(head, ()) if dot)


def _time(column: str) -> Facet:
    return moment(f"toUnixTimestamp64Milli({column})", _MS_US)


def _entry(column: str, key: str) -> str:
    quoted = literals.text(key)
    return f"if(mapContains({column}, {quoted}), {column}[{quoted}], NULL)"


def _days_since_registration(asking: Asking) -> Facet:
    registered = "toUnixTimestamp64Milli(registered_at)"
    passed = f"intDiv({asking.at} - {registered}, {DAY_MS})"
    return number(f"if({registered} > {asking.at}, 0, {passed})", WHOLE)


def _days_since(event_type: str, asking: Asking) -> tuple[Facet, ...]:
    """Since the latest such event before the moment: of one at the very moment, since the one before."""
    of_type = f"arrayFilter(x -> x.type = {literals.text(event_type)}, last_times)"
    latest = f"arrayMap(x -> if(x.latest < {asking.moment}, x.latest, x.earlier), {of_type})[1]"
    return (number(f"intDiv({asking.at} - toUnixTimestamp64Milli({latest}), {DAY_MS})", WHOLE),)


def _balance(currency: str, asking: Asking) -> Facet:
    """What is active at the moment, less what was spent of it."""
    at = asking.moment
    is_active = (
        f"x.currency = {literals.text(currency)} AND NOT x.cancelled AND x.activates_at <= {at} "
        f"AND ifNull({at} < x.expires_at, 1)"
    )
    total = f"arraySum(x -> x.amount - x.spent, arrayFilter(x -> {is_active}, accruals))"
    return number(total, MONEY, nullable=False)


_PLAIN: Mapping[str, Facet] = {
    "id": text("member_id", nullable=False),
    **{
        name: text(name)
        for name in (
            *("first_name", "middle_name", "last_name", "phone", "email", "gender", "city", "address"),
            *("referrer_id", "status", "push_token", "platform", "card_number"),
        )
    },
    "birth_date": moment("toInt32(birth_date)", _DAY_US),
    "registered_at": _time("registered_at"),
    "purchases.count": number("purchases_count", WHOLE, nullable=False),
    "purchases.total": number("purchases_total", MONEY, nullable=False),
    "purchases.first_at": _time("purchases_first_at"),
    "purchases.last_at": _time("purchases_last_at"),
}
"""Below `member.`: what a column has as it is."""
_RECKONED: Mapping[str, Callable[[Asking], Facet]] = {
    "age": lambda asking: number(age(asking), WHOLE),
    "days_since_registration": _days_since_registration,
    "time_zone": lambda asking: text(f"ifNull(time_zone, {literals.text(asking.zone.key)})", nullable=False),
}
"""Below `member.`: what depends on the moment or the programme."""
_MAPS: Mapping[str, tuple[tuple[str, Callable[[str], Facet]], ...]] = {
    "attributes": (
        ("attribute_texts", text),
        ("attribute_numbers", lambda sql: number(sql, _ATTRIBUTE)),
        ("attribute_truths", truth),
    ),
    "social": (("social", text),),
}
"""Below `member.`: what has names of its own, in a column for each kind."""
_RFM: Mapping[str, tuple[Facet, ...]] = {
    "segment": (text("rfm_segment"),),
    **{score: (number(f"rfm_{score}", WHOLE),) for score in ("recency", "frequency", "monetary")},
}
