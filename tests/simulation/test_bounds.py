"""Campaigns that would stall a worker: each is stopped for that member by a bound of its own, and the rest goes on."""

import time
from collections import Counter

import pytest

from schemas.values import parse_time
from streams.engine import limits
from streams.engine.merging import merge
from streams.engine.state import MemberState, Tally, new
from streams.engine.state_bytes import decode, encode
from streams.engine.weight import lightened, weigh
from tests.simulation.support import Live, directory, event, happened, registered

AT, END = "2018-01-10T10:00:00Z", "2018-01-11T00:00:00Z"
LISTED = {"segments/s.yaml": "id: s\nmembers: []"}
ENTERED = event("m", "segment_assigned", AT, segment="s")
OTHER = "trigger: {event: site_visited}\nactions: [{send: {channel: cashier, template: a}}]"
AFTERWARDS = event("m", "site_visited", "2018-01-10T11:00:00Z")
SEND = "{send: {channel: sms, template: a}}"


def counted(programme, events, until=END):
    """How often what happened, without the times."""
    started = time.perf_counter()
    lines = happened(programme, events, until)
    assert time.perf_counter() - started < 10  # a second at most, on an idle machine
    return Counter(line.split(" ", 1)[1] for line in lines)


def several(action, count):
    return ", ".join([action] * count)


def visits(count):
    return [event("m", "site_visited", AT, event_id=str(number)) for number in range(count)]


def test_segments_that_undo_each_other():
    programme = directory(
        LISTED,
        a="trigger: {segment_entered: s}\nactions: [{remove_from: s}]",
        b="trigger: {segment_left: s}\nactions: [{add_to: s}]",
        other=OTHER,
    )
    found = counted(programme, [ENTERED, AFTERWARDS])
    assert found == {
        "ended completed": limits.SEGMENT_ROUNDS_MAX + 1,
        "refused limit_exceeded": 1,
        "dispatch A": 1,
    }


@pytest.mark.parametrize("waits", [1, 2])
def test_a_campaign_that_triggers_itself_without_a_pause(waits):
    programme = directory(
        LISTED,
        loop=f"""
        trigger: {{segment_entered: s}}
        entry: {{while_running: parallel}}
        actions:
          [{{award: {{amount: 1, currency: p}}}}, {{remove_from: s}}, {several("{wait: PT0S}", waits)}, {{add_to: s}}]
        """,
        other=OTHER,
    )
    found = counted(programme, [ENTERED, AFTERWARDS])
    assert found["refused limit_exceeded"] == 1
    assert limits.ENTRIES_AT_ONCE_MAX <= found["award 1"] <= limits.ENTRIES_AT_ONCE_MAX + limits.ACTIONS_UNCOUNTED
    assert found["dispatch A"] == 1


def test_a_campaign_that_multiplies_itself():
    programme = directory(
        {**LISTED, "segments/t.yaml": "id: t\nmembers: []"},
        loop="""
        trigger: [{segment_entered: s}, {segment_entered: t}]
        entry: {while_running: parallel}
        actions: [{remove_from: s}, {remove_from: t}, {wait: PT0S}, {add_to: s}, {wait: PT0S}, {add_to: t}]
        """,
        other=OTHER,
    )
    found = counted(programme, [ENTERED, AFTERWARDS])
    assert found["refused limit_exceeded"] >= 1
    assert found["ended completed"] < 2 * limits.ENTRIES_AT_ONCE_MAX
    assert found["dispatch A"] == 1


def test_many_journeys_that_do_much_at_once():
    programme = directory(
        many=f"""
        trigger: {{event: site_visited}}
        entry: {{while_running: parallel}}
        actions: [{{wait: {{for: {{event: product_viewed}}}}}}, {several("{set: {a: 1}}", 900)}]
        """,
        other="trigger: {event: product_viewed}\nactions: [{send: {channel: cashier, template: a}}]",
    )
    journeys = limits.JOURNEYS_PER_MEMBER_MAX
    found = counted(programme, [*visits(journeys), event("m", "product_viewed", "2018-01-10T11:00:00Z")])
    through = limits.ACTIONS_AT_ONCE_MAX // 900
    assert found == {"ended limit_exceeded": journeys - through, "ended completed": through + 1, "dispatch A": 1}


def test_messages_put_off_without_end():
    quiet = {"policies.yaml": 'default_time_zone: UTC\nquiet_hours: {from: "09:30", to: "23:00"}\n'}
    programme = directory(quiet, c=f"trigger: {{event: site_visited}}\nactions: [{several(SEND, 900)}]")
    found = counted(programme, [registered("m", "2018-01-10T09:00:00Z"), *visits(1)])
    assert found == {
        "deferred quiet_hours": 900,
        "suppressed limit_exceeded": 900 - limits.PENDING_PER_MEMBER_MAX,
        "dispatch A": limits.PENDING_PER_MEMBER_MAX,
        "ended completed": 1,
    }


def test_cascades_that_wait_without_end():
    cascade = """{send: {cascade: [
        {channel: sms, template: a, wait: PT1H, until: delivered}, {channel: cashier, template: b}]}}"""
    programme = directory(c=f"trigger: {{event: site_visited}}\nactions: [{several(cascade, 600)}]")
    found = counted(programme, [registered("m", "2018-01-10T09:00:00Z"), *visits(1)])
    most = limits.PENDING_PER_MEMBER_MAX
    assert found == {
        "dispatch A": 600,
        "suppressed limit_exceeded": 600 - most,
        "dispatch B": most,
        "ended completed": 1,
    }


def test_more_attributes_than_may_be():
    names = ", ".join(f"{{set: {{a{number}: 1}}}}" for number in range(limits.ATTRIBUTES_MAX + 1))
    programme = directory(
        c=f"trigger: {{event: site_visited}}\nactions: [{names}]",
        d="trigger: {event: site_visited}\nactions: [{send: {channel: cashier, template: a}}]",
    )
    assert counted(programme, visits(1)) == {"ended limit_exceeded": 1, "dispatch A": 1, "ended completed": 1}


def test_more_segments_than_may_be():
    live = Live()
    live.apply(AT, LISTED, c="trigger: {event: site_visited}\nactions: [{add_to: s}]", d=OTHER)
    for number in range(limits.ASSIGNED_MAX):
        live.handle(event("m", "segment_assigned", AT, segment=f"t{number}"))
    live.handle(AFTERWARDS)
    assert [line.split(" ", 1)[1] for line in live.happened()] == [
        "ended limit_exceeded",
        "dispatch A",
        "ended completed",
    ]


def test_journeys_that_remember_large_receipts():
    programme = directory(
        c="""
        trigger: {event: purchase_completed}
        entry: {while_running: parallel}
        actions: [{wait: PT1H}, {if: {lines: {some: {sku: "1"}}}, then: [{send: {channel: cashier, template: a}}]}]
        """,
        d="trigger: {event: purchase_completed}\nactions: [{send: {channel: cashier, template: b}}]",
    )
    lines = [{"sku": str(number), "category": "c", "quantity": 1, "price": 1} for number in range(2400)]
    events = [event("m", "purchase_completed", AT, event_id=str(number), lines=lines) for number in range(4)]
    found = counted(programme, events)
    assert found["refused limit_exceeded"] + found["dispatch A"] == 4
    assert found["dispatch A"] >= 1
    assert found["dispatch B"] == 4


LONG = "ж" * 1000
FLOODS = {
    "cart_item_added": lambda id_: {"sku": id_, "name": LONG, "category": LONG, "url": LONG, "quantity": 1, "price": 1},
    "profile_updated": lambda id_: {"attributes": {f"{each}{id_}": LONG for each in range(15)}},
    "social_profile_linked": lambda id_: {"network": id_, "profile_id": LONG},
    "bonus_accrued": lambda id_: {"accrual_id": id_, "amount": 1, "currency": LONG},
    "segment_assigned": lambda id_: {"segment": id_},
    "subscription_changed": lambda id_: {"channel": "sms", "messaging_type": id_, "subscribed": True},
    "site_visited": lambda id_: {"url": id_},
    "order_placed": lambda id_: {"order_id": id_, "total": 1},
}
"""Events of which each adds to the state as much as an event can."""


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_large_events_keeps_the_state_within_its_bound(kind):
    counters = """
    counters:
      urls: {event: site_visited, aggregate: distinct, field: url}
      ordered: {event: order_placed, aggregate: sum, field: total}
    """
    live = Live()
    live.apply(
        AT,
        {"counters.yaml": counters},
        c="""
        trigger: {event: phone_bound}
        audience: {counter.urls: {ge: 0}, counter.ordered: {ge: 0}}
        actions: [{send: {channel: sms, template: a}}]
        """,
    )
    live.handle(event("m", "subscription_changed", AT, channel=None, messaging_type=None, subscribed=False))
    for number in range(250):
        live.handle(event("m", kind, AT, event_id=str(number), **FLOODS[kind](f"{number}{LONG}")))
        assert len(live.stored) <= limits.STATE_BYTES_MAX
    live.handle(event("m", "phone_bound", AT, phone="+79001234567"))
    assert [line.split(" ", 1)[1] for line in live.happened()] == ["suppressed unsubscribed", "ended completed"]


def with_counters(key: str, counters: int, buckets: int, clock: int) -> MemberState:
    """Somebody of whom an hour's bucket was counted ever so often."""
    state = new(key)
    state.clock = clock
    state.profile.attributes = {"kept": key}
    state.tallies = {
        f"c{number}": Tally("ab" * 16, {clock // 3_600_000 - each: each for each in range(buckets)})
        for number in range(counters)
    }
    return state


def test_counters_of_many_buckets_become_fewer_and_nothing_else_when_states_become_one():
    clock = parse_time(AT)
    own, other = (with_counters(key, 20, 9_000, clock) for key in ("m", "visitor:v"))
    counter = "{event: site_visited, aggregate: count, window: P375D, step: PT1H}"
    counters = "\n".join(f"  c{number}: {counter}" for number in range(20))
    programme = directory({"counters.yaml": f"counters:\n{counters}"}, other=OTHER)
    for name, counter in programme.plan.counters.items():
        for state in (own, other):
            state.tallies[name].definition = counter.fingerprint
    merge(programme, own, other, clock)
    assert weigh(own) <= limits.STATE_BYTES_MAX
    assert own.profile.attributes == {"kept": "m"}
    latest = clock // 3_600_000
    assert all(len(tally.numbers) > 1_000 and max(tally.numbers) == latest for tally in own.tallies.values())
    assert all(min(tally.numbers) == latest - len(tally.numbers) + 1 for tally in own.tallies.values())


def test_a_state_without_what_is_too_much_for_a_record_is_the_same_otherwise():
    state = with_counters("m", 3, 9_000, parse_time(AT))
    data = encode(state)
    assert lightened(data, len(data)) == data
    less = decode(lightened(data, len(data) - 1))
    assert sorted(len(tally.numbers) for tally in less.tallies.values()) == [4_500, 9_000, 9_000]
    assert decode(lightened(data, 1_000)).profile == state.profile


def test_journeys_that_keep_too_much_end_and_the_heaviest_first():
    live = Live()
    name = "x" * 500
    named = ", ".join(f"{{send: {{channel: sms, template: a, as: {name}{number}}}}}" for number in range(20))
    live.apply(
        AT,
        small="trigger: {event: phone_bound}\nactions: [{wait: P1D}, {send: {channel: cashier, template: b}}]",
        large=f"""
        trigger: {{event: site_visited}}
        entry: {{while_running: parallel}}
        actions: [{named}, {{wait: P1D}}]
        """,
    )
    live.handle(registered("m", AT), event("m", "phone_bound", AT, phone="+79001234567"))
    for visit in visits(100):
        live.handle(visit)
        assert len(live.stored) <= limits.STATE_BYTES_MAX
    live.tick("2018-01-12T00:00:00Z")
    found = Counter(line.split(" ", 1)[1] for line in live.happened())
    assert found["ended limit_exceeded"] + found["ended completed"] == 101
    assert found["ended limit_exceeded"] > 0
    assert found["dispatch B"] == 1
