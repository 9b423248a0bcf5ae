"""Bonus points: notices before they activate or expire, and the balance (contract fine print "Bonus")."""

from tests.simulation.support import directory, event, run

END = "2019-01-01T00:00:00Z"


def accrued(accrual: str, at: str, amount: float, expires: str | None = None, activates: str | None = None, **more):
    times = {"expires_at": expires, "activates_at": activates}
    return event("m", "bonus_accrued", at, accrual_id=accrual, amount=amount, currency="points", **times, **more)


def about(kind: str, accrual: str, at: str):
    return event("m", kind, at, accrual_id=accrual)


def paid(at: str, amount: float, currency: str = "points"):
    return event("m", "bonus_paid", at, amount=amount, currency=currency)


def notices(trigger: str, *events, **options):
    programme = directory(
        c=f"""
        trigger: {{bonus: {trigger}}}
        entry: {{while_running: parallel}}
        actions: [{{webhook: {{url: "https://example.com/", body: "{{{{ event.amount }}}} {{{{ event.currency }}}}"}}}}]
        """
    )
    return [(line["at"], line["body"]) for line in run(programme, list(events), END, **options)]


THREE_DAYS = "{expires_in: P3D}"
MARCH_10 = "2018-03-10T12:00:00Z"


def test_the_stated_time_before_they_expire():
    points = accrued("1", "2018-01-01T00:00:00Z", 100, MARCH_10)
    assert notices(THREE_DAYS, points) == [("2018-03-07T12:00:00Z", "100 points")]


def test_the_stated_time_before_they_activate():
    points = accrued("1", "2018-01-01T00:00:00Z", 100, activates=MARCH_10)
    assert notices("{activates_in: P1D}", points) == [("2018-03-09T12:00:00Z", "100 points")]


def test_what_expires_on_one_day_of_the_programmes_zone_is_one_notice_before_the_first():
    events = [
        accrued("late", "2018-01-01T00:00:00Z", 1, "2018-03-10T20:59:59Z"),  # 23:59:59 in Moscow
        accrued("early", "2018-01-01T00:00:00Z", 20, "2018-03-09T21:00:00Z"),  # 00:00 in Moscow
        accrued("next day", "2018-01-01T00:00:00Z", 300, "2018-03-10T21:00:00Z"),
    ]
    assert notices(THREE_DAYS, *events) == [
        ("2018-03-06T21:00:00Z", "21 points"),
        ("2018-03-07T21:00:00Z", "300 points"),
    ]


def test_with_at_on_the_day_so_much_before_at_that_time_of_the_member():
    points = accrued("1", "2018-01-01T00:00:00Z", 100, MARCH_10)
    east = event("m", "profile_updated", "2018-01-01T00:00:00Z", time_zone="Asia/Vladivostok")
    trigger = '{expires_in: P3D, at: "10:00"}'
    assert notices(trigger, points) == [("2018-03-07T07:00:00Z", "100 points")]
    assert notices(trigger, east, points) == [("2018-03-07T00:00:00Z", "100 points")]


def test_with_at_it_goes_by_the_zone_that_the_member_has_by_then():
    points = accrued("1", "2018-01-01T00:00:00Z", 100, MARCH_10)
    moved = event("m", "profile_updated", "2018-02-01T00:00:00Z", time_zone="Asia/Vladivostok")
    assert notices('{expires_in: P3D, at: "10:00"}', points, moved) == [("2018-03-07T00:00:00Z", "100 points")]


def test_below_the_minimum_not_at_all():
    points = accrued("1", "2018-01-01T00:00:00Z", 99.5, MARCH_10)
    assert notices("{expires_in: P3D, minimum: 100}", points) == []
    assert notices("{expires_in: P3D, minimum: 99.5}", points) == [("2018-03-07T12:00:00Z", "99.5 points")]


def test_the_amount_is_what_it_is_at_the_notice():
    events = [
        accrued("1", "2018-01-01T00:00:00Z", 100, MARCH_10),
        accrued("2", "2018-01-01T00:00:00Z", 50, MARCH_10),
        paid("2018-02-01T00:00:00Z", 30),
        about("bonus_cancelled", "2", "2018-02-02T00:00:00Z"),
        paid("2018-03-08T00:00:00Z", 10),
    ]
    assert notices(THREE_DAYS, *events) == [("2018-03-07T12:00:00Z", "70 points")]


def test_a_payment_takes_first_what_expires_first_then_by_activation_then_by_id():
    events = [
        accrued("never", "2018-01-01T00:00:00Z", 100),
        accrued("b", "2018-01-01T00:00:00Z", 10, "2018-03-12T12:00:00Z"),
        accrued("a", "2018-01-01T00:00:00Z", 10, "2018-03-12T12:00:00Z"),
        accrued("sooner", "2018-01-02T00:00:00Z", 10, MARCH_10),
        accrued("not active", "2018-01-02T00:00:00Z", 5, "2018-03-05T12:00:00Z", "2018-03-01T00:00:00Z"),
        paid("2018-02-01T00:00:00Z", 14),
    ]
    assert notices(THREE_DAYS, *events) == [
        ("2018-03-02T12:00:00Z", "5 points"),
        ("2018-03-09T12:00:00Z", "16 points"),
    ]


def test_if_the_first_is_cancelled_it_comes_at_the_next_ones_time():
    events = [
        accrued("1", "2018-01-01T00:00:00Z", 100, "2018-03-10T08:00:00Z"),
        accrued("2", "2018-01-01T00:00:00Z", 50, MARCH_10),
        about("bonus_cancelled", "1", "2018-02-02T00:00:00Z"),
    ]
    assert notices(THREE_DAYS, *events) == [("2018-03-07T12:00:00Z", "50 points")]


def test_when_all_are_cancelled_or_spent_there_is_none():
    points = accrued("1", "2018-01-01T00:00:00Z", 100, MARCH_10)
    assert notices(THREE_DAYS, points, about("bonus_cancelled", "1", "2018-02-02T00:00:00Z")) == []
    assert notices(THREE_DAYS, points, paid("2018-02-02T00:00:00Z", 100)) == []


def test_an_accrual_made_less_than_the_stated_time_ahead_is_left_out():
    events = [
        accrued("1", "2018-01-01T00:00:00Z", 100, MARCH_10),
        accrued("2", "2018-03-06T00:00:00Z", 5, "2018-03-10T11:00:00Z"),
        accrued("3", "2018-03-07T11:30:00Z", 7, "2018-03-10T11:00:00Z"),
    ]
    assert notices(THREE_DAYS, *events) == [("2018-03-07T11:00:00Z", "105 points")]
    exactly = accrued("4", "2018-03-07T12:00:00Z", 7, MARCH_10)
    assert notices(THREE_DAYS, exactly) == [("2018-03-07T12:00:00Z", "7 points")]


def test_activated_and_expired_correct_the_moment():
    early = [
        accrued("1", "2018-01-01T00:00:00Z", 100, activates=MARCH_10),
        about("bonus_activated", "1", "2018-02-01T00:00:00Z"),
    ]
    assert notices("{activates_in: P1D}", *early) == []
    expired = [
        accrued("1", "2018-01-01T00:00:00Z", 100, MARCH_10),
        about("bonus_expired", "1", "2018-02-01T00:00:00Z"),
    ]
    assert notices(THREE_DAYS, *expired) == []


def test_other_currencies_are_counted_apart():
    roubles = event(
        "m", "bonus_accrued", "2018-01-01T00:00:00Z", accrual_id="r", amount=5, currency="roubles", expires_at=MARCH_10
    )
    points = accrued("1", "2018-01-01T00:00:00Z", 100, MARCH_10)
    assert notices(
        "{expires_in: P3D, currency: roubles}", roubles, points, paid("2018-02-01T00:00:00Z", 3, "roubles")
    ) == [("2018-03-07T12:00:00Z", "2 roubles")]


def test_notices_of_two_currencies_at_one_moment_have_ids_of_their_own():
    programme = directory(
        c="""
        trigger: [{bonus: {expires_in: P3D}}, {bonus: {expires_in: P3D, currency: roubles}}]
        entry: {while_running: parallel}
        actions: [{send: {channel: cashier, template: a}}]
        """
    )
    events = [
        accrued("1", "2018-01-01T00:00:00Z", 100, MARCH_10),
        event(
            "m",
            "bonus_accrued",
            "2018-01-01T00:00:00Z",
            accrual_id="r",
            amount=5,
            currency="roubles",
            expires_at=MARCH_10,
        ),
    ]
    assert len({line["dispatch_id"] for line in run(programme, events, END)}) == 2


def test_the_active_balance():
    programme = directory(
        c="""
        trigger: {event: site_visited}
        actions: [{webhook: {url: "https://example.com/", body: "{{ member.bonus.points }}"}}]
        """
    )
    events = [
        accrued("1", "2018-01-01T00:00:00Z", 100, "2018-03-01T00:00:00Z"),
        accrued("2", "2018-01-01T00:00:00Z", 7, activates="2018-02-01T00:00:00Z"),
        paid("2018-01-15T00:00:00Z", 30),
    ]
    asked = ["2018-01-10", "2018-01-20", "2018-02-10", "2018-03-10"]
    events += [event("m", "site_visited", f"{day}T00:00:00Z") for day in asked]
    assert [line["body"] for line in run(programme, events, END)] == ["100", "70", "77", "7"]
    cancelled = [*events, about("bonus_cancelled", "1", "2018-01-16T00:00:00Z")]
    assert [line["body"] for line in run(programme, cancelled, END)] == ["100", "0", "7", "7"]
