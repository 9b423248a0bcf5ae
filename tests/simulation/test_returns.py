"""What comes back: returns and cancelled orders in counters and totals, as events to trigger and cancel by."""

import pytest

from tests.simulation.support import Live, bought, directory, event, happened, run
from tests.simulation.test_counters import read

END = "2018-12-31T00:00:00Z"
ASKED = "2018-01-20T00:00:00Z"
SPENT = "{event: purchase_completed, aggregate: sum, field: total%s}"
ORDERED = "{event: order_placed, aggregate: sum, field: total%s}"


def returned(at: str, total: float | None = 30, **body):
    return event("m", "purchase_returned", at, total=total, **body)


def placed(at: str, order_id: str | None, total: float, **body):
    return event("m", "order_placed", at, order_id=order_id, total=total, **body)


def cancelled(at: str, order_id: str | None, **body):
    return event("m", "order_cancelled", at, order_id=order_id, **body)


# Counters -------------------------------------------------------------------------------------------------------------


def test_only_returns_of_which_where_holds_are_taken_off():
    coffee = "{lines: {some: {category: Coffee}}}"
    events = [
        bought("m", "2018-01-01T12:00:00Z", total=100, store_id="a", lines=[{"category": "Coffee"}]),
        returned("2018-01-02T12:00:00Z", 30, store_id="b", lines=[{"category": "Tea"}]),
        returned("2018-01-02T13:00:00Z", 7.05, store_id="a", lines=[{"category": "Coffee"}]),
    ]
    assert read(SPENT % f", where: {coffee}", events, ASKED) == ["92.95"]
    assert read(SPENT % ", where: {store_id: b}", events, ASKED) == ["-30"]
    assert read(SPENT % "", events, ASKED) == ["62.95"]


def test_a_return_changes_no_count_no_maximum_no_different_values_and_no_other_sum():
    events = [
        bought("m", "2018-01-01T12:00:00Z", total=100, bonus_paid=20, store_id="a"),
        returned("2018-01-02T12:00:00Z", 100, store_id="b"),
    ]
    assert read("{event: purchase_completed, aggregate: max, field: total}", events, ASKED) == ["100"]
    assert read("{event: purchase_completed, aggregate: distinct, field: store_id}", events, ASKED) == ["1"]
    assert read("{event: purchase_completed, aggregate: sum, field: bonus_paid}", events, ASKED) == ["20"]
    assert read("{event: purchase_completed, aggregate: count}", events, ASKED, field="days_since.x") == ["missing"]


def test_returns_have_counters_of_their_own():
    events = [returned("2018-01-01T12:00:00Z", 30), returned("2018-01-02T12:00:00Z", 12.5)]
    assert read("{event: purchase_returned, aggregate: sum, field: total}", events, ASKED) == ["42.5"]
    assert read("{event: purchase_returned, aggregate: count}", events, ASKED) == ["2"]


def test_a_return_without_a_total_takes_nothing_off():
    events = [bought("m", "2018-01-01T12:00:00Z", total=100), returned("2018-01-02T12:00:00Z", None)]
    assert read(SPENT % "", events, ASKED) == ["100"]
    assert read(SPENT % "", events, ASKED, field="member.purchases.total") == ["100"]


def test_a_late_return_is_taken_off_in_its_own_time():
    window = ", window: P3D, step: P1D"
    events = [
        bought("m", "2018-01-08T12:00:00Z", total=100),
        event("m", "site_visited", "2018-01-10T12:00:00Z"),
        returned("2018-01-08T13:00:00Z", 30),
        returned("2018-01-07T13:00:00Z", 5),  # no window covers that day any more
    ]
    counters = {"counters.yaml": f"counters: {{x: {SPENT % window}}}"}
    programme = directory(
        counters,
        c="""
        trigger: {event: feedback_received}
        entry: {while_running: parallel}
        actions: [{webhook: {url: "https://example.com/", body: "{{ counter.x }} {{ member.purchases.total }}"}}]
        """,
    )
    asked = [event("m", "feedback_received", f"2018-01-{day}T13:00:00Z") for day in (10, 11)]
    lines = run(programme, [*events, *asked], END, in_order=True)
    assert [line["body"] for line in lines] == ["70 65", "0 65"]


def test_historical_returns_and_cancelled_orders_count():
    events = [
        bought("m", "2018-01-01T12:00:00Z", total=100, historical=True),
        returned("2018-01-02T12:00:00Z", 30, historical=True),
        placed("2018-01-03T12:00:00Z", "1", 10, historical=True),
        cancelled("2018-01-04T12:00:00Z", "1", historical=True),
    ]
    assert read(SPENT % "", events, ASKED) == ["70"]
    assert read(ORDERED % "", events, ASKED) == ["0"]


def test_a_cancelled_order_leaves_purchases_alone():
    events = [
        bought("m", "2018-01-01T12:00:00Z", total=100),
        placed("2018-01-02T12:00:00Z", "1", 10),
        cancelled("2018-01-03T12:00:00Z", "1"),
    ]
    assert read(SPENT % "", events, ASKED) == ["100"]
    assert read(SPENT % "", events, ASKED, field="member.purchases.total") == ["100"]
    assert read(SPENT % "", events, ASKED, field="member.purchases.count") == ["1"]


def test_a_cancelled_order_is_taken_off_when_it_is_cancelled_and_from_what_it_was_counted_in():
    window = ", window: P3D, step: P1D"
    events = [placed("2018-01-02T12:00:00Z", "1", 10), cancelled("2018-01-04T12:00:00Z", "1")]
    asked = ["2018-01-03T12:00:00Z", "2018-01-04T13:00:00Z", "2018-01-05T13:00:00Z", "2018-01-07T13:00:00Z"]
    assert read(ORDERED % window, events, *asked) == ["10", "0", "-10", "0"]
    where = ", where: {total: {gt: 50}}"
    assert read(ORDERED % where, [*events, placed("2018-01-05T12:00:00Z", "2", 60)], ASKED) == ["60"]


@pytest.mark.parametrize("order_id", ["2", None])
def test_an_order_that_is_not_known_takes_nothing_off(order_id):
    events = [placed("2018-01-02T12:00:00Z", "1", 10), placed("2018-01-02T13:00:00Z", None, 5)]
    assert read(ORDERED % "", [*events, cancelled("2018-01-04T12:00:00Z", order_id)], ASKED) == ["15"]


def test_an_order_that_was_placed_again_is_taken_off_whole():
    events = [
        placed("2018-01-02T12:00:00Z", "1", 10),
        placed("2018-01-02T13:00:00Z", "1", 12),
        cancelled("2018-01-04T12:00:00Z", "1"),
        placed("2018-01-05T13:00:00Z", "1", 8),
    ]
    assert read(ORDERED % "", events, ASKED) == ["8"]
    assert read("{event: order_placed, aggregate: count}", events, ASKED) == ["3"]


def test_a_late_cancellation_takes_off_in_its_own_time():
    events = [
        placed("2018-01-02T12:00:00Z", "1", 10),
        event("m", "site_visited", "2018-01-05T12:00:00Z"),
        cancelled("2018-01-03T12:00:00Z", "1"),
        event("m", "feedback_received", "2018-01-05T13:00:00Z"),
    ]
    programme = directory(
        {"counters.yaml": f"counters: {{x: {ORDERED % ', window: P3D, step: P1D'}}}"},
        c="""
        trigger: {event: feedback_received}
        actions: [{webhook: {url: "https://example.com/", body: "{{ counter.x }}"}}]
        """,
    )
    assert [line["body"] for line in run(programme, events, END, in_order=True)] == ["-10"]


def test_a_changed_counter_does_not_lose_what_it_never_counted():
    ask = """
        trigger: {event: feedback_received}
        entry: {while_running: parallel}
        actions: [{webhook: {url: "https://example.com/", body: "{{ counter.x }} {{ counter.y }}"}}]
    """
    kept = f"y: {ORDERED % ''}"
    live = Live()
    live.apply("2018-01-01T00:00:00Z", {"counters.yaml": f"counters: {{x: {ORDERED % ''}, {kept}}}"}, c=ask)
    live.handle(placed("2018-01-02T12:00:00Z", "1", 10))
    changed = ORDERED % ", window: P30D, step: P1D"
    live.apply("2018-01-03T00:00:00Z", {"counters.yaml": f"counters: {{x: {changed}, {kept}}}"}, c=ask)
    live.handle(placed("2018-01-03T12:00:00Z", "2", 5), cancelled("2018-01-04T12:00:00Z", "1"))
    live.handle(event("m", "feedback_received", "2018-01-05T12:00:00Z"))
    assert [line["body"] for line in live.lines if line["kind"] == "webhook"] == ["5 5"]


# Journeys -------------------------------------------------------------------------------------------------------------


def test_a_return_triggers_and_cancels():
    programme = directory(
        thanks="""
        trigger: {event: purchase_completed}
        cancel_on: [{event: purchase_returned, where: {receipt_id: {ref: entry.receipt_id}}}]
        entry: {while_running: parallel}
        actions: [{wait: P3D}, {send: {channel: in_app, template: a}}]
        """,
        sorry="""
        trigger: {event: purchase_returned, where: {total: {ge: 50}, counter.returns: 1}}
        actions: [{send: {channel: in_app, template: b}}]
        """,
        files={"counters.yaml": "counters: {returns: {event: purchase_returned, aggregate: count}}"},
    )
    events = [
        bought("m", "2018-01-01T12:00:00Z", receipt_id="r1"),
        bought("m", "2018-01-01T13:00:00Z", receipt_id="r2"),
        returned("2018-01-02T12:00:00Z", 60, receipt_id="r1"),
        returned("2018-01-02T13:00:00Z", 60, receipt_id="r3"),
    ]
    assert happened(programme, events, END) == [
        "2018-01-02T12:00:00Z cancelled cancelled",
        "2018-01-02T12:00:00Z dispatch B",
        "2018-01-02T12:00:00Z ended completed",
        "2018-01-04T13:00:00Z dispatch A",
        "2018-01-04T13:00:00Z ended completed",
    ]


def test_a_cancelled_order_triggers_and_cancels():
    programme = directory(
        ready="""
        trigger: {event: order_placed}
        cancel_on: [{event: order_cancelled, where: {order_id: {ref: entry.order_id}}}]
        entry: {while_running: parallel}
        actions: [{wait: P1D}, {send: {channel: in_app, template: a}}]
        """,
        why="trigger: {event: order_cancelled}\nactions: [{wait: PT2H}, {send: {channel: in_app, template: b}}]",
    )
    events = [
        placed("2018-01-01T12:00:00Z", "1", 10),
        placed("2018-01-01T13:00:00Z", "2", 20),
        cancelled("2018-01-01T14:00:00Z", "1"),
    ]
    assert happened(programme, events, END) == [
        "2018-01-01T14:00:00Z cancelled cancelled",
        "2018-01-01T16:00:00Z dispatch B",
        "2018-01-01T16:00:00Z ended completed",
        "2018-01-02T13:00:00Z dispatch A",
        "2018-01-02T13:00:00Z ended completed",
    ]


def test_a_segment_that_goes_by_what_was_spent_is_left_upon_a_return():
    programme = directory(
        {
            "counters.yaml": f"counters: {{spent: {SPENT % ''}}}",
            "segments/rich.yaml": "id: rich\nwhere: {counter.spent: {ge: 100}, member.purchases.total: {ge: 100}}",
        },
        c="trigger: {segment_left: rich}\nactions: [{send: {channel: in_app, template: a}}]",
    )
    events = [bought("m", "2018-01-01T12:00:00Z", total=100), returned("2018-01-02T12:00:00Z", 0.01)]
    assert happened(programme, events, END)[0] == "2018-01-02T12:00:00Z dispatch A"
