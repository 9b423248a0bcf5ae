"""The bounds and ties of a merger of two states; what it means is tested in tests/simulation/test_identity.py."""

from decimal import Decimal

import pytest

from streams.engine import step
from streams.engine.commands import Decision
from streams.engine.events import Event
from streams.engine.limits import JOURNEYS_PER_MEMBER_MAX, SEEN_MAX
from streams.engine.merging import merge
from streams.engine.profile import declare
from streams.engine.state import CartLine, MemberState, Order, fields, new
from streams.engine.state_bytes import decode, encode
from streams.engine.windows import read
from streams.programme import Programme, load
from streams.programme.programme import EMPTY
from tests.simulation.support import bundle, directory

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


# A stranger and a member whose partitions get a programme at different places of the log

VISIT = "trigger: {event: site_visited}\n"
MESSAGE = "{send: {channel: sms, template: hello}}"


def programmes(before: dict[str, str], after: dict[str, str]) -> list[Programme]:
    """The first, and the second, which knows the versions of the first."""
    bundles = [bundle(before), bundle(after)]
    return [load(bundles[:1]), load(bundles)]


def campaign(text: str, name: str = "c") -> dict[str, str]:
    return {f"{name}.yaml": f"id: {name}\n{text}"}


WAITS = campaign(f"version: 1\n{VISIT}actions: [{{wait: P1D}}, {MESSAGE}]")


def newer(extra: str = "") -> dict[str, str]:
    """The next version of the campaign that waits."""
    return campaign(f"version: 2\n{extra}{VISIT}actions: [{{wait: P1D}}, {MESSAGE}]")


def short(output) -> list[str]:
    return [
        f"{each.campaign} v{each.version} {each.reason}" if isinstance(each, Decision) else type(each).__name__
        for each in output
    ]


def known(programme: Programme, key: str, at: int = 1) -> MemberState:
    """Somebody who has met the programme."""
    state = new(key)
    handle(programme, state, "registration_completed", at, phone="+79001234567")
    return state


def visitor(programme: Programme) -> MemberState:
    """A stranger in a journey."""
    state = known(programme, "visitor:v")
    handle(programme, state, "site_visited", 2)
    assert len(state.journeys) == 1
    return state


@pytest.mark.parametrize(
    "after",
    [
        campaign(f"version: 1\nstatus: stopped\n{VISIT}actions: [{{wait: P1D}}, {MESSAGE}]"),
        newer("in_flight: stop\n"),
        campaign(VISIT + "actions: [{wait: P1D}]", name="other"),
    ],
    ids=["stopped", "in flight: stop", "gone"],
)
def test_a_journey_of_an_earlier_programme_ends_where_the_members_ends_it(after: dict[str, str]):
    first, second = programmes(WAITS, after)
    member, other = known(second, "m"), visitor(first)
    output = merge(second, member, other, 3)
    assert short(output) == ["c v1 campaign_stopped"]
    assert [each.member_id for each in output] == ["visitor:v"]
    assert member.journeys == member.timers == []
    assert member.programme == second.number
    assert short(step.advance(second, member, 9 * DAY, wall=False)) == []


def test_a_journey_of_an_earlier_programme_is_moved_or_goes_on_as_the_members_says():
    for extra, version in (("in_flight: move\n", 2), ("", 1)):
        first, second = programmes(WAITS, newer(extra))
        member, other = known(second, "m"), visitor(first)
        assert merge(second, member, other, 3) == []
        output = step.advance(second, member, 9 * DAY, wall=False)
        assert short(output) == ["Dispatch", f"c v{version} completed"]


def test_who_is_nobody_yet_gets_to_know_the_programme_with_a_state_of_an_earlier_one():
    first, second = programmes(WAITS, newer("in_flight: move\n"))
    member = new("m")
    merge(second, member, visitor(first), 3)
    assert (member.programme, [journey.version for journey in member.journeys]) == (second.number, [2])


def test_what_was_paused_for_the_stranger_goes_on_if_it_is_no_more():
    paused = campaign(f"version: 1\nstatus: paused\n{VISIT}actions: [{{wait: P1D}}, {MESSAGE}]")
    live, first = programmes(WAITS, paused)
    second = load([bundle(WAITS), bundle(paused), bundle(WAITS)])
    other = visitor(live)
    step.adopt(first, other, 3)
    step.advance(first, other, 2 * DAY, wall=False)
    assert other.parked
    member = known(second, "m")
    assert short(merge(second, member, other, 2 * DAY + 1)) == ["Dispatch", "c v1 completed"]
    assert member.parked == []


def test_memberships_of_another_programme_are_no_news():
    listens = campaign("trigger: {segment_left: s}\nactions: [" + MESSAGE + "]")
    one, two = (
        {**listens, "segments/s.yaml": f"id: s\nwhere: {{member.first_name: {name}}}"} for name in ("Anna", "Berta")
    )
    for now, then in (([0], [1]), ([1], [0])):
        both = programmes(one, two)
        mine, theirs = both[now[0]], both[then[0]]
        member, other = known(mine, "m"), known(theirs, "visitor:v")
        handle(theirs, other, "profile_updated", 2, first_name=["Anna", "Berta"][then[0]])
        assert other.inside == ["s"]
        assert merge(mine, member, other, 3) == []


CART = "trigger: {cart_abandoned: {after: PT1H}}\nactions: [" + MESSAGE + "]"
HOUR = 3_600_000


@pytest.mark.parametrize(("at", "notices"), [(HOUR, ["Dispatch", "d v1 completed"]), (HOUR + 3, [])])
def test_a_cart_of_an_earlier_programme_counts_for_a_new_campaign_unless_its_time_is_past(at: int, notices: list[str]):
    first, second = programmes(WAITS, {**WAITS, **campaign(CART, name="d")})
    member, other = known(second, "m"), known(first, "visitor:v")
    handle(first, other, "cart_item_added", 2, sku="a", quantity=Decimal(1))
    output = merge(second, member, other, at)
    output += step.advance(second, member, 9 * HOUR, wall=False)
    assert short(output) == notices


ORDERED = (
    "counters: {{ordered: {{event: order_placed, aggregate: sum, field: total, where: {{total: {{ge: {least}}}}}}}}}"
)
COUNTING = {"counters.yaml": ORDERED.format(least=1)}
COUNTING_ELSE = {"counters.yaml": ORDERED.format(least=1000)}


@pytest.mark.parametrize(
    ("theirs", "mine"),
    [
        ((0, COUNTING), (1, {})),
        ((0, COUNTING), (1, COUNTING_ELSE)),
        ((1, COUNTING), (0, {})),
        ((1, COUNTING), (0, COUNTING_ELSE)),
    ],
    ids=["gone", "changed", "not there yet", "not changed yet"],
)
def test_orders_of_a_counter_that_the_members_programme_has_not_are_not_taken_back_from_it(theirs, mine):
    bundles = dict([theirs, mine])
    both = programmes({**WAITS, **bundles[0]}, {**WAITS, **bundles[1]})
    programme = both[mine[0]]
    member, other = known(programme, "m"), known(both[theirs[0]], "visitor:v")
    handle(both[theirs[0]], other, "order_placed", 2, order_id="o", total=Decimal(50))
    assert other.orders
    merge(programme, member, other, 3)
    handle(programme, member, "order_cancelled", 4, order_id="o")
    assert member.tallies == {}


def test_an_order_of_a_counter_that_no_programme_has_is_forgotten_and_no_more():
    (programme, _) = programmes(WAITS, WAITS)
    member = known(programme, "m")
    member.orders = [Order("o", 1, {"ordered": Decimal(50)})]
    handle(programme, member, "order_cancelled", 4, order_id="o")
    assert (member.orders, member.tallies) == ([], {})


@pytest.mark.parametrize("before", [{}, WAITS], ids=["a new campaign", "a newer version"])
def test_a_journey_of_a_later_programme_waits_for_it(before: dict[str, str]):
    nothing = campaign(VISIT + "actions: [{wait: P9D}]", name="other")
    first, second = programmes({**nothing, **before}, newer())
    member, other = known(first, "m"), visitor(second)
    assert merge(first, member, other, DAY + 3) == [], "even if it was due"
    handle(first, member, "section_visited", DAY + 4)
    assert step.advance(first, member, 2 * DAY, wall=False) == []
    assert [journey.campaign for journey in member.journeys] == ["c"]
    assert decode(encode(member)) == member
    output = step.adopt(second, member, 2 * DAY + 1)
    assert short(output) == ["Dispatch", "c v2 completed"]
    assert step.adopt(second, member, 2 * DAY + 2) == []


def test_so_it_does_if_yet_another_programme_comes_before():
    texts = [campaign(VISIT + "actions: [{wait: P9D}]", name=name) for name in ("a", "b")]
    bundles = [bundle(texts[0]), bundle(texts[1]), bundle(newer())]
    first, second, third = (load(bundles[:number]) for number in (1, 2, 3))
    member, other = known(first, "m"), visitor(third)
    merge(first, member, other, DAY + 3)
    assert step.adopt(second, member, DAY + 4) == []
    assert short(step.adopt(third, member, DAY + 5)) == ["Dispatch", "c v2 completed"]


def test_a_journey_of_a_later_programme_goes_on_where_the_members_knows_it():
    first, second = programmes(WAITS, {**WAITS, **campaign(CART, name="d")})
    member, other = known(first, "m"), visitor(second)
    merge(first, member, other, 3)
    assert short(step.advance(first, member, 2 * DAY, wall=False)) == ["Dispatch", "c v1 completed"]
