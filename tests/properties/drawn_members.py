"""Generated members, as the engine makes them of events, and conditions that are close to what they are.

Values are odd on purpose: quotes, other scripts, numbers at the end of what fits, days on which a year or a zone turns.
A condition's operands are mostly what some member's value is, or its neighbours: random ones would never meet.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from schemas.values import exact
from sinks.clickhouse.batch import Batch, Stored
from sinks.clickhouse.connect import Client
from sinks.clickhouse.write import insert, make_blocks
from streams.engine import step
from streams.engine.events import Event
from streams.engine.handling import Handling
from streams.engine.state import MemberState, new
from streams.engine.view import View
from streams.profiles.make import profile_of
from streams.programme import Programme
from tests.properties.drawn_programmes import MEMBER_ZONES, ZONES
from tests.properties.live import loaded

START = datetime(2020, 2, 20, tzinfo=UTC)
_DAY = 86_400_000
TEXTS = [
    "Riga",
    "riga",
    "",
    "O'Hara",
    'a"b',
    "\\",
    "%",
    "Рига",
    "日本",
    "{x:String}",
    "--",
    "2020-02-28",
    "5",
    "e\u0301",
    "\t\n",
]
ATTRIBUTES = ["tier", "children", "has dog", "x.y", "it's", "`\\`", "имя", ""]
SET = {
    "tiny": {"tier": 1e-7, "children": -1e-15},
    "huge": {"tier": 10**29, "children": 2**63 - 1, "has dog": -(2**63) + 1},
    "half": {"tier": 0.1, "children": 1234567890.5, "has dog": 10**20},
    "text": {"tier": "true", "children": "1", "x.y": True},
}
"""What campaigns set, by the feedback that triggers them."""
NUMBERS = [0, 1, -1, 2, 5, 10**30, -(10**30), 2**63, 2**63 - 1, -(2**63)]
DECIMALS = [Decimal(text) for text in ("0.1", "0.5", "99.5", "0.000001", "1e-30", "1e30", "-1e-9", "12.3456789")]
_MONEY = st.one_of(
    st.sampled_from([Decimal(each) for each in ("0", "5", "10.5", "99.5", "100", "0.000001", "999999999999.999999")]),
    st.decimals("0", "1000", places=6).map(exact),
)
_HOURS = st.integers(0, 24 * 30).map(lambda hours: START + timedelta(hours=hours))
_MOMENTS = st.one_of(
    _HOURS,
    st.integers(0, 1000).map(lambda ms: START + timedelta(days=9, milliseconds=ms - 500)),
    st.sampled_from([START + timedelta(days=n, milliseconds=ms) for n in (0, 9, 10, 30) for ms in (-1, 0, 1)]),
)
_LATER = st.integers(30, 60).map(lambda days: START + timedelta(days=days))
_BIRTHS = st.one_of(
    st.sampled_from([date(1900, 1, 1), date(1992, 2, 29), date(2000, 2, 28), date(1990, 3, 1), date(1904, 2, 29)]),
    st.dates(date(1985, 2, 20), date(1985, 4, 1)),
    st.dates(date(1900, 1, 1), date(2020, 1, 1)),
)
_WORDS = st.one_of(st.sampled_from(TEXTS), st.text(max_size=5))
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(ATTRIBUTES),
    st.one_of(
        _WORDS, st.booleans(), _MONEY, _MONEY.map(lambda number: exact(-number)), st.integers(-3, 3).map(Decimal)
    ),
    max_size=3,
)
_PROFILE = st.fixed_dictionaries(
    {},
    optional={
        "first_name": _WORDS,
        "gender": st.sampled_from(["f", "m", "'"]),
        "city": st.sampled_from(["Riga", "Oslo", "O'Hara", "Tokyo", ""]),
        "birth_date": _BIRTHS,
        "time_zone": st.sampled_from([*MEMBER_ZONES, "Pacific/Kiritimati", "Pacific/Pago_Pago", "nowhere"]),
        "phone": st.sampled_from(["+79001112233", "letters"]),
        "email": st.sampled_from(["m@example.com", "nowhere"]),
        "referrer_id": st.sampled_from(["m0", "m1"]),
        "attributes": _ATTRIBUTES,
    },
)
SEGMENTS = ["everyone", "buyers", "named", "chosen", "odd 'one'", "rfm.segment.loyal", "rfm.recency.5", "unheard"]
CONSENT = {"marketing": "opt_out", "service": "none", "asked": "opt_in", "confirmed": "double_opt_in"}
"""What each messaging type needs."""
_ACCRUALS = st.sampled_from(["a", "b", "c"])
BODIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "registration_completed": _PROFILE,
    "profile_updated": _PROFILE,
    "purchase_completed": st.fixed_dictionaries(
        {}, optional={"total": _MONEY, "store_id": _WORDS, "receipt_id": st.sampled_from(["1", "2"])}
    ),
    "purchase_returned": st.fixed_dictionaries({"total": _MONEY}),
    "order_placed": st.fixed_dictionaries({"order_id": _ACCRUALS, "total": _MONEY}),
    "order_cancelled": st.fixed_dictionaries({"order_id": _ACCRUALS}),
    "site_visited": st.just({}),
    "status_changed": st.fixed_dictionaries({"status": _WORDS}),
    "app_installed": st.just({"push_token": "token", "platform": "ios"}),
    "card_issued": st.fixed_dictionaries({"card_number": st.sampled_from(["1", "0002"])}),
    "social_profile_linked": st.fixed_dictionaries({"network": st.sampled_from(["vk", "o'k"]), "profile_id": _WORDS}),
    "segment_assigned": st.fixed_dictionaries({"segment": st.sampled_from([*SEGMENTS, "rfm.monetary.3"])}),
    "segment_removed": st.fixed_dictionaries({"segment": st.sampled_from(SEGMENTS)}),
    "feedback_received": st.sampled_from([{"text": name} for name in SET]),
    "bonus_accrued": st.fixed_dictionaries(
        {"accrual_id": _ACCRUALS, "amount": _MONEY, "currency": st.sampled_from(["points", "points", "o'clock"])},
        optional={"activates_at": _MOMENTS | _LATER, "expires_at": _MOMENTS | _LATER},
    ),
    "bonus_cancelled": st.fixed_dictionaries({"accrual_id": _ACCRUALS}),
    "bonus_expired": st.fixed_dictionaries({"accrual_id": _ACCRUALS}),
    "bonus_paid": st.fixed_dictionaries({"amount": _MONEY, "currency": st.just("points")}),
    "message_clicked": st.just({"dispatch_id": "d", "channel": "sms"}),
    "message_failed": st.sampled_from(["sms", "viber", "email", "push"]).map(
        lambda channel: {"dispatch_id": "d", "channel": channel, "reason": "address_rejected"}
    ),
    "member_unsubscribed": st.just({"dispatch_id": "d", "channel": "email"}),
    "subscription_changed": st.fixed_dictionaries(
        {"subscribed": st.booleans()},
        optional={
            "channel": st.sampled_from(["sms", "email", "social"]),
            "messaging_type": st.sampled_from(sorted(CONSENT)),
        },
    ),
}
OFTEN = ["registration_completed", "profile_updated", "purchase_completed", "bonus_accrued"]
_BOUGHT = {"event": "purchase_completed"}
_WINDOWS = [
    {"window": "P3D", "step": "P1D"},
    {"window": "P7D", "step": "PT12H"},
    {"window": "PT36H", "step": "PT1H"},
    {"window": {"tumbling": "P1D"}},
    {"window": {"tumbling": "PT6H"}},
    {"window": {"calendar": "year"}},
    {"window": {"calendar": "month"}},
    {"window": {"calendar": "week"}},
    {},
]
PERCENTS = st.sampled_from([0, 0, 30, 50, 100, 0.000001])
COUNTERS = ["spend", "buys", "most", "shops", "orders", "gone"]


@st.composite
def programmes(draw: st.DrawFn) -> Programme:
    """Counters of every kind and window, segments that ask for each other, campaigns that set odd attributes."""

    def window() -> dict[str, Any]:
        return draw(st.sampled_from(_WINDOWS))

    counters = {
        "spend": {**_BOUGHT, "aggregate": "sum", "field": "total", **window()},
        "buys": {**_BOUGHT, "aggregate": "count", **window()},
        "most": {**_BOUGHT, "aggregate": "max", "field": "total", **window()},
        "shops": {**_BOUGHT, "aggregate": "distinct", "field": "store_id", **window()},
        "orders": {"event": "order_placed", "aggregate": "sum", "field": "total"},
    }
    bought = {"counter.buys": {"ge": draw(st.integers(1, 2))}, "not": {"segment": "named"}}
    segments = {
        "buyers": {"where": bought},
        "named": {"where": {"any": [{"member.first_name": {"exists": True}}, {"total": {"exists": True}}]}},
        "chosen": {"members": ["m1", "it's"]},
        "odd 'one'": {"members": []},
    }
    campaigns = [
        {
            "id": name,
            "trigger": {"event": "feedback_received", "where": {"text": name}},
            "actions": [{"set": values}],
        }
        for name, values in SET.items()
    ]
    return loaded(
        {
            "policies": {
                "default_time_zone": draw(st.sampled_from(ZONES)),
                "messaging_types": {name: {"consent": consent} for name, consent in CONSENT.items()},
                "global_holdout": draw(PERCENTS),
            },
            "counters": counters,
            "templates": {},
            "segments": segments,
            "campaigns": campaigns,
        }
    )


@st.composite
def members(draw: st.DrawFn, programme: Programme, key: str, often: Sequence[str] = OFTEN) -> MemberState:
    """A member, after some events, of these types more often than of others."""
    state = new(key)
    times = draw(st.lists(_MOMENTS, min_size=1, max_size=8))
    for number, at in enumerate(sorted(times) if draw(st.integers(0, 3)) else times):
        kind = draw(st.sampled_from([*sorted(BODIES), *often] if number % 2 else often))
        event = Event(
            event_id=str(number),
            type=kind,
            occurred_at=_ms(at),
            source=draw(st.sampled_from(["test", "consent.links"])),
            key=key,
            member_id=key,
            historical=draw(st.integers(0, 9)) == 0,
            body=draw(BODIES[kind]),
        )
        step.handle(programme, state, event)
    return state


def moments(states: Sequence[MemberState]) -> st.SearchStrategy[int]:
    """When one may ask (ms), once the clocks of all have come there: often when something turns."""
    latest = max(state.clock for state in states)
    accruals = {at for state in states for each in state.accruals for at in (each.activates_at, each.expires_at or 0)}
    since = {at for state in states for at, _ in state.last_at.values()}
    passed = {at + days * _DAY for at in since for days in (0, 1, 2, 3, 7, 30, 366)}
    to_come = [sorted(at for at in turns if at >= latest) for turns in (accruals, passed)]
    beside = st.sampled_from([-1, 0, 0, 1])
    turning = [
        st.builds(lambda at, ms: max(at + ms, latest), st.sampled_from(turns), beside) for turns in to_come if turns
    ]
    return st.one_of(*turning, st.integers(latest, latest + 40 * _DAY))


def view_at(programme: Programme, state: MemberState, at: int) -> View:
    """What the engine would answer at that moment: the member's clock has come there, and nothing else happened."""
    state.clock = at
    return View(Handling(programme, state))


def store(client: Client, states: Sequence[MemberState]) -> None:
    """The members' rows, as the sink makes and writes them, in place of all that were there."""
    profiles = [profile for state in states if (profile := profile_of(state)) is not None]
    records = tuple(Stored(offset, 0, b"", b"") for offset in range(len(profiles)))
    batch = Batch("member.profiles", 0, 0, len(profiles), records, decided=True, suspect=False)
    client.command("TRUNCATE TABLE profiles")
    for block in make_blocks(batch, lambda _topic, _partition, _records: profiles):
        insert(client, block, "token")


# Conditions ----------------------------------------------------------------------------------------------------------

NAMES = [
    *(f"member.{name}" for name in ("id", "first_name", "gender", "city", "phone", "birth_date", "status", "age")),
    *(f"member.{name}" for name in ("time_zone", "referrer_id", "registered_at", "days_since_registration")),
    *(f"member.purchases.{name}" for name in ("count", "total", "first_at", "last_at")),
    *(f"member.attributes.{name}" for name in ATTRIBUTES),
    *("member.bonus.points", "member.bonus.o'clock", "member.social.vk", "member.social.o'k", "member.card_number"),
    *(f"counter.{name}" for name in COUNTERS),
    *(f"days_since.{name}" for name in ("purchase_completed", "site_visited", "profile_updated", "it's")),
    *(f"rfm.{name}" for name in ("segment", "recency", "frequency", "monetary")),
    *("total", "lines", "entry.total", "member.unheard_of", "member.attributes", "strange.name"),
]
_REFS = [{"ref": name} for name in NAMES]
ODD = [None, True, False, *NUMBERS, *DECIMALS, *TEXTS]
ODD += ["2020-02-29T00:00:00+03:00", "1900-01-01", "0001-01-01", "9999-12-31T23:59:59.999999Z"]
_OPERATORS = ["eq", "eq", "ne", "gt", "ge", "lt", "le", "in", "not_in", "contains", "starts_with", "exists", "between"]


THEMES: dict[str, tuple[list[str], list[str]]] = {
    "everything": (OFTEN, NAMES),
    "bonus": (["bonus_accrued", "bonus_accrued", "bonus_paid"], ["member.bonus.points", "member.bonus.o'clock"]),
    "counters": (["purchase_completed"] * 3 + ["order_placed"], [f"counter.{name}" for name in COUNTERS]),
    "time": (
        ["registration_completed", "site_visited", "purchase_completed"],
        [name for name in NAMES if "since" in name or name.endswith(("age", "_at", "_date", "_zone"))],
    ),
    "attributes": (["profile_updated", "feedback_received"], [f"member.attributes.{name}" for name in ATTRIBUTES]),
}
"""What happens more often, and what is asked about: everything at once shows each thing too seldom."""


def conditions(values: Callable[[str], list[Any]], names: Sequence[str] = NAMES) -> st.SearchStrategy[dict[str, Any]]:
    """Conditions as the YAML's mappings; `values` are what some members have under a name."""
    tests = (
        _tests(values, NAMES) | _tests(values, names) | st.sampled_from(SEGMENTS).map(lambda name: {"segment": name})
    )
    parts = st.lists(tests, max_size=3)
    combined = st.one_of(
        tests.map(lambda test: {"not": test}),
        parts.map(lambda found: {"all": found}),
        parts.map(lambda found: {"any": found}),
        parts.map(lambda found: {"not": {"any": found}}),
        st.builds(lambda first, second: {"not": {**first, "not": second}}, tests, tests),
    )
    return tests | tests | combined


@st.composite
def _tests(draw: st.DrawFn, values: Callable[[str], list[Any]], names: Sequence[str]) -> dict[str, Any]:
    name, operator = draw(st.sampled_from(names)), draw(st.sampled_from(_OPERATORS))
    return {name: {operator: draw(_operand(operator, name, values))}}


def _operand(operator: str, name: str, values: Callable[[str], list[Any]]) -> st.SearchStrategy[Any]:
    near = [each for value in values(name) for each in _neighbours(value)]
    one = st.one_of(*[st.sampled_from(near or ODD)] * 4, st.sampled_from(ODD), st.sampled_from(_REFS))
    match operator:
        case "in" | "not_in":
            return st.lists(one, max_size=3)
        case "between":
            return st.lists(one, min_size=2, max_size=2)
        case "exists":
            return st.booleans()
        case "starts_with":
            return st.sampled_from([*(each for each in near if isinstance(each, str)), "", "O", "+7", *_REFS])
        case _:
            return one


def _neighbours(value: Any) -> list[Any]:
    """The value as a condition states it, and what lies beside it."""
    if isinstance(value, bool):
        return [value]
    if isinstance(value, int | Decimal):
        number = Decimal(value)
        return [value, number, number + 1, number - 1, number + Decimal("1e-7"), number - Decimal("1e-9")]
    if isinstance(value, datetime):
        beside = (0, 1, -1, 1000, -999)
        return [(value + timedelta(microseconds=us)).isoformat() for us in beside] + [value.date().isoformat()]
    if isinstance(value, date):
        return [value.isoformat(), f"{value.isoformat()}T00:00:00.000001", f"{value.isoformat()}T03:00:00+03:00"]
    return [value, value[:1], value[1:], f"{value} "]


def _ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
