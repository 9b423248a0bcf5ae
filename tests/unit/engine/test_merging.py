"""The bounds and ties of a merger of two states; what it means is tested in tests/simulation/test_identity.py."""

from decimal import Decimal

from streams.engine import step
from streams.engine.commands import Decision
from streams.engine.events import Event
from streams.engine.limits import JOURNEYS_PER_MEMBER_MAX, SEEN_MAX
from streams.engine.merging import merge
from streams.engine.profile import declare
from streams.engine.state import CartLine, MemberState, fields, new
from streams.engine.state_bytes import decode, encode
from streams.engine.windows import read
from streams.programme.programme import EMPTY
from tests.simulation.support import directory

DAY = 86_400_000


def handle(programme, state: MemberState, kind: str, at: int, **body) -> None:
    each = Event(event_id=f"{kind}{at}{state.key}", type=kind, occurred_at=at, source="t", key=state.key, body=body)
    step.handle(programme, state, each)


def test_counters_add_up_bucket_by_bucket_by_their_kind():
    files = {
        "counters.yaml": """
            counters:
              spent: {event: purchase_completed, aggregate: sum, field: total, window: P2D, step: P1D}
              most: {event: purchase_completed, aggregate: max, field: total}
              visits: {event: purchase_completed, aggregate: count}
              stores: {event: purchase_completed, aggregate: distinct, field: store_id}
        """
    }
    programme = directory(files, c="trigger: {event: site_visited}\nactions: [{wait: P1D}]")
    member, other = new("m"), new("card:c")
    handle(programme, member, "purchase_completed", DAY, total=Decimal("1.5"), store_id="a")
    handle(programme, member, "purchase_completed", 2 * DAY, total=Decimal(9), store_id="b")
    handle(programme, other, "purchase_completed", DAY + 1, total=Decimal(4), store_id="a")
    handle(programme, other, "purchase_completed", 2 * DAY + 1, total=Decimal(20), store_id="c")
    merge(programme, member, other, 2 * DAY + 2)

    def value(name: str, at: int) -> object:
        return read(programme.plan.counters[name], member.tallies.get(name), at, programme.zone)

    assert [value(name, 2 * DAY + 2) for name in ("spent", "most", "visits", "stores")] == [Decimal("34.5"), 20, 4, 3]
    assert value("spent", 3 * DAY) == 29
    assert member.purchases.total == Decimal("34.5")


def test_journeys_beyond_the_bound_end_the_latest_of_those_that_move_first():
    names = [f"c{number}" for number in range(JOURNEYS_PER_MEMBER_MAX)]
    texts = dict.fromkeys(names, "trigger: {event: site_visited}\nactions: [{wait: P1D}]")
    own = {"own": "trigger: {event: section_visited}\nactions: [{wait: P1D}]"}
    programme = directory(**texts, **own)
    member, other = new("m"), new("visitor:v")
    handle(programme, member, "section_visited", 1)
    handle(programme, other, "site_visited", 2)
    found = [each for each in merge(programme, member, other, 3) if isinstance(each, Decision)]
    assert [(each.campaign, each.outcome, each.reason) for each in found] == [
        (max(names), "ended", "limit_exceeded"),
    ]
    assert len(member.journeys) == JOURNEYS_PER_MEMBER_MAX
    assert len(member.timers) == JOURNEYS_PER_MEMBER_MAX
    assert {journey.member_id for journey in member.journeys} == {"", "visitor:v"}
    assert len({journey.number for journey in member.journeys}) == JOURNEYS_PER_MEMBER_MAX
    assert decode(encode(member)) == member


def test_events_seen_are_kept_by_age_and_no_more_than_may_be():
    member, other = new("m"), new("visitor:v")
    member.seen = {number: number for number in range(0, SEEN_MAX, 2)}
    other.seen = {number: number + 1 for number in range(SEEN_MAX * 2)}
    merge(EMPTY, member, other, SEEN_MAX * 3)
    assert list(member.seen) == list(range(SEEN_MAX, SEEN_MAX * 2))
    again = new("n")
    again.seen = {7: 5}
    both = new("visitor:w")
    both.seen = {7: 3}
    merge(EMPTY, again, both, 9)
    assert again.seen == {7: 3}


def test_of_consent_the_latest_counts_and_at_the_same_time_the_members_own():
    member, other = new("m"), new("visitor:v")
    declare(member, "sms", None, True, 10)
    declare(other, "sms", None, False, 10)
    declare(member, "email", None, True, 10)
    declare(other, "email", None, False, 11)
    declare(other, None, "marketing", False, 1)
    merge(EMPTY, member, other, 20)
    found = {(each.channel, each.messaging_type): each.subscribed for each in member.statements}
    assert found == {("sms", None): True, ("email", None): False, (None, "marketing"): False}


def test_a_line_of_the_cart_says_what_the_newer_cart_says():
    member, other = new("m"), new("visitor:v")
    member.cart, member.cart_changed_at = [CartLine(sku="a", name="Tea", price=Decimal(3))], 5
    other.cart, other.cart_changed_at = [CartLine(sku="b"), CartLine(sku="a", name="Green tea")], 6
    merge(EMPTY, member, other, 9)
    assert [(line.sku, line.name, line.quantity, line.price) for line in member.cart] == [
        ("a", "Green tea", 2, 3),
        ("b", None, 1, None),
    ]
    assert member.cart_changed_at == 6


def test_what_an_empty_state_adds_is_nothing():
    programme = directory(c="trigger: {event: site_visited}\nactions: [{wait: P1D}]")
    member = new("m")
    handle(programme, member, "site_visited", 1)
    before = encode(member)
    assert merge(programme, member, new("visitor:v"), 1) == []
    assert encode(member) == before


def test_no_part_of_a_state_is_forgotten():
    """A new field must be united too, or named here as one that a merger leaves alone; then it is added."""
    united = {
        *("clock", "sequence", "programme", "profile", "purchases", "statements", "seen", "last_at", "tallies"),
        *("journeys", "timers", "parked", "entries", "sent", "awarded", "assigned", "inside", "dated", "mailed"),
        *("cart", "cart_changed_at", "accruals", "noticed", "orders", "rfm"),
    }
    left_alone = {"key", "cart_last_at"}
    assert set(fields(MemberState)) == united | left_alone
