"""What a directory changes against the one before: versions, kinds of journeys, and what isn't versioned."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli._changes import as_text
from streams.cli.lint import command
from streams.programme import compare_bundles
from streams.programme.compare import Comparison
from tests.simulation.support import bundle

TRIGGER = "trigger: {event: purchase_completed}\n"
CHAIN = TRIGGER + "version: %d\nactions: [{wait: P14D}, {send: {channel: cashier, template: %s}}, {wait: P7D}]\n"
QUIET = {"policies.yaml": 'quiet_hours: {from: "21:00", to: "09:00"}'}
CASCADE = (
    "actions: [{send: {cascade: [{channel: viber, template: a, wait: PT1H, until: delivered}, "
    "{channel: sms, template: b}]}}]\n"
)


def compared(*bundles: dict[str, str]) -> tuple[list[str], Comparison]:
    *earlier, now = bundles
    problems, comparison = compare_bundles(earlier, now)
    assert comparison is not None
    return [str(problem) for problem in problems], comparison


def changes(*bundles: dict[str, str]) -> Comparison:
    problems, comparison = compared(*bundles)
    assert problems == []
    return comparison


def fates(*bundles: dict[str, str]) -> list[tuple[int, str, str, str, int | None, str]]:
    kinds = changes(*bundles).journeys
    return [(each.version, each.action, each.standing, each.becomes, each.to_version, each.note) for each in kinds]


# Versions ------------------------------------------------------------------------------------------------------------


def test_nothing_changed() -> None:
    files = bundle(c=CHAIN % (1, "a"))
    comparison = changes(files, files)
    assert [each.change for each in comparison.campaigns] == ["unchanged"]
    assert [each.becomes for each in comparison.journeys] == ["goes_on", "goes_on"]
    assert comparison.definitions == ()


def test_other_content_under_the_same_version_is_an_error_that_names_the_next() -> None:
    problems, _ = compared(
        bundle(c=CHAIN % (3, "a")), bundle(c=CHAIN % (3, "b") + "cancel_on: [{event: site_visited}]\n")
    )
    assert problems == [
        (
            "c.yaml:3:10: version: version 3 of `c` was in force with other `cancel_on` and `actions`: "
            "raise the version to 4"
        )
    ]


def test_a_version_that_is_not_stated_is_version_1() -> None:
    problems, _ = compared(bundle(c=TRIGGER + "actions: []"), bundle(c=TRIGGER + "actions: [{exit: x}]"))
    assert problems == [
        "c.yaml:1:1: version: version 1 of `c` was in force with other `actions`: raise the version to 2"
    ]


def test_a_version_that_was_in_force_long_before_cannot_come_back_with_other_content() -> None:
    problems, _ = compared(bundle(c=CHAIN % (1, "a")), bundle(c=CHAIN % (2, "a")), bundle(c=CHAIN % (1, "b")))
    assert problems[0].endswith("raise the version to 3")
    assert changes(bundle(c=CHAIN % (1, "a")), bundle(c=CHAIN % (2, "b")), bundle(c=CHAIN % (1, "a")))


@pytest.mark.parametrize(
    "free",
    ["status: paused", "active: {until: 2027-01-01}", "in_flight: stop", "priority: 5", "name: Another", "group: g"],
)
def test_how_a_campaign_is_run_and_called_may_change_under_its_version(free: str) -> None:
    comparison = changes(bundle(c=CHAIN % (1, "a")), bundle(c=CHAIN % (1, "a") + free))
    assert [each.keys for each in comparison.campaigns] == [(free.split(":", maxsplit=1)[0],)]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [("1", "true", False), ("5", "5.0", True), ("[1]", "[true]", False), ("'5'", "5", False)],
)
def test_values_are_compared_as_conditions_would(one: str, other: str, alike: bool) -> None:
    audience = TRIGGER + "audience: {member.attributes.x: {in: %s}}\nactions: []"
    texts = [value if value.startswith("[") else f"[{value}]" for value in (one, other)]
    problems, _ = compared(bundle(c=audience % texts[0]), bundle(c=audience % texts[1]))
    assert (problems == []) == alike


def test_a_draft_may_change_as_it_likes() -> None:
    draft = CHAIN % (1, "a") + "status: draft"
    assert changes(bundle(c=draft), bundle(c=CHAIN % (1, "b"))).journeys == ()


def test_how_it_is_written_is_no_content() -> None:
    other = (
        "# a remark\nversion: 1\nactions:\n- wait: P2W\n- send:\n    template: a\n    channel: cashier\n- wait: P7D\n"
    )
    assert [each.change for each in changes(bundle(c=CHAIN % (1, "a")), bundle(c=other + TRIGGER)).campaigns] == [
        "unchanged"
    ]


def test_new_and_removed_campaigns() -> None:
    comparison = changes(bundle(c=CHAIN % (1, "a")), bundle(d=CHAIN % (1, "a")))
    assert [(each.campaign, each.change) for each in comparison.campaigns] == [("c", "removed"), ("d", "new")]
    assert {(each.becomes, each.note) for each in comparison.journeys} == {("ended", "the campaign is gone")}


def test_a_mailing_goes_out_again_with_another_version() -> None:
    mailing = "trigger: {now: true}\nversion: %d\nactions: []"
    (campaign,) = changes(bundle(c=mailing % 1), bundle(c=mailing % 2)).campaigns
    assert campaign.notes == ("a mailing: it goes out again, since its version is another",)
    (campaign,) = changes(bundle(c=mailing % 1 + "\nstatus: draft"), bundle(c=mailing % 1)).campaigns
    assert campaign.notes[0] == "a mailing: it goes out as soon as this is applied"


# Journeys ------------------------------------------------------------------------------------------------------------


def test_kept_on_the_version_entered() -> None:
    assert fates(bundle(c=CHAIN % (1, "a")), bundle(c=CHAIN % (2, "b"))) == [
        (1, "actions[0]", "waiting", "kept", 1, ""),
        (1, "actions[2]", "waiting", "kept", 1, ""),
    ]


def test_moved_where_there_is_such_a_place_and_ended_where_there_is_none() -> None:
    second = TRIGGER + "version: 2\nin_flight: move\nactions: [{wait: P10D}, {exit: x}]"
    assert fates(bundle(c=CHAIN % (1, "a")), bundle(c=second)) == [
        (1, "actions[0]", "waiting", "moved", 2, "its wait is reckoned anew from when it began: P10D"),
        (1, "actions[2]", "waiting", "ended", None, "version 2 has nothing at actions[2]"),
    ]
    third = TRIGGER + "version: 2\nin_flight: move\nactions: [{wait: P14D}, {exit: x}, {set: {a: 1}}]"
    assert [
        fate[3:] for fate in fates(bundle(c=CHAIN % (1, "a")), bundle(c=third.replace("exit: x", "wait: P1D")))
    ] == [
        ("moved", 2, ""),
        ("ended", None, "version 2 has `set` at actions[2], not a wait"),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [("in_flight: stop", "version 2 says `in_flight: stop`"), ("status: stopped", "the campaign is stopped")],
)
def test_stopped(line: str, why: str) -> None:
    found = fates(bundle(c=CHAIN % (1, "a")), bundle(c=CHAIN % (2, "a") + line))
    assert {fate[3:] for fate in found} == {("ended", None, why)}


def test_messages_that_may_be_put_off_or_cascade_are_kinds_of_their_own() -> None:
    first = TRIGGER + CASCADE
    second = TRIGGER + "version: 2\nin_flight: move\n" + CASCADE.replace("template: b", "template: c")
    assert fates(bundle(c=first), bundle(c=second)) == [
        (1, "actions[0]", "cascading", "moved", 2, "it is sent as it now stands there")
    ]
    one = TRIGGER + "version: 2\nin_flight: move\nactions: [{send: {channel: viber, template: a}}]"
    assert fates(bundle(QUIET, c=first), bundle(QUIET, c=one)) == [
        (1, "actions[0]", "deferred", "moved", 2, "it is sent as it now stands there"),
        (1, "actions[0]", "deferred", "ended", None, "version 2 has no step 2 of the cascade at actions[0]"),
        (1, "actions[0]", "cascading", "moved", 2, "it is sent as it now stands there"),
    ]


@pytest.mark.parametrize(
    ("policies", "put_off"),
    [
        ('quiet_hours: {from: "21:00", to: "09:00"}', True),
        ('quiet_hours: {from: "21:00", to: "09:00", then: suppress}', False),
        ("frequency_caps: [{max: 1, per: P1D, then: defer}]", True),
        ("frequency_caps: [{channel: email, max: 1, per: P1D, then: defer}]", False),
        ("frequency_caps: [{max: 1, per: P1D}]", False),
        ('quiet_hours: {from: "21:00", to: "09:00"}\nmessaging_types: {marketing: {quiet_hours: exempt}}', False),
    ],
)
def test_only_what_a_policy_puts_off_can_be_put_off(policies: str, put_off: bool) -> None:
    files = bundle({"policies.yaml": policies}, c=TRIGGER + "actions: [{send: {channel: sms, template: a}}]")
    assert [each.standing for each in changes(files, files).journeys] == ["deferred"] * put_off


def test_versions_that_still_run_from_before_are_told_too() -> None:
    third = CHAIN % (3, "a") + "in_flight: move"
    found = fates(bundle(c=CHAIN % (1, "a")), bundle(c=CHAIN % (2, "a")), bundle(c=third))
    assert [(fate[0], fate[3]) for fate in found] == [(1, "moved"), (1, "moved"), (2, "moved"), (2, "moved")]
    stopped = CHAIN % (2, "a") + "in_flight: stop"
    found = fates(bundle(c=CHAIN % (1, "a")), bundle(c=stopped), bundle(c=third))
    assert {fate[0] for fate in found} == {2}


def test_what_journeys_will_lack_is_noted() -> None:
    files = {
        "counters.yaml": "counters: {x: {event: purchase_completed, aggregate: count}}",
        "segments/vip.yaml": "id: vip\nwhere: {counter.x: 5}",
        "templates/x.yaml": "templates: [{id: x, text: X}]",
        "policies.yaml": "messaging_types: {digest: {consent: none}}",
    }
    first = (
        TRIGGER + "actions: [{wait: P1D}, {select: {segment: vip}}, "
        "{send: {channel: sms, template: x, messaging_type: digest}}]"
    )
    (campaign,) = changes(bundle(files, c=first), bundle(c=CHAIN % (2, "a"))).campaigns
    assert campaign.notes == (
        "version 1 asks for counter `x`, which is gone: for its journeys it is missing",
        "version 1 asks for segment `vip`, which is gone: its journeys go by its last definition",
        "version 1 sends template `x`, which is gone: its journeys still send it",
        "version 1 sends messages of type `digest`, which is gone: they count as `marketing`",
    )


@pytest.mark.parametrize("version", [1, 2])
def test_a_list_of_the_entry_event_that_is_newly_named(version: int) -> None:
    lines = {"templates/x.yaml": "templates: [{id: x, text: '{{ event.lines[0].name }}'}]"}
    plain = {"templates/x.yaml": "templates: [{id: x, text: '{{ event.total }}'}]"}
    (campaign,) = changes(
        bundle(plain, c=CHAIN % (1, "x")), bundle(lines, c=CHAIN % (version, "x") + "in_flight: move")
    ).campaigns
    assert campaign.notes == (
        (
            "journeys of version 1 didn't keep `event.lines`, which is newly named: "
            "what needs it isn't rendered, conditions on it don't hold"
        ),
    )
    assert changes(bundle(lines, c=CHAIN % (1, "x")), bundle(lines, c=CHAIN % (2, "x"))).campaigns[0].notes == ()


# What isn't versioned ------------------------------------------------------------------------------------------------


def test_what_is_not_versioned_changes_for_the_campaigns_that_name_it() -> None:
    def files(number: int) -> dict[str, str]:
        return {
            "counters.yaml": f"counters: {{x: {{event: purchase_completed, aggregate: count, window: P{number}D}}}}",
            "segments/inner.yaml": f"id: inner\nwhere: {{counter.x: {number}}}",
            "segments/outer.yaml": "id: outer\nwhere: {segment: inner}",
            "templates/x.yaml": f"templates: [{{id: x, text: '{number}'}}]",
            "polls/p.yaml": f"id: p\nquestions: [{{id: q, text: '{number}'}}]",
        }

    campaigns = {
        "selects": TRIGGER + "audience: {segment: outer}\nactions: [{poll: {poll: p, channel: sms, template: a}}]",
        "sends": CHAIN % (1, "x"),
    }
    comparison = changes(bundle(files(1), **campaigns), bundle(files(2), **campaigns))
    assert [(each.kind, each.id, each.change, each.campaigns, each.note) for each in comparison.definitions] == [
        ("template", "x", "changed", ("sends",), ""),
        ("segment", "inner", "changed", ("selects",), "who is in it by this neither enters nor leaves it"),
        ("counter", "x", "changed", ("selects",), "it starts anew"),
        ("poll", "p", "changed", ("selects",), ""),
    ]
    assert [each.change for each in comparison.campaigns] == ["unchanged", "unchanged"]


def test_policies_name_the_campaigns_that_they_concern() -> None:
    campaigns = {
        "mails": TRIGGER + "actions: [{send: {channel: email, template: mail}}]",
        "serves": TRIGGER + "actions: [{send: {channel: sms, template: a, messaging_type: service}}]",
        "texts": TRIGGER + "actions: [{send: {channel: sms, template: a}}]",
        "tills": TRIGGER + "actions: [{send: {channel: cashier, template: a}}]",
    }
    policies = """
        default_region: DE
        quiet_hours: {from: "21:00", to: "09:00"}
        frequency_caps: [{channel: sms, max: 1, per: P1D}]
        messaging_types: {service: {consent: opt_out}}
    """
    comparison = changes(bundle(**campaigns), bundle({"policies.yaml": policies}, **campaigns))
    assert {each.id: each.campaigns for each in comparison.definitions} == {
        "default_region": ("mails", "serves", "texts", "tills"),
        "quiet_hours": ("mails", "texts"),
        "frequency_caps": ("texts",),
        "messaging_types.service": ("serves",),
    }


# The command ---------------------------------------------------------------------------------------------------------


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def test_the_command_prints_json_lines_when_piped_and_fails_on_a_conflict(tmp_path: Path) -> None:
    old = write(tmp_path / "old", bundle(c=CHAIN % (1, "a"), d=CHAIN % (1, "a")))
    new = write(tmp_path / "new", bundle(c=CHAIN % (1, "b"), d=CHAIN % (2, "b")))
    result = CliRunner().invoke(command, [str(new), "--against", str(old)])
    assert result.exit_code == 1
    conflict = "version 1 of `c` was in force with other `actions`: raise the version to 2"
    assert result.stderr == f"{new}/c.yaml:3:10: version: {conflict}\n"
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[0] == {
        "kind": "problem",
        "file": f"{new}/c.yaml",
        "line": 3,
        "column": 10,
        "field": "version",
        "message": conflict,
        "severity": "error",
        "suggestion": "raise the version to 2",
    }
    assert [line["kind"] for line in lines[1:]] == ["campaign"] * 2 + ["journeys"] * 4 + ["summary"]
    assert lines[-1] == {
        "kind": "summary",
        "campaigns": {"unchanged": 0, "changed": 2, "new": 0, "removed": 0},
        "journeys": {"goes_on": 2, "kept": 2, "moved": 0, "ended": 0},
        "definitions": 0,
    }


def test_with_mistakes_of_its_own_nothing_is_compared(tmp_path: Path) -> None:
    old = write(tmp_path / "old", bundle(c=CHAIN % (1, "a")))
    new = write(tmp_path / "new", bundle(c=CHAIN % (1, "gone")))
    result = CliRunner().invoke(command, [str(new), "--against", str(old)])
    assert (result.exit_code, result.stdout.count("\n")) == (1, 1)
    assert "unknown template `gone`" in result.stderr


def test_mistakes_in_the_old_directory_are_counted(tmp_path: Path) -> None:
    old = write(tmp_path / "old", bundle(c=CHAIN % (1, "gone"), d=CHAIN % (1, "a")))
    new = write(tmp_path / "new", bundle(c=CHAIN % (1, "a"), d=CHAIN % (1, "a")))
    result = CliRunner().invoke(command, [str(new), "--against", str(old)])
    assert f"{old}: mistakes: 1; what has them counts as not there before" in result.stderr


def test_for_people_it_is_told_in_words() -> None:
    same = CHAIN % (1, "a")
    before = bundle({"templates/x.yaml": "templates: [{id: x, text: 'X'}]"}, c=same, d=same, e=same, g=CHAIN % (1, "x"))
    after = bundle(
        {"templates/x.yaml": "templates: [{id: x, text: 'Y'}]"},
        c=CHAIN % (2, "b"),
        d=same,
        f=CHAIN % (1, "a"),
        g=CHAIN % (1, "x"),
    )
    assert list(as_text(changes(before, after))) == [
        "c: version 1 → 2 (actions)",
        "  version 1, actions[0] (wait P14D): stays on version 1",
        "  version 1, actions[2] (wait P7D): stays on version 1",
        "e: removed",
        "  version 1, actions[0] (wait P14D): ends with campaign_stopped: the campaign is gone",
        "  version 1, actions[2] (wait P7D): ends with campaign_stopped: the campaign is gone",
        "f: new, version 1",
        "template x: changed; used by g",
        (
            "campaigns: 2 unchanged, 1 changed, 1 new, 1 removed; kinds of journeys: 4 go on, 2 keep their version, "
            "0 move, 2 end; other definitions changed: 1"
        ),
    ]
