"""A member's record: it comes back as it went, every earlier version is read, and what fills it is bounded."""

import ast
import base64
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import EVENT_TYPES
from streams.engine import entry_body, limits, state, step
from streams.engine.entry_body import pack, unpack
from streams.engine.events import Event
from streams.engine.row_values import WORDS
from streams.engine.state import BEFORE_ALL, Journey, MemberState, Tally, fields, new
from streams.engine.state_bytes import decode, encode
from streams.programme.programme import EMPTY
from tests.simulation.support import directory
from tests.support import ROOT

EARLIER = Path(__file__).parent / "states.jsonl"
"""States as earlier versions wrote them. Lines are added (`python -m tests.unit.engine.test_state`), never changed."""

SOURCE = ast.parse((ROOT / "streams/engine/state.py").read_text(encoding="utf-8"))
DAY = 86_400_000


def full() -> MemberState:
    """A state with something in every field."""
    found = new("m")
    found.clock, found.sequence, found.programme = 1_514_808_000_123, 7, 3
    profile = found.profile
    profile.registered_at, profile.birth_date = 1, date(1992, 2, 29)
    profile.attributes = {"text": "x", "yes": True, "whole": 3, "part": 12.5}
    profile.social = {"vk": "id1"}
    profile.undeliverable, profile.readdressed = ["sms"], {"phone": 1_514_808_000_000}
    profile.first_name, profile.phone, profile.city_zone = "Анна", "+79123456789", "Europe/Moscow"
    found.purchases = state.Purchases(2, Decimal("12.50"), 1, 2)
    found.statements = [state.Statement(None, "marketing", False, 5)]
    found.seen = {2**63 - 1: 5}
    found.last_at = {"purchase_completed": (2, 1), "site_visited": (3, None)}
    found.tallies = {"x": Tally("abc", {17000: Decimal("1.5"), 17001: 2}, {17002: ["a"]})}
    journey = Journey(1, "c", 2, 3, "m", "pos", "e", 3, pack({"total": Decimal("1.5")}), 4)
    journey.pending = [state.Pending("actions[0]", 1, 2, "dispatch")]
    journey.named = {"mail": ["dispatch"]}
    journey.amount = Decimal("0.1")
    entry = pack(dict.fromkeys([*entry_body.FIELDS, "unheard_of"], 1))
    found.journeys = [journey, Journey(2, "d", 1, 3, "m", "pos", "e", 3, entry, 4)]
    found.timers = [state.Timer(9, 1, "wait", 1), state.Timer(8, 2, "date", "c", "0/2018")]
    found.parked = [state.Timer(9, 1, "wait", 1)]
    found.entries, found.awarded, found.assigned = {"c": 3}, {"c/actions[0]": [1]}, {"vip": True}
    purchase = state.Attributed("r1", 9, Decimal("2.50"), "clicked", 7)
    found.sent = [state.Sent(1, "dispatch", "sms", "c", True, 2, "actions[1]", "P1M", 2, 3, [7], [purchase])]
    found.inside, found.dated, found.mailed = ["vip"], {"c/0": 2018}, ["c/1/now"]
    found.cart = [state.CartLine("a", quantity=Decimal(2), price=Decimal("9.99"))]
    found.cart_changed_at, found.cart_last_at = 1, 2
    found.accruals = [state.Accrual("1", Decimal(5), "points", 1, 2, 3, Decimal(1), True)]
    found.noticed, found.orders = ["c/0/2018-01-01"], [state.Order("1", 2, {"x": Decimal("1.5")})]
    found.rfm = {"segment": "champions", "recency": 5}
    return found


def plain(profile: state.Profile) -> list:
    """A profile as the first versions wrote it."""
    return json.loads(msgspec.json.encode(state.as_row(profile)))


def test_a_state_comes_back_as_it_went():
    assert decode(encode(full())) == full()
    assert decode(encode(new("m"))) == new("m")


def test_fields_are_those_that_a_record_is_made_of():
    kinds = [kind for kind in state.Record.__subclasses__() if kind not in {state.Profile, state.MemberState}]
    assert len(kinds) == 11
    for kind in kinds:
        assert fields(kind) == _parameters(kind.__name__)
    for whole in (new("m"), new("m").profile):
        assert fields(type(whole)) == _slots(type(whole).__name__)
        assert all(hasattr(whole, name) for name in fields(type(whole)))


def _parameters(kind: str) -> tuple[str, ...]:
    """The parameters of its `__init__`, by its source: machine code doesn't tell."""
    (init,) = (each for each in _body(kind) if isinstance(each, ast.FunctionDef) and each.name == "__init__")
    return tuple(each.arg for each in init.args.args[1:])


def _slots(kind: str) -> tuple[str, ...]:
    """Its `__slots__`, by its source."""
    (slots,) = (
        each.value
        for each in _body(kind)
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "__slots__"
    )
    return tuple(eval(ast.unparse(slots)))


def _body(kind: str) -> list[ast.stmt]:
    (found,) = (each.body for each in SOURCE.body if isinstance(each, ast.ClassDef) and each.name == kind)
    return found


def test_records_are_equal_by_their_fields():
    for name in fields(MemberState):
        one, other = full(), full()
        assert one == other
        setattr(other, name, getattr(new("other"), name))
        assert one != other, name
    assert state.Timer(1, 2, "wait", 3) != state.Timer(1, 2, "wait", 4)
    assert state.Timer(1, 2, "wait", 3) != (1, 2, "wait", 3, "")
    assert repr(state.Pending("actions[0]", 1, 2)) == "Pending(path='actions[0]', step=1, action_at=2, sent=None)"


TIMES = (
    st.integers(-(2**62), 2**62) | st.integers(10**12, 2 * 10**12) | st.integers(10**9, 2 * 10**9).map((1000).__mul__)
)
TEXTS = st.text(max_size=5) | st.sampled_from(WORDS) | st.uuids().map(str) | st.binary(max_size=17).map(bytes.hex)
AMOUNTS = st.decimals(-(10**9), 10**9, places=2) | st.sampled_from([Decimal(0), Decimal("0.00"), Decimal("1E+3")])
MAYBE_TIMES, MAYBE_TEXTS = st.none() | TIMES, st.none() | TEXTS
PENDING = st.builds(state.Pending, TEXTS, st.integers(0, 9), TIMES, MAYBE_TEXTS)
NUMBERS = st.integers(0, 2**40)
TIMERS = st.lists(st.builds(state.Timer, TIMES, NUMBERS, TEXTS, NUMBERS | TEXTS, TEXTS), max_size=3)
JOURNEYS = st.builds(
    Journey,
    *(NUMBERS, TEXTS, NUMBERS, TIMES, TEXTS, TEXTS, TEXTS, MAYBE_TIMES, st.just(pack({})) | st.binary(), TIMES),
    *(
        MAYBE_TEXTS,
        st.lists(PENDING, max_size=2),
        st.dictionaries(TEXTS, st.lists(TEXTS, max_size=2), max_size=2),
        MAYBE_TEXTS,
    ),
    *(st.none() | AMOUNTS, st.none() | NUMBERS),
)
ATTRIBUTED = st.builds(state.Attributed, TEXTS, TIMES, AMOUNTS, TEXTS, TIMES)
SENT = st.builds(
    state.Sent,
    *(TIMES, TEXTS, TEXTS, TEXTS, st.booleans(), NUMBERS, TEXTS, MAYBE_TEXTS, MAYBE_TIMES, MAYBE_TIMES),
    *(st.lists(TIMES, max_size=2), st.lists(ATTRIBUTED, max_size=2)),
)
BUCKETS = st.integers(-(2**40), 2**40)
PARTS = {
    "timers": TIMERS,
    "parked": TIMERS,
    "journeys": st.lists(JOURNEYS, max_size=3),
    "sent": st.lists(SENT, max_size=3),
    "seen": st.dictionaries(st.integers(0, 2**63 - 1), TIMES, max_size=3),
    "last_at": st.dictionaries(TEXTS, st.tuples(TIMES, MAYBE_TIMES), max_size=3),
    "entries": st.dictionaries(TEXTS, TIMES, max_size=3),
    "awarded": st.dictionaries(TEXTS, st.lists(TIMES, max_size=2), max_size=2),
    "purchases": st.builds(state.Purchases, NUMBERS, AMOUNTS, MAYBE_TIMES, MAYBE_TIMES),
    "statements": st.lists(st.builds(state.Statement, MAYBE_TEXTS, MAYBE_TEXTS, st.booleans(), TIMES), max_size=2),
    "orders": st.lists(st.builds(state.Order, TEXTS, TIMES, st.dictionaries(TEXTS, AMOUNTS, max_size=2)), max_size=2),
    "accruals": st.lists(
        st.builds(state.Accrual, TEXTS, AMOUNTS, TEXTS, TIMES, TIMES, MAYBE_TIMES, AMOUNTS, st.booleans()), max_size=2
    ),
    "cart": st.lists(
        st.builds(
            state.CartLine, TEXTS, MAYBE_TEXTS, MAYBE_TEXTS, AMOUNTS, st.none() | AMOUNTS, MAYBE_TEXTS, MAYBE_TEXTS
        ),
        max_size=2,
    ),
    "tallies": st.dictionaries(
        TEXTS,
        st.builds(
            Tally,
            TEXTS,
            st.dictionaries(BUCKETS, st.integers(0, 2**40) | AMOUNTS, max_size=4),
            st.dictionaries(BUCKETS, st.lists(TEXTS, max_size=2), max_size=2),
        ),
        max_size=2,
    ),
}


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=25)
@given(data=st.data(), clock=st.just(BEFORE_ALL) | TIMES)
def test_whatever_is_in_a_state_comes_back(part, data, clock):
    found = new("m")
    found.clock, found.sequence = clock, 271
    setattr(found, part, data.draw(PARTS[part]))
    back = decode(encode(found))
    assert back == found
    assert repr(back) == repr(found)  # also the digits of numbers that are equal
    assert encode(back) == encode(found)


def test_every_field_is_in_the_full_state():
    bare, filled = new("m"), full()
    same = [name for name in fields(MemberState) if getattr(bare, name) == getattr(filled, name)]
    assert same == ["key"]


@pytest.mark.parametrize("line", EARLIER.read_text().splitlines())
def test_every_earlier_version_is_read(line):
    earlier = json.loads(line)
    found = decode(base64.b64decode(earlier["state"]))
    assert decode(encode(found)) == found
    fields_then = len(earlier["profile"])
    assert plain(found.profile)[:fields_then] == earlier["profile"]
    assert plain(found.profile)[fields_then:] == plain(state.Profile())[fields_then:], "what came since"
    assert [timer.kind for timer in found.timers] == earlier["timers"]
    assert [journey.campaign for journey in found.journeys] == earlier["journeys"]
    entries = earlier.get("entries", [["total"]])
    assert [list(unpack(journey.entry_body)) for journey in found.journeys] == entries


def test_todays_version_is_among_them():
    """A changed format shows here first: then a line is added."""
    newest = json.loads(EARLIER.read_text().splitlines()[-1])
    assert base64.b64decode(newest["state"]) == encode(full())


def test_other_bytes_are_refused():
    for data in (b"", b"\x01", b"\x93\x01\x02\x03", encode(full())[:-1]):
        with pytest.raises(msgspec.DecodeError):
            decode(data)


def test_new_states_share_nothing():
    one, other = new("a"), new("b")
    one.journeys.append(full().journeys[0])
    one.profile.attributes["x"] = 1
    one.seen[1] = 1
    assert other == new("b")


def test_a_body_comes_back_as_it_went():
    body = {
        "total": Decimal("12.50"),
        "day": date(2018, 1, 1),
        "at": datetime(2018, 1, 1, 12, 30, tzinfo=UTC),
        "lines": [{"price": Decimal(1), "name": "x"}],
        "yes": True,
        "whole": 2**62,
    }
    assert unpack(pack(body)) == body
    assert str(unpack(pack(body))["total"]) == "12.50"


def test_fields_of_events_are_kept_as_numbers():
    fields = {name for event_type in EVENT_TYPES.values() for name in event_type.fields}
    assert sorted(entry_body.FIELDS) == sorted(fields)
    assert len(pack({"bonus_paid": 1, "receipt_id": 2})) == 5


def test_next_due_and_numbers():
    found = full()
    assert found.next_due() == 8
    assert new("m").next_due() is None
    assert (found.next_number(), found.next_number()) == (8, 9)
    assert new("m").clock == BEFORE_ALL


# Growth --------------------------------------------------------------------------------------------------------------


def event(number: int, kind: str, at: int, **body: object) -> Event:
    return Event(
        event_id=str(number), type=kind, occurred_at=at, source="test", key="m", member_id="m", body=dict(body)
    )


def flooded(kind: str, count: int, apart_ms: int = 1000, **body: object) -> MemberState:
    programme = directory(c="trigger: {event: site_visited}\nentry: {while_running: parallel}\nactions: [{wait: P9D}]")
    found = new("m")
    for number in range(count):
        fields = {name: f"{value}{number}" if value == "#" else value for name, value in body.items()}
        step.handle(programme, found, event(number, kind, number * apart_ms, **fields))
    return found


def test_event_ids_are_forgotten_after_a_week_and_beyond_a_bound():
    two_minutes_apart = flooded("balance_inquired", 6_000, 120_000)
    assert len(two_minutes_apart.seen) == 7 * 24 * 30 + 1
    a_second_apart = flooded("balance_inquired", limits.SEEN_MAX + 50)
    assert len(a_second_apart.seen) == limits.SEEN_MAX


@pytest.mark.parametrize(
    ("kind", "body", "size", "bound"),
    [
        ("site_visited", {}, lambda found: len(found.journeys), limits.JOURNEYS_PER_MEMBER_MAX),
        ("cart_item_added", {"sku": "#"}, lambda found: len(found.cart), limits.CART_LINES_MAX),
        ("bonus_accrued", {"accrual_id": "#", "amount": Decimal(1)}, lambda found: len(found.accruals), 1000),
        ("segment_assigned", {"segment": "#"}, lambda found: len(found.assigned), limits.ASSIGNED_MAX),
        ("subscription_changed", {"messaging_type": "#", "subscribed": True}, lambda found: len(found.statements), 200),
    ],
)
def test_what_fills_a_state_is_bounded(kind, body, size, bound):
    assert size(flooded(kind, bound + 30, **body)) == bound


def test_attributes_are_bounded():
    found = new("m")
    attributes = {f"a{number}": Decimal(number) for number in range(5000)}
    step.handle(EMPTY, found, event(1, "profile_updated", 0, attributes=attributes))
    assert len(found.profile.attributes) == limits.ATTRIBUTES_MAX


def main() -> None:
    """Write today's version as another line."""
    found = full()
    line = {
        "state": base64.b64encode(encode(found)).decode(),
        "profile": plain(found.profile),
        "timers": [timer.kind for timer in found.timers],
        "journeys": [journey.campaign for journey in found.journeys],
        "entries": [list(unpack(journey.entry_body)) for journey in found.journeys],
    }
    with EARLIER.open("a") as lines:
        lines.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
