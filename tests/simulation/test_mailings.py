"""Mailings: `schedule` and `now` (contract §3 Triggers, fine print "Schedule")."""

from tests.simulation.support import directory, event, registered, run, sent

END = "2019-01-01T00:00:00Z"


def mailed(trigger: str, *events, until: str = END, **options) -> list[tuple[str, str]]:
    programme = directory(c=f"trigger: {trigger}\nactions: [{{send: {{channel: cashier, template: a}}}}]")
    return [(line["at"], line["member_id"]) for line in run(programme, list(events), until, **options)]


MOSCOW = registered("moscow", "2018-01-01T00:00:00Z")
EAST = registered("east", "2018-01-01T00:00:00Z", time_zone="Asia/Vladivostok")


def test_at_a_moment_of_the_programmes_zone():
    assert mailed('{schedule: {at: "2018-03-01T10:00"}}', EAST, MOSCOW) == [
        ("2018-03-01T07:00:00Z", "east"),
        ("2018-03-01T07:00:00Z", "moscow"),
    ]


def test_at_a_moment_of_each_members_zone():
    assert mailed('{schedule: {at: "2018-03-01T10:00", zone: member}}', EAST, MOSCOW) == [
        ("2018-03-01T00:00:00Z", "east"),
        ("2018-03-01T07:00:00Z", "moscow"),
    ]


def test_at_a_moment_of_a_named_zone():
    trigger = '{schedule: {at: "2018-03-25T02:30", zone: Europe/Berlin}}'
    assert mailed(trigger, MOSCOW) == [("2018-03-25T01:30:00Z", "moscow")]


def test_members_known_by_then():
    trigger = '{schedule: {at: "2018-03-01T10:00"}}'
    before = event("before", "site_visited", "2018-03-01T06:59:59Z")
    at = event("at", "site_visited", "2018-03-01T07:00:00Z")
    assert mailed(trigger, before, at) == [("2018-03-01T07:00:00Z", "before")]


def test_the_audience_is_asked_then():
    programme = directory(
        c="""
        trigger: {schedule: {at: "2018-03-01T10:00"}}
        audience: {member.purchases.count: {ge: 1}}
        actions: [{send: {channel: cashier, template: a}}]
        """
    )
    events = [MOSCOW, EAST, event("moscow", "purchase_completed", "2018-02-01T00:00:00Z")]
    assert [line["member_id"] for line in run(programme, events, END)] == ["moscow"]


def test_by_cron():
    trigger = '{schedule: {cron: "0 10 * * 1"}}'  # Mondays
    expected = [(f"2018-01-{day:02}T07:00:00Z", "moscow") for day in (1, 8, 15, 22, 29)]
    assert mailed(trigger, MOSCOW, until="2018-02-01T00:00:00Z") == expected


def test_by_cron_in_each_members_zone():
    trigger = '{schedule: {cron: "0 10 1 * *", zone: member}}'
    assert mailed(trigger, EAST, MOSCOW, until="2018-02-02T00:00:00Z") == [
        ("2018-01-01T07:00:00Z", "moscow"),
        ("2018-02-01T00:00:00Z", "east"),
        ("2018-02-01T07:00:00Z", "moscow"),
    ]


def test_by_cron_when_clocks_change():
    def march_and_october(cron: str) -> list[str]:
        trigger = f'{{schedule: {{cron: "{cron}", zone: Europe/Berlin}}}}'
        spring = mailed(trigger, registered("m", "2018-03-24T22:59:00Z"), until="2018-03-25T02:00:00Z")
        autumn = mailed(trigger, registered("m", "2018-10-27T22:59:00Z"), until="2018-10-28T02:00:00Z")
        return [at[11:16] for at, _ in (*spring, *autumn)]

    # In the gap: with the offset before the change. Twice: the first time only.
    assert march_and_october("30 2 * * *") == ["01:30", "00:30"]
    # 02:00 in the gap is the moment of 03:00, 02:30 that of 03:30: one mailing each. And in autumn the second hour
    # from 02:00 to 03:00 isn't there.
    spring, autumn = (
        ["23:00", "23:30", "00:00", "00:30", "01:00", "01:30", "02:00"],
        ["23:00", "23:30", "00:00", "00:30"],
    )
    assert march_and_october("*/30 * * * *") == [*spring, *autumn, "02:00"]


def test_a_member_who_moves_before_it_comes_gets_it_in_the_new_zone():
    moved = event("east", "profile_updated", "2018-02-01T00:00:00Z", time_zone="Europe/Moscow")
    assert mailed('{schedule: {at: "2018-03-01T10:00", zone: member}}', EAST, moved) == [
        ("2018-03-01T07:00:00Z", "east")
    ]


def test_a_member_who_moves_west_after_it_came_does_not_get_it_again():
    moved = event("east", "profile_updated", "2018-03-01T03:00:00Z", time_zone="Europe/Moscow")
    assert mailed('{schedule: {at: "2018-03-01T10:00", zone: member}}', EAST, moved) == [
        ("2018-03-01T00:00:00Z", "east")
    ]
    daily = mailed('{schedule: {cron: "0 10 * * *", zone: member}}', EAST, moved, until="2018-03-02T12:00:00Z")
    assert [at for at, _ in daily[-2:]] == ["2018-03-01T00:00:00Z", "2018-03-02T07:00:00Z"]


def test_a_wall_clock_tick_after_an_outage_makes_one_mailing_of_those_that_were_missed():
    events = [
        registered("m", "2018-01-01T00:00:00Z"),
        {"type": "tick", "occurred_at": "2018-01-05T12:00:00Z", "clock": "wall"},
    ]
    trigger = '{schedule: {cron: "0 10 * * *"}}'
    assert [at for at, _ in mailed(trigger, *events, until="2018-01-06T12:00:00Z", in_order=True)] == [
        "2018-01-05T12:00:00Z",
        "2018-01-06T07:00:00Z",
    ]


NOW = "{now: true}"


def test_now_goes_to_members_known_when_the_programme_comes_into_force():
    later = registered("later", "2018-02-01T00:00:00Z")
    at = registered("at", "2018-01-15T00:00:00Z")
    assert mailed(NOW, MOSCOW, EAST, at, later, start="2018-01-15T00:00:00Z") == [
        ("2018-01-15T00:00:00Z", "east"),
        ("2018-01-15T00:00:00Z", "moscow"),
    ]


def test_now_without_start_is_before_everyone():
    assert mailed(NOW, MOSCOW, EAST) == []


def test_now_after_the_last_event():
    assert mailed(NOW, MOSCOW, start="2018-06-01T00:00:00Z") == [("2018-06-01T00:00:00Z", "moscow")]
    assert mailed(NOW, MOSCOW, start="2018-06-01T00:00:00Z", until="2018-05-31T23:59:59Z") == []


def test_now_asks_the_audience_and_the_entry_rules():
    programme = directory(
        c=f"trigger: {NOW}\naudience: {{member.city: Omsk}}\nactions: [{{send: {{channel: sms, template: a}}}}]"
    )
    events = [MOSCOW, registered("omsk", "2018-01-01T00:00:00Z", city="Omsk")]
    assert sent(programme, events, END, start="2018-01-15T10:00:00Z") == [("2018-01-15T10:00:00Z", "A")]


def test_applied_again_it_does_not_go_out_again():
    def applied(at: str, number: int) -> dict[str, object]:
        return {"type": "programme_applied", "occurred_at": at, "programme": number}

    events = [applied("2018-01-01T00:00:00Z", 1), MOSCOW, applied("2018-02-01T00:00:00Z", 2)]
    events += [applied("2018-03-01T00:00:00Z", 3), applied("2018-03-01T07:00:00Z", 4)]
    assert mailed(NOW, *events) == [("2018-02-01T00:00:00Z", "moscow")]
    assert mailed('{schedule: {at: "2018-03-01T10:00"}}', *events) == [("2018-03-01T07:00:00Z", "moscow")]
    in_order = mailed('{schedule: {at: "2018-03-01T10:00"}}', *events, in_order=True)
    assert in_order == [("2018-03-01T07:00:00Z", "moscow")]


DAILY = '{schedule: {cron: "0 10 * * *"}}'
ERASED = event("moscow", "member_erased", "2018-01-02T00:00:00Z")


def test_who_was_erased_gets_none_until_they_are_known_again():
    again = registered("moscow", "2018-01-04T00:00:00Z")
    assert [at for at, _ in mailed(DAILY, MOSCOW, ERASED, again, until="2018-01-05T12:00:00Z")] == [
        "2018-01-01T07:00:00Z",
        "2018-01-04T07:00:00Z",
        "2018-01-05T07:00:00Z",
    ]
    stranger = event("stranger", "member_erased", "2018-01-02T00:00:00Z")
    assert mailed(DAILY, stranger, until="2018-01-05T12:00:00Z") == []


def test_a_programme_that_is_applied_mails_nobody_who_was_erased():
    assert mailed(NOW, MOSCOW, ERASED, start="2018-01-15T00:00:00Z") == []
    assert mailed(DAILY, MOSCOW, ERASED, start="2018-01-15T00:00:00Z", until="2018-01-17T00:00:00Z") == []


def test_who_comes_after_it_does_not_get_it_though_the_last_tick_was_before():
    tick = {"type": "tick", "occurred_at": "2018-01-01T06:00:00Z", "clock": "event"}
    late = registered("m", "2018-01-01T08:00:00Z")
    assert mailed(DAILY, tick, late, until="2018-01-02T12:00:00Z", in_order=True) == [("2018-01-02T07:00:00Z", "m")]
