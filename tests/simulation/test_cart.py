"""Abandoned carts (contract §3 Triggers, fine print "Cart")."""

from tests.simulation.support import bought, directory, event, run

END = "2018-03-01T00:00:00Z"
CART = """
trigger: {cart_abandoned: {after: PT1H}}
entry: {while_running: parallel}
actions: [{webhook: {url: "https://example.com/", body: "{{ event.total }}:
  {%- for line in event.lines %} {{ line.quantity }} {{ line.sku }} {{ line.price }}{% endfor %}"}}]
"""


def added(at: str, sku: str, quantity: float | None = None, price: float | None = None, **more):
    return event("m", "cart_item_added", f"2018-01-02T{at}Z", sku=sku, quantity=quantity, price=price, **more)


def removed(at: str, sku: str, quantity: float | None = None):
    return event("m", "cart_item_removed", f"2018-01-02T{at}Z", sku=sku, quantity=quantity)


def notices(*events, **options):
    lines = run(directory(c=CART), list(events), END, **options)
    return [(line["at"].removeprefix("2018-01-02T").removesuffix("Z"), line["body"]) for line in lines]


def test_an_hour_after_the_last_change():
    assert notices(added("12:00:00", "a", 1, 10), added("12:30:00", "b", 2, 5)) == [("13:30:00", "20: 1 a 10 2 b 5")]


def test_one_line_per_sku_in_the_order_of_first_adding_with_the_newest_price():
    events = [added("12:00:00", "a", 1, 10), added("12:01:00", "b", 1, 1), added("12:02:00", "a", 2, 12.5)]
    assert notices(*events) == [("13:02:00", "38.5: 3 a 12.5 1 b 1")]


def test_removing_lowers_the_quantity_and_takes_the_line_away_at_zero():
    events = [added("12:00:00", "a", 3, 10), added("12:01:00", "b", 1, 1)]
    assert notices(*events, removed("12:02:00", "a", 2)) == [("13:02:00", "11: 1 a 10 1 b 1")]
    assert notices(*events, removed("12:02:00", "a", 3)) == [("13:02:00", "1: 1 b 1")]
    assert notices(*events, removed("12:02:00", "a", 9), removed("12:03:00", "b", 1)) == []


def test_removing_what_is_not_there_starts_the_inactivity_anew():
    assert notices(added("12:00:00", "a", 1, 1), removed("12:30:00", "z", 1)) == [("13:30:00", "1: 1 a 1")]


def test_one_notice_per_change():
    events = [added("12:00:00", "a", 1, 1), event("m", "site_visited", "2018-01-02T15:00:00Z")]
    assert len(notices(*events)) == 1
    assert notices(*events, removed("16:00:00", "z", 1))[1] == ("17:00:00", "1: 1 a 1")


def test_an_order_empties_the_cart():
    assert notices(added("12:00:00", "a", 1, 1), event("m", "order_placed", "2018-01-02T12:59:59Z", order_id="1")) == []


def test_a_purchase_takes_its_skus_out():
    events = [added("12:00:00", "a", 5, 1), added("12:01:00", "b", 1, 1)]
    some = bought("m", "2018-01-02T12:30:00Z", lines=[{"sku": "a", "quantity": 1}])
    everything = bought("m", "2018-01-02T12:30:00Z", lines=[{"sku": "a"}, {"sku": "b"}])
    # It is no change of the cart: the inactivity goes on.
    assert notices(*events, some) == [("13:01:00", "1: 1 b 1")]
    assert notices(*events, everything) == []


def test_a_late_change_is_made_as_it_comes_and_inactivity_counts_from_the_later_time():
    events = [added("12:00:00", "a", 1, 1), added("11:00:00", "b", 1, 1)]
    assert notices(*events, in_order=True) == [("13:00:00", "2: 1 a 1 1 b 1")]
    overdue = [*events, event("m", "site_visited", "2018-01-02T14:00:00Z"), added("12:30:00", "c", 1, 1)]
    # 13:00: two lines. The third came when its hour was over: at once.
    assert notices(*overdue, in_order=True)[1] == ("14:00:00", "3: 1 a 1 1 b 1 1 c 1")


def test_each_trigger_has_its_own_time():
    programme = directory(
        a="trigger: {cart_abandoned: {after: PT1H}}\nactions: [{send: {channel: cashier, template: a}}]",
        b="trigger: {cart_abandoned: {after: P1D}}\nactions: [{send: {channel: cashier, template: b}}]",
    )
    lines = run(programme, [added("12:00:00", "a", 1, 1)], END)
    assert [(line["at"], line["campaign"]) for line in lines] == [
        ("2018-01-02T13:00:00Z", "a"),
        ("2018-01-03T12:00:00Z", "b"),
    ]


def test_ten_thousand_items_are_bounded():
    events = [added("12:00:00", str(number), 1, 1, event_id=str(number)) for number in range(2000)]
    ((at, body),) = notices(*events)
    assert at == "13:00:00"
    assert body.startswith("500: ")


def test_what_lacks_a_sku_or_a_quantity():
    assert notices(event("m", "cart_item_added", "2018-01-02T12:00:00Z", price=1)) == []
    assert notices(added("12:00:00", "a", None, 3)) == [("13:00:00", "3: 1 a 3")]
    assert notices(added("12:00:00", "a", 2, 3), added("12:01:00", "a", -5, 3)) == []
