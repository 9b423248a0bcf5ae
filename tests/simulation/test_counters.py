"""Counters over time, returns and cancelled orders, days since (contract §3 Counters, fine print "Days since")."""

import pytest

from tests.simulation.support import bought, directory, event, run

END = "2020-01-01T00:00:00Z"


def read(counter: str, events, *asked: str, field: str = "counter.x"):
    """The value at these moments: what a template prints, None where the name is missing."""
    programme = directory(
        {"counters.yaml": f"counters: {{x: {counter}}}"},
        c=f"""
        trigger: {{event: feedback_received}}
        entry: {{while_running: parallel}}
        actions: [{{webhook: {{url: "https://example.com/", body: "{{{{ {field} | default: 'missing' }}}}"}}}}]
        """,
    )
    lines = run(programme, [*events, *(event("m", "feedback_received", at) for at in asked)], END)
    return [line["body"] for line in lines]


WINDOW = "{event: purchase_completed, aggregate: sum, field: total, window: %s, step: %s}"


def test_a_window_covers_the_current_bucket_and_the_ones_before_it():
    events = [bought("m", "2018-01-02T12:00:00Z", total=10), bought("m", "2018-01-03T12:00:00Z", total=5)]
    asked = ["2018-01-03T13:00:00Z", "2018-01-04T23:59:59Z", "2018-01-05T00:00:00Z", "2018-01-06T00:00:00Z"]
    # P3D by P1D: today and the two days before, cut at midnight UTC.
    assert read(WINDOW % ("P3D", "P1D"), events, *asked) == ["15", "15", "5", "0"]


def test_a_window_that_is_no_multiple_of_its_step_is_rounded_up():
    events = [bought("m", "2018-01-02T12:00:00Z", total=10)]
    asked = ["2018-01-03T23:00:00Z", "2018-01-04T00:00:00Z"]
    assert read(WINDOW % ("PT36H", "P1D"), events, *asked) == ["10", "0"]


def test_a_tumbling_window_is_the_current_bucket_alone():
    counter = "{event: purchase_completed, aggregate: count, window: {tumbling: PT6H}}"
    events = [bought("m", "2018-01-02T11:00:00Z"), bought("m", "2018-01-02T11:59:59Z")]
    assert read(counter, events, "2018-01-02T11:59:59Z", "2018-01-02T12:00:00Z") == ["2", "0"]


@pytest.mark.parametrize(
    ("period", "bought_at", "last_moment", "over"),
    [
        # In Moscow, three hours ahead of UTC.
        ("month", "2018-01-31T20:59:59Z", "2018-01-31T20:59:59Z", "2018-01-31T21:00:00Z"),
        ("month", "2018-01-31T21:00:00Z", "2018-02-28T20:59:59Z", "2018-02-28T21:00:00Z"),
        ("year", "2017-12-31T21:00:00Z", "2018-12-31T20:59:59Z", "2018-12-31T21:00:00Z"),
        ("week", "2018-01-07T21:00:00Z", "2018-01-14T20:59:59Z", "2018-01-14T21:00:00Z"),  # from Monday, 8 January
    ],
)
def test_a_calendar_window_is_the_current_period_in_the_programmes_zone(period, bought_at, last_moment, over):
    counter = f"{{event: purchase_completed, aggregate: count, window: {{calendar: {period}}}}}"
    assert read(counter, [bought("m", bought_at)], last_moment, over) == ["1", "0"]


def test_without_a_window_for_ever():
    counter = "{event: purchase_completed, aggregate: count}"
    assert read(counter, [bought("m", "2008-01-02T12:00:00Z")], "2019-01-01T00:00:00Z") == ["1"]


def test_of_nothing_count_sum_and_distinct_are_zero_and_max_is_missing():
    for aggregate, of_nothing in (("sum", "0"), ("max", "missing"), ("distinct", "0")):
        counter = f"{{event: purchase_completed, aggregate: {aggregate}, field: total, window: P1D}}"
        events = [bought("m", "2018-01-02T12:00:00Z", total=7)]
        before, during, after = read(
            counter, events, "2018-01-01T00:00:00Z", "2018-01-02T13:00:00Z", "2018-01-09T00:00:00Z"
        )
        assert (before, after) == (of_nothing, of_nothing)
        assert during == ("1" if aggregate == "distinct" else "7")


def test_max_and_distinct():
    events = [
        bought("m", "2018-01-01T12:00:00Z", total=9, store_id="a"),
        bought("m", "2018-01-02T12:00:00Z", total=7, store_id="b"),
        bought("m", "2018-01-03T12:00:00Z", total=8.5, store_id="a"),
        bought("m", "2018-01-03T13:00:00Z", total=1),
    ]
    asked = ["2018-01-03T14:00:00Z", "2018-01-04T14:00:00Z"]
    window = "window: P3D, step: P1D"
    assert read(f"{{event: purchase_completed, aggregate: max, field: total, {window}}}", events, *asked) == [
        "9",
        "8.5",
    ]
    distinct = f"{{event: purchase_completed, aggregate: distinct, field: store_id, {window}}}"
    assert read(distinct, events, *asked) == ["2", "2"]


def test_sums_of_money_are_exact():
    events = [bought("m", f"2018-01-02T12:00:{second:02}Z", total=0.1) for second in range(30)]
    assert read("{event: purchase_completed, aggregate: sum, field: total}", events, "2018-01-03T00:00:00Z") == ["3"]


def test_the_event_at_hand_is_counted():
    programme = directory(
        {"counters.yaml": "counters: {x: {event: purchase_completed, aggregate: count}}"},
        c="""
        trigger: {event: purchase_completed, where: {counter.x: 2}}
        actions: [{set: {a: 1}}]
        """,
    )
    events = [bought("m", f"2018-01-0{day}T12:00:00Z") for day in (1, 2, 3)]
    decisions = run(programme, events, END, kinds=("decision",))
    assert [line["at"] for line in decisions] == ["2018-01-02T12:00:00Z"]


def test_where_is_decided_when_the_event_is_handled():
    counter = "{event: purchase_completed, aggregate: count, where: {member.city: Omsk, total: {gt: 5}}}"
    events = [
        bought("m", "2018-01-01T12:00:00Z"),
        event("m", "profile_updated", "2018-01-01T13:00:00Z", city="Omsk"),
        bought("m", "2018-01-01T14:00:00Z"),
        bought("m", "2018-01-01T15:00:00Z", total=5),
        event("m", "profile_updated", "2018-01-01T16:00:00Z", city="Tomsk"),
    ]
    assert read(counter, events, "2018-01-02T00:00:00Z") == ["1"]


def test_a_return_lowers_sums_and_totals_and_leaves_counts():
    events = [
        bought("m", "2018-01-01T12:00:00Z", total=100),
        event("m", "purchase_returned", "2018-01-02T12:00:00Z", total=30),
    ]
    asked = "2018-01-03T00:00:00Z"
    assert read("{event: purchase_completed, aggregate: sum, field: total}", events, asked) == ["70"]
    assert read("{event: purchase_completed, aggregate: count}", events, asked) == ["1"]
    count = "{event: purchase_completed, aggregate: count}"
    assert read(count, events, asked, field="member.purchases.total") == ["70"]
    assert read(count, events, asked, field="member.purchases.count") == ["1"]


def test_a_return_lowers_when_it_is_handled_and_not_the_day_of_the_purchase():
    events = [
        bought("m", "2018-01-01T12:00:00Z", total=100),
        event("m", "purchase_returned", "2018-01-03T12:00:00Z", total=30),
    ]
    asked = ["2018-01-02T00:00:00Z", "2018-01-03T13:00:00Z", "2018-01-04T00:00:00Z"]
    assert read(WINDOW % ("P3D", "P1D"), events, *asked) == ["100", "70", "-30"]


def test_a_cancelled_order_lowers_the_sum_of_orders_by_its_amount_once():
    events = [
        event("m", "order_placed", "2018-01-01T12:00:00Z", order_id="1", total=100),
        event("m", "order_placed", "2018-01-01T13:00:00Z", order_id="2", total=10.5),
        event("m", "order_cancelled", "2018-01-02T12:00:00Z", order_id="2"),
        event("m", "order_cancelled", "2018-01-02T13:00:00Z", order_id="2"),
        event("m", "order_cancelled", "2018-01-02T14:00:00Z", order_id="unknown"),
    ]
    asked = "2018-01-03T00:00:00Z"
    assert read("{event: order_placed, aggregate: sum, field: total}", events, asked) == ["100"]
    assert read("{event: order_placed, aggregate: count}", events, asked) == ["2"]


def test_purchases_include_the_one_at_hand():
    programme = directory(
        c="""
        trigger: {event: purchase_completed}
        actions:
          - webhook: {url: "https://example.com/", body: "{{ member.purchases.count }} {{ member.purchases.total }}"}
        """
    )
    events = [bought("m", "2018-01-01T12:00:00Z", total=1.5), bought("m", "2018-01-02T12:00:00Z", total=2)]
    assert [line["body"] for line in run(programme, events, END)] == ["1 1.5", "2 3.5"]


# Days since ----------------------------------------------------------------------------------------------------------


def since(events, at_least: int) -> list[str]:
    """When a purchase found that the one before was so many days ago."""
    programme = directory(
        c=f"""
        trigger: {{event: purchase_completed, where: {{days_since.purchase_completed: {{ge: {at_least}}}}}}}
        actions: [{{set: {{a: 1}}}}]
        """
    )
    return [line["at"] for line in run(programme, events, END, kinds=("decision",))]


def test_days_since_at_a_purchase_is_the_time_since_the_one_before():
    days = ["2018-01-01T12:00:00Z", "2018-01-11T11:59:59Z", "2018-01-21T11:59:59Z", "2018-01-21T12:00:00Z"]
    assert since([bought("m", day) for day in days], 10) == ["2018-01-21T11:59:59Z"]
    assert since([bought("m", day) for day in days], 9) == ["2018-01-11T11:59:59Z", "2018-01-21T11:59:59Z"]


def test_days_since_nothing_is_missing():
    assert since([bought("m", "2018-01-01T12:00:00Z")], 0) == []


def test_days_since_at_another_event_counts_whole_periods_of_24_hours():
    asked = ["2018-01-01T12:00:00Z", "2018-01-01T12:00:01Z", "2018-01-02T11:59:59Z", "2018-01-02T12:00:00Z"]

    def answers(condition: str) -> list[bool]:
        programme = directory(
            c=f"""
            trigger: {{event: feedback_received, where: {{days_since.purchase_completed: {condition}}}}}
            actions: [{{set: {{a: 1}}}}]
            """
        )
        events = [bought("m", "2018-01-01T12:00:00Z"), *(event("m", "feedback_received", at) for at in asked)]
        found = [line["at"] for line in run(programme, events, END, kinds=("decision",))]
        return [at in found for at in asked]

    # An event of this very moment isn't before now.
    assert answers("{exists: true}") == [False, True, True, True]
    assert answers("0") == [False, True, True, False]
    assert answers("1") == [False, False, False, True]
