"""Awards (contract §3, fine print "Award") and what follows the lines of `simulate` (§5)."""

from tests.simulation.support import bought, directory, happened, registered, run

END = "2020-01-01T00:00:00Z"


def award(parameters: str, *days: str, rules: str = "entry: {while_running: parallel}"):
    programme = directory(c=f"trigger: {{event: purchase_completed}}\n{rules}\nactions: [{{award: {parameters}}}]")
    events = [registered("m", "2018-01-01T00:00:00Z"), *(bought("m", day) for day in days)]
    return run(programme, events, END), happened(programme, events, END)


def test_an_award_line():
    lines, _ = award(
        "{amount: 351, currency: points, lifetime: P30D, activates_in: P1D, legal_entity: Shop, description: Thanks}",
        "2018-01-02T12:00:00Z",
    )
    (line,) = lines
    assert list(line) == [
        "kind",
        "at",
        "award_id",
        "member_id",
        "campaign",
        "amount",
        "currency",
        "expires_at",
        "legal_entity",
        "description",
    ]
    del line["award_id"]
    assert line == {
        "kind": "award",
        "at": "2018-01-02T12:00:00Z",
        "member_id": "m",
        "campaign": "c",
        "amount": 351,
        "currency": "points",
        "expires_at": "2018-02-02T12:00:00Z",  # counted from activation
        "legal_entity": "Shop",
        "description": "Thanks",
    }


def test_an_award_without_lifetime_does_not_expire():
    ((line,), _) = award("{amount: 12.5, currency: points}", "2018-01-02T12:00:00Z")
    assert line["expires_at"] is None
    assert line["amount"] == 12.5


def test_the_limit_is_rolling_and_per_member_and_action():
    days = ["2018-01-02T12:00:00Z", "2018-01-03T12:00:00Z", "2018-01-09T11:59:59Z", "2018-01-09T12:00:00Z"]
    lines, everything = award("{amount: 1, currency: points, limit: {count: 2, per: P7D}}", *days)
    assert [line["at"] for line in lines] == [days[0], days[1], days[3]]
    assert "2018-01-09T11:59:59Z suppressed award_limit" in everything


def test_a_yearly_limit_goes_by_the_calendar():
    days = ["2018-03-01T12:00:00Z", "2019-03-01T11:59:59Z", "2019-03-01T12:00:00Z"]
    lines, _ = award("{amount: 1, currency: points, limit: {count: 1, per: P1Y}}", *days)
    assert [line["at"] for line in lines] == [days[0], days[2]]


def test_each_action_has_a_limit_of_its_own_and_each_member():
    programme = directory(
        c="""
        trigger: {event: purchase_completed}
        actions:
          - award: {amount: 1, currency: points, limit: {count: 1, per: P1Y}}
          - award: {amount: 2, currency: points, limit: {count: 1, per: P1Y}}
        """
    )
    events = [bought(member, "2018-01-02T12:00:00Z") for member in ("m", "n")]
    events += [bought(member, "2018-01-03T12:00:00Z") for member in ("m", "n")]
    assert sorted((line["member_id"], line["amount"]) for line in run(programme, events, END)) == [
        ("m", 1),
        ("m", 2),
        ("n", 1),
        ("n", 2),
    ]


def test_the_amount_is_there_for_the_message_that_follows():
    programme = directory(
        {"templates/amount.yaml": 'templates: [{id: amount, text: "{{ amount }} points"}]'},
        c="""
        trigger: {event: purchase_completed}
        actions: [{award: {amount: 351.0, currency: points}}, {send: {channel: cashier, template: amount}}]
        """,
    )
    lines = run(programme, [bought("m", "2018-01-02T12:00:00Z")], END)
    assert lines[1]["content"] == {"text": "351 points"}


def test_an_amount_is_that_of_the_award_that_is_recorded():
    lines, _ = award("{amount: 1.2345675}", "2018-01-02T12:00:00Z")
    assert [line["amount"] for line in lines] == [1.234568]
