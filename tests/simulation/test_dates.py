"""Date triggers (contract §3 Triggers, fine print "Dates")."""

import pytest

from tests.simulation.support import Live, bought, directory, event, registered, run, sent

END = "2022-12-31T00:00:00Z"


def dates(trigger: str, *events, until: str = END, **options):
    programme = directory(c=f"trigger: {trigger}\nactions: [{{send: {{channel: cashier, template: a}}}}]")
    return [at for at, _ in sent(programme, list(events), until, **options)]


BIRTHDAY = '{date: birth_date, at: "10:00"}'


def test_yearly_at_a_time_of_the_members_zone():
    known = registered("m", "2020-06-01T00:00:00Z", birth_date="1990-05-17", time_zone="Asia/Vladivostok")
    assert dates(BIRTHDAY, known) == ["2021-05-17T00:00:00Z", "2022-05-17T00:00:00Z"]


def test_29_february_counts_as_28_february_in_other_years():
    known = registered("m", "2019-06-01T00:00:00Z", birth_date="1992-02-29")
    assert dates(BIRTHDAY, known) == ["2020-02-29T07:00:00Z", "2021-02-28T07:00:00Z", "2022-02-28T07:00:00Z"]


def test_age_is_counted_by_the_same_rule():
    programme = directory(
        c=f"""
        trigger: {BIRTHDAY}
        actions: [{{webhook: {{url: "https://example.com/", body: "{{{{ member.age }}}}"}}}}]
        """
    )
    known = registered("m", "2019-06-01T00:00:00Z", birth_date="1992-02-29")
    assert [line["body"] for line in run(programme, [known], END)] == ["28", "29", "30"]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ("-P3D", "2021-02-26T07:00:00Z"),
        ("P3D", "2021-03-04T07:00:00Z"),
        ("-P1M", "2021-02-01T07:00:00Z"),
        ("-PT12H", "2021-02-28T19:00:00Z"),
        ("P0D", "2021-03-01T07:00:00Z"),
    ],
)
def test_an_offset_moves_it(offset, expected):
    known = registered("m", "2020-06-01T00:00:00Z", birth_date="1990-03-01")
    trigger = f'{{date: birth_date, at: "10:00", offset: {offset}}}'
    assert dates(trigger, known, until="2021-12-01T00:00:00Z") == [expected]


def test_an_offset_of_years_finds_the_occurrence_that_is_still_ahead():
    known = registered("m", "2020-06-01T00:00:00Z", birth_date="2018-12-01")
    trigger = '{date: birth_date, at: "10:00", offset: P2Y}'
    assert dates(trigger, known, until="2021-12-31T00:00:00Z") == ["2020-12-01T07:00:00Z", "2021-12-01T07:00:00Z"]


def test_an_offset_over_new_year():
    known = registered("m", "2020-06-01T00:00:00Z", birth_date="1990-01-02")
    trigger = '{date: birth_date, at: "10:00", offset: -P3D}'
    assert dates(trigger, known) == ["2020-12-30T07:00:00Z", "2021-12-30T07:00:00Z", "2022-12-30T07:00:00Z"]


def test_an_offset_in_days_keeps_the_time_of_day_over_a_change_of_clocks():
    known = registered("m", "2020-06-01T00:00:00Z", birth_date="1990-03-29", time_zone="Europe/Berlin")
    trigger = '{date: birth_date, at: "10:00", offset: -P3D}'
    assert dates(trigger, known, until="2021-06-01T00:00:00Z") == ["2021-03-26T09:00:00Z"]


def test_strictly_after_now():
    at_ten = registered("m", "2020-05-17T07:00:00Z", birth_date="1990-05-17")
    before = registered("m", "2020-05-17T06:59:59Z", birth_date="1990-05-17")
    assert dates(BIRTHDAY, at_ten, until="2021-01-01T00:00:00Z") == []
    assert dates(BIRTHDAY, before, until="2021-01-01T00:00:00Z") == ["2020-05-17T07:00:00Z"]


def test_it_is_reckoned_anew_when_the_date_changes():
    known = registered("m", "2020-06-01T00:00:00Z", birth_date="1990-05-17")
    changed = event("m", "profile_updated", "2021-01-01T00:00:00Z", birth_date="1990-04-01")
    assert dates(BIRTHDAY, known, changed, until="2021-12-01T00:00:00Z") == ["2021-04-01T07:00:00Z"]


def test_it_is_reckoned_anew_when_the_zone_changes():
    known = registered("m", "2020-06-01T00:00:00Z", birth_date="1990-05-17")
    moved = event("m", "profile_updated", "2021-01-01T00:00:00Z", city="Vladivostok")
    assert dates(BIRTHDAY, known, moved, until="2021-12-01T00:00:00Z") == ["2021-05-17T00:00:00Z"]


def test_at_most_once_per_year_of_the_occurrence():
    known = registered("m", "2020-01-01T00:00:00Z", birth_date="1990-05-17")
    changed = event("m", "profile_updated", "2020-06-01T00:00:00Z", birth_date="1990-09-01")
    assert dates(BIRTHDAY, known, changed, until="2021-12-01T00:00:00Z") == [
        "2020-05-17T07:00:00Z",
        "2021-09-01T07:00:00Z",
    ]


def test_at_most_once_also_when_the_member_moves_west_on_the_day():
    known = registered("m", "2020-01-01T00:00:00Z", birth_date="1990-05-17", time_zone="Asia/Vladivostok")
    moved = event("m", "profile_updated", "2020-05-17T03:00:00Z", time_zone="Europe/Moscow")
    assert dates(BIRTHDAY, known, moved, until="2021-01-01T00:00:00Z") == ["2020-05-17T00:00:00Z"]


@pytest.mark.parametrize(
    ("known_since", "expected"),
    [
        ("2020-06-01T00:00:00Z", ["2020-12-31T20:00:00Z", "2020-12-31T21:00:00Z", "2022-12-31T21:00:00Z"]),
        ("2019-06-01T00:00:00Z", ["2019-12-31T20:00:00Z", "2020-12-31T20:00:00Z", "2022-12-31T21:00:00Z"]),
    ],
)
def test_an_occurrence_of_the_year_before_comes_if_none_has_come_in_that_year(known_since, expected):
    known = registered("m", known_since, birth_date="1990-01-01", time_zone="Pacific/Kiritimati")
    west = {"birth_date": "1990-12-31", "time_zone": "Pacific/Pago_Pago"}
    changed = event("m", "profile_updated", "2020-12-31T20:30:00Z", **west)
    assert dates(BIRTHDAY, known, changed, until="2023-02-01T00:00:00Z") == expected


def test_the_year_of_the_occurrence_counts_when_the_offset_is_edited():
    ahead = 'trigger: {date: birth_date, at: "10:00", offset: -P30D}\n'
    there = f"trigger: {BIRTHDAY}\n"
    actions = "actions: [{send: {channel: cashier, template: a}}]"
    live = Live()
    live.apply("2020-06-01T00:00:00Z", c=ahead + actions)
    live.handle(registered("m", "2020-06-01T00:00:00Z", birth_date="1990-01-10"))
    live.apply("2020-12-12T00:00:00Z", c=there + "version: 2\n" + actions)
    live.handle(event("m", "profile_updated", "2020-12-13T00:00:00Z", birth_date="1990-12-25"))
    live.tick("2023-01-01T00:00:00Z")
    assert [line["at"] for line in live.lines if line["kind"] == "dispatch"] == [
        "2020-12-11T07:00:00Z",
        "2020-12-25T07:00:00Z",
        "2022-12-25T07:00:00Z",
    ]


def test_a_date_that_is_taken_away_comes_no_more():
    known = registered("m", "2020-01-01T00:00:00Z", birth_date="1990-05-17")
    future = event("m", "profile_updated", "2020-02-01T00:00:00Z", birth_date="2050-05-17")
    assert dates(BIRTHDAY, known, future) == []


def test_registered_at_and_attributes_are_dates_too():
    known = registered("m", "2020-03-03T05:00:00Z", attributes={"wedding": "2015-07-08"})
    assert dates('{date: registered_at, at: "10:00"}', known, until="2022-01-01T00:00:00Z") == [
        "2020-03-03T07:00:00Z",
        "2021-03-03T07:00:00Z",
    ]
    assert dates('{date: attributes.wedding, at: "10:00"}', known, until="2021-01-01T00:00:00Z") == [
        "2020-07-08T07:00:00Z"
    ]


def test_a_trigger_of_its_own_for_each_date():
    trigger = f"[{BIRTHDAY}, {{date: birth_date, at: '10:00', offset: -P1D}}]"
    known = registered("m", "2020-01-01T00:00:00Z", birth_date="1990-05-17")
    assert dates(trigger, known, until="2021-01-01T00:00:00Z") == ["2020-05-16T07:00:00Z", "2020-05-17T07:00:00Z"]


def test_the_audience_is_asked_on_the_day():
    programme = directory(
        {"segments/year-old.yaml": "id: year-old\nwhere: {member.days_since_registration: {ge: 365}}"},
        c=f"trigger: {BIRTHDAY}\naudience: {{segment: year-old}}\nactions: [{{award: {{amount: 1, currency: x}}}}]",
    )
    known = registered("m", "2020-01-01T00:00:00Z", birth_date="1990-05-17")
    assert [line["at"] for line in run(programme, [known], END)] == ["2021-05-17T07:00:00Z", "2022-05-17T07:00:00Z"]


def test_a_birthday_in_a_gap_is_read_with_the_offset_before():
    known = registered("m", "2020-06-01T00:00:00Z", birth_date="1990-03-28", time_zone="Europe/Berlin")
    assert dates('{date: birth_date, at: "02:30"}', known, until="2021-06-01T00:00:00Z") == ["2021-03-28T01:30:00Z"]


def test_other_events_leave_the_timer_as_it_is():
    known = registered("m", "2020-06-01T00:00:00Z", birth_date="1990-05-17")
    events = [known, *(bought("m", f"2020-07-{day:02}T00:00:00Z") for day in range(1, 20))]
    assert dates(BIRTHDAY, *events, until="2021-06-01T00:00:00Z", in_order=True) == ["2021-05-17T07:00:00Z"]
