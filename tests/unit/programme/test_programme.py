from pathlib import Path

import pytest

from streams.programme import ProblemsError, load, read_directory
from streams.programme.member_lists import read_members
from streams.programme.programme import EMPTY

TEMPLATES = {"templates/t.yaml": "templates: [{id: t, text: t}]"}


def campaign(
    name: str, *, trigger: str = "{event: purchase_completed}", actions: str = "[]", more: str = ""
) -> dict[str, str]:
    return {f"{name}.yaml": f"id: {name}\ntrigger: {trigger}\nactions: {actions}\n{more}"}


def test_campaigns_come_by_priority_then_id() -> None:
    programme = load([{**campaign("b"), **campaign("a"), **campaign("c", more="priority: 5")}])
    assert [each.id for each in programme.campaigns] == ["c", "a", "b"]
    assert [each.id for each, _ in programme.by_trigger_event["purchase_completed"]] == ["c", "a", "b"]
    assert "order_placed" not in programme.by_trigger_event


def test_an_earlier_bundle_supplies_what_running_journeys_keep() -> None:
    first = {**campaign("a", actions="[{send: {channel: sms, template: t}}]"), **campaign("gone"), **TEMPLATES}
    second = campaign("a", more="version: 2")
    programme = load([first, second])
    assert [(each.id, each.version) for each in programme.campaigns] == [("a", 2)]
    old = programme.definition("a", 1)
    assert old is not None
    assert len(old.actions) == 1
    assert programme.current("a") is programme.definition("a", 2)
    assert programme.definition("gone", 1) is not None
    assert programme.current("gone") is None
    assert programme.definition("a", 3) is None
    assert "t" in programme.templates
    assert programme.number == 2


def test_an_earlier_bundle_with_mistakes_supplies_what_is_sound() -> None:
    programme = load([{**campaign("old"), "broken.yaml": "id: ["}, campaign("a")])
    assert programme.definition("old", 1) is not None


def test_the_last_bundle_must_be_sound() -> None:
    with pytest.raises(ProblemsError):
        load([campaign("a"), {"broken.yaml": "id: ["}])


def test_triggers_by_kind_and_place() -> None:
    trigger = (
        "[{event: order_placed}, {date: birth_date, at: 10:00}, {cart_abandoned: {after: PT1H}}, "
        "{now: true}, {segment_entered: s}]"
    )
    programme = load([{**campaign("a", trigger=trigger), "segments/s.yaml": "id: s", "segments/u.yaml": "id: u"}])
    assert [(each.id, place) for each, place, _ in programme.date_triggers] == [("a", 1)]
    assert [place for _, place, _ in programme.cart_triggers] == [2]
    assert [each.id for each in programme.mailings_now] == ["a"]
    assert programme.bonus_triggers == ()
    assert programme.schedule_triggers == ()
    assert set(programme.by_trigger_event) == {"order_placed", "segment_entered"}
    assert programme.watched_segments == ("s",)


def test_who_waits_for_any_segment_s_event_watches_all() -> None:
    cancel = "cancel_on: [{event: segment_left}]"
    programme = load([{**campaign("a", more=cancel), "segments/s.yaml": "id: s"}])
    assert programme.watched_segments == ("s",)


def test_counters_by_event() -> None:
    counters = (
        "counters: {a: {event: order_placed, aggregate: count}, "
        "b: {event: purchase_completed, aggregate: sum, field: total}}"
    )
    programme = load([{**campaign("a"), "counters.yaml": counters}])
    assert [name for name, _ in programme.counters_by_event["order_placed"]] == ["a"]
    assert set(programme.counters) == {"a", "b"}


def test_segments_come_after_those_they_ask_for() -> None:
    files = {
        **campaign("a"),
        "segments/a.yaml": "id: a\nwhere: {segment: z}",
        "segments/z.yaml": "id: z\nwhere: {member.age: {ge: 18}}",
        "segments/list.yaml": "id: list\nmembers: [m1]",
    }
    programme = load([files])
    assert [segment.id for segment in programme.conditional_segments] == ["z", "a", "everyone"]
    assert programme.segments["list"].members == frozenset({"m1"})


def test_lists_of_the_entry_event_are_kept_only_where_something_names_them() -> None:
    body = {"total": 5, "lines": [{"sku": "1"}]}
    plain = load([campaign("a")]).plan.current("a")
    asked = load([campaign("a", actions="[{if: {lines: {some: {sku: '1'}}}, then: []}]")]).plan.current("a")
    shown = load(
        [
            {
                **campaign("a", actions="[{send: {channel: sms, template: t}}]"),
                "templates/t.yaml": "templates: [{id: t, text: '{{ event.lines[0].sku }}'}]",
            }
        ]
    ).plan.current("a")
    looped = load(
        [
            {
                **campaign("a", actions="[{send: {channel: sms, template: t}}]"),
                "templates/t.yaml": "templates: [{id: t, text: '{% for l in event.lines %}{{ l.sku }}{% endfor %}'}]",
            }
        ]
    ).plan.current("a")
    whole = load(
        [
            {
                **campaign("a", actions="[{send: {channel: sms, template: t}}]"),
                "templates/t.yaml": "templates: [{id: t, text: '{% for f in event %}{{ f[0] }}{% endfor %}'}]",
            }
        ]
    ).plan.current("a")
    assert plain is not None
    assert asked is not None
    assert shown is not None
    assert looped is not None
    assert whole is not None
    assert whole.remembered(body) == body
    assert plain.remembered(body) == {"total": 5}
    assert asked.remembered(body) == shown.remembered(body) == looped.remembered(body) == body


def test_before_anything_is_applied_nothing_is_in_force() -> None:
    assert EMPTY.campaigns == ()
    assert EMPTY.number == 0
    assert set(EMPTY.segments) == {"everyone"}


@pytest.mark.parametrize(
    ("text", "members", "problems"),
    [
        ("m1\nm2\n\n m3 \n", {"m1", "m2", "m3"}, []),
        ("member_id\r\nm1\r\n", {"m1"}, []),
        ('name,member_id\nAnn,m1\n"B, b",m2\n', {"m1", "m2"}, []),
        ("", set(), []),
        ("m1\nm2,m3\n", {"m1"}, ["s.csv:2:1: member_id: expected 1 column (or"]),
        (
            "name,member_id\nAnn\nBob,\n",
            set(),
            ["s.csv:2:1: member_id: expected 2 columns, not 1", "s.csv:3:1: member_id: expected a member id"],
        ),
        ('m1\n"m2\n', {"m1"}, ["s.csv:2:1: isn't valid CSV"]),
        (f"{'x' * 300}\n", set(), ["s.csv:1:1: member_id: is longer than 200"]),
        ("\n \nmember_id\nm1\n", {"m1"}, []),
        ("\n,\nname,member_id\nAnn,m1\n", {"m1"}, []),
        (
            "m1\nm\x002\nm\x853\n",
            {"m1"},
            [f"s.csv:{line}:1: member_id: expected a member id without control" for line in (2, 3)],
        ),
        (
            "customer_id\nm1\n",
            set(),
            ["s.csv:1:1: member_id: expected ids only, or a header with the column `member_id`"],
        ),
        ("\nMember ID\nm1\n", set(), ["s.csv:2:1: member_id: expected ids only, or a header"]),
        ("customer_id;name\nm1;Ann\n", set(), ["s.csv:1:1: member_id: expected columns separated by commas"]),
        ("member_id;name\nm1;Ann\n", set(), ["s.csv:1:1: member_id: expected columns separated by commas"]),
        ("m1\tAnn\nm2\tBob\n", set(), ["s.csv:1:1: member_id: expected columns separated by commas"]),
        ("name,E-mail,id\nAnn,a@b,m1\n", set(), ["s.csv:1:1: member_id: expected ids only, or a header"]),
    ],
)
def test_lists_are_checked_line_by_line(text: str, members: set[str], problems: list[str]) -> None:
    found, told = read_members(text, "s.csv")
    assert found == members
    assert len(told) == len(problems)
    assert all(str(line).startswith(start) for line, start in zip(told, problems, strict=True))


def test_a_directory_is_read_with_the_lists_that_its_segments_name(tmp_path: Path) -> None:
    files = {
        **campaign("a"),
        "sub/b.yaml": "id: b\ntrigger: {now: true}\nactions: []\n",
        "a_test.yaml": "[",
        "gateways.yaml": "[",
    }
    files |= {
        "segments/s.yaml": "id: s\nmembers_file: lists/s.csv",
        "segments/lists/s.csv": "\ufeffm1\n",
        "other.csv": "x",
    }
    files |= {".hidden/c.yaml": "[", "notes.txt": "x"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    bundle = read_directory(tmp_path)
    assert set(bundle) == {"a.yaml", "sub/b.yaml", "segments/s.yaml", "segments/lists/s.csv"}
    assert load([bundle]).segments["s"].members == frozenset({"m1"})


def test_programme_of_its_own_inside_is_left_out(tmp_path: Path) -> None:
    for name in ("a.yaml", "policies.yaml", "library/policies.yaml", "library/sub/b.yaml", "other/c.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x: 1")
    everything = {"a.yaml", "policies.yaml", "other/c.yaml"}
    assert set(read_directory(tmp_path)) == everything | {"library/policies.yaml", "library/sub/b.yaml"}
    (tmp_path / "library" / ".programme").touch()
    assert set(read_directory(tmp_path)) == everything
    assert set(read_directory(tmp_path / "library")) == {"policies.yaml", "sub/b.yaml"}


def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="expected a directory of campaigns"):
        read_directory(tmp_path / "gone")
    (tmp_path / "a.yaml").write_bytes(b"\xff")
    with pytest.raises(ProblemsError, match=r"a\.yaml:1:1: isn't text in UTF-8"):
        read_directory(tmp_path)
