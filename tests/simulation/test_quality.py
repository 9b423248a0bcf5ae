"""How good the personal fields are: told once for each event, and the zone that follows from them."""

import json
from pathlib import Path

from click.testing import CliRunner

from streams.cli.simulate import command
from tests.simulation.support import directory, event, registered, run, sent

END = "2019-01-01T00:00:00Z"
NOON = """
    trigger: {event: registration_completed}
    actions: [{wait: {until: "12:00"}}, {send: {channel: in_app, template: hello}}]
"""
QUIET = {"templates/all.yaml": 'templates: [{id: hello, title: "Hello", text: "Hello"}]\n'}


def checks(*events):
    lines = run(directory(QUIET, c=NOON), events, END, kinds=("profile_check",))
    return [(line["event"], {each.pop("field"): each for each in line["findings"]}) for line in lines]


def test_a_registration_tells_of_every_field_that_it_has_or_lacks():
    ((kind, found),) = checks(
        registered("m", "2018-01-01T00:00:00Z", first_name="ANNA", email="ann@gmial.com", birth_date="2030-01-01")
    )
    assert kind == "registration_completed"
    assert found["first_name"] == {"outcome": "changed", "rule": "case"}
    assert found["email"] == {"outcome": "doubtful", "rule": "domain_typo", "detail": "gmail.com"}
    assert found["birth_date"] == {"outcome": "rejected", "rule": "future"}
    assert found["last_name"] == {"outcome": "missing"}
    assert found["zone"] == {"outcome": "missing"}
    assert "middle_name" not in found


def test_other_events_tell_of_what_they_bring():
    assert checks(
        event("m", "phone_bound", "2018-01-01T00:00:00Z", phone="8 912 345 67 89"),
        event("m", "email_bound", "2018-01-02T00:00:00Z", email="no"),
        event("m", "profile_updated", "2018-01-03T00:00:00Z", city="Омск"),
        event("m", "site_visited", "2018-01-04T00:00:00Z", email="no"),
    ) == [
        ("phone_bound", {"phone": {"outcome": "changed", "rule": "e164", "detail": "mobile"}}),
        ("email_bound", {"email": {"outcome": "rejected", "rule": "syntax"}}),
        ("profile_updated", {"city": {"outcome": "valid"}}),
    ]


def test_a_repeated_event_is_told_once():
    bound = event("m", "phone_bound", "2018-01-01T00:00:00Z", phone="+79123456789")
    assert len(checks(bound, bound)) == 1


def test_values_are_none_of_its_business():
    line = json.dumps(
        run(directory(QUIET, c=NOON), [registered("m", "2018-01-01T00:00:00Z")], END, kinds=("profile_check",))
    )
    assert "+7900" not in line
    assert "m@example.com" not in line


def test_the_zone_of_a_landline_counts_where_nothing_better_is_known():
    here = registered("here", "2018-01-01T00:00:00Z")
    there = registered("there", "2018-01-01T00:00:00Z", phone="+73432123456")  # Yekaterinburg, UTC+5
    city = registered("city", "2018-01-01T00:00:00Z", phone="+73432123456", city="Omsk")  # UTC+6
    said = registered("said", "2018-01-01T00:00:00Z", phone="+73432123456", city="Omsk", time_zone="Asia/Tokyo")
    programme = directory(QUIET, c=NOON)
    assert [at for at, _ in sent(programme, [here, there, city, said], END)] == [
        "2018-01-01T03:00:00Z",
        "2018-01-01T06:00:00Z",
        "2018-01-01T07:00:00Z",
        "2018-01-01T09:00:00Z",
    ]


def test_a_phone_that_changes_the_zone_moves_the_dates():
    programme = directory(
        QUIET, c='trigger: {date: birth_date, at: "12:00"}\nactions: [{send: {channel: in_app, template: hello}}]'
    )
    known = registered("m", "2018-01-01T00:00:00Z", birth_date="1990-05-17")
    moved = event("m", "phone_bound", "2018-02-01T00:00:00Z", phone="+73432123456")
    assert [at for at, _ in sent(programme, [known], END)] == ["2018-05-17T09:00:00Z"]
    assert [at for at, _ in sent(programme, [known, moved], END)] == ["2018-05-17T07:00:00Z"]


def test_simulate_tells_of_it_when_asked(tmp_path: Path):
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns/c.yaml").write_text("id: c\ntrigger: {event: site_visited}\nactions: [exit: x]\n")
    (tmp_path / "events.jsonl").write_text(json.dumps(registered("m", "2018-01-01T00:00:00Z", city="Омск")))
    arguments = [str(tmp_path / "campaigns"), str(tmp_path / "events.jsonl"), "--until", END]
    assert CliRunner().invoke(command, arguments).stdout == ""
    (line,) = CliRunner().invoke(command, [*arguments, "--quality"]).stdout.splitlines()
    told = json.loads(line)
    assert (told["kind"], told["member_id"], told["at"]) == ("profile_check", "m", "2018-01-01T00:00:00Z")
    assert {"field": "zone", "outcome": "valid", "rule": "city"} in told["findings"]


def test_attributes_without_room_when_states_become_one_are_told_and_the_members_own_stay():
    counted = """
        trigger: {event: site_visited}
        audience: {member.attributes.own299: true, member.attributes.theirs199: true}
        actions: [{send: {channel: in_app, template: hello}}]
    """

    def known(member, at, name, count, **names):
        attributes = {f"{name}{number}": True for number in range(count)}
        return event(member, "profile_updated", at, attributes=attributes, **names)

    events = [
        known(None, "2018-01-01T00:00:00Z", "theirs", 400, visitor_id="v"),
        known("m", "2018-01-02T00:00:00Z", "own", 300),
        event("m", "site_visited", "2018-01-03T00:00:00Z", visitor_id="v"),
    ]
    lines = run(directory(QUIET, c=counted), events, END, kinds=("profile_check", "dispatch"))
    *_, line, _dispatch = lines
    assert [each["kind"] for each in lines[-2:]] == ["profile_check", "dispatch"]
    assert (line["at"], line["member_id"]) == ("2018-01-03T00:00:00Z", "m")
    assert (line["source"], line["event"], line["event_id"]) == ("identity", "states_merged", "visitor:v")
    assert line["occurred_at"] == "2018-01-03T00:00:00Z"
    assert line["findings"] == [{"field": "attributes", "outcome": "changed", "rule": "too_many", "detail": "200"}]
