"""Whole directories: what is wrong is told at once, with its place."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from streams.cli.lint import command
from streams.programme import ProblemsError, lint, load, read_directory

ROOT = Path(__file__).parents[3]
CAMPAIGN = """\
id: hello
trigger: {event: registration_completed}
actions:
  - send: {channel: sms, template: hello}
"""
POLICIES = 'quiet_hours: {from: "21:00", to: "09:00"}'  # a message may be put off, so a journey can be cancelled
TEMPLATES = "templates:\n  - {id: hello, text: 'Hello'}\n  - {id: letter, subject: s, text: t}\n"


def bundle(**files: str) -> dict[str, str]:
    """A sound bundle, with files added or replaced: `templates__t` is templates/t.yaml."""
    named = {f"{name.replace('__', '/')}.yaml": text for name, text in files.items()}
    return {"hello.yaml": CAMPAIGN, "templates/t.yaml": TEMPLATES, "policies.yaml": POLICIES, **named}


def found(files: dict[str, str]) -> list[str]:
    return [str(problem) for problem in lint(files)]


def with_action(action: str) -> dict[str, str]:
    return bundle(hello=CAMPAIGN.replace("send: {channel: sms, template: hello}", action))


def with_line(line: str) -> dict[str, str]:
    return bundle(hello=CAMPAIGN + line)


def test_a_sound_bundle_is_met_with_silence() -> None:
    assert found(bundle()) == []


def test_the_campaigns_that_ship_are_sound() -> None:
    assert lint(read_directory(ROOT / "campaigns")) == []


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            with_action("send: {channel: smss, template: hello}"),
            "hello.yaml:4:21: actions[0].send.channel: unknown channel `smss` (did you mean `sms`?)",
        ),
        (
            with_action("send: {channel: sms, template: hallo}"),
            "hello.yaml:4:36: actions[0].send.template: unknown template `hallo` (did you mean `hello`?)",
        ),
        (
            with_action("send: {channel: email, template: hello}"),
            "hello.yaml:4:38: actions[0].send.template: template `hello` doesn't suit: channel `email` takes subject",
        ),
        (
            with_action("send: {channel: sms, template: hello, messaging_type: servce}"),
            "actions[0].send.messaging_type: unknown messaging type `servce` (did you mean `service`?)",
        ),
        (
            with_line("version: 202612011200\n"),
            "hello.yaml:5:10: version: expected at most 2147483647, the most that a command's record holds",
        ),
        (with_action("select: {segment: vip}"), "hello.yaml:4:23: actions[0].select.segment: unknown segment `vip`"),
        (with_action("add_to: everyone"), "actions[0].add_to: the members of `everyone` can't be changed"),
        (with_action("poll: {poll: p, channel: sms, template: hello}"), "actions[0].poll.poll: unknown poll `p`"),
        (
            with_action("webhook: {url: 'https://x', body: ['{{ a']}"),
            "actions[0].webhook.body: isn't valid Liquid: line 1",
        ),
        (
            with_action("wait: {for: {event: message_opend}}"),
            "actions[0].wait.for.event: unknown event type `message_opend` (did you mean `message_opened`?)",
        ),
        (
            with_action("wait: {for: {event: message_opened, of: mail}}"),
            "actions[0].wait.for.of: unknown message `mail`",
        ),
        (
            with_action("wait: {for: {event: order_placed, where: {totl: 5}}}"),
            "actions[0].wait.for.where.totl: unknown field `totl` of `order_placed` (did you mean `total`?)",
        ),
        (with_action("{if: {counter.x: 5}, then: []}"), "actions[0].if.counter.x: unknown counter `x`"),
        (
            with_action("split: [{percent: 50, actions: [{send: {channel: x, template: hello}}]}]"),
            "actions[0].split[0].actions[0].send.channel: unknown channel `x`",
        ),
        (
            with_action("send: {cascade: [{channel: sms, template: gone}]}"),
            "actions[0].send.cascade[0].template: unknown template `gone`",
        ),
        (with_line("audience: {segment: vip}\n"), "hello.yaml:5:21: audience.segment: unknown segment `vip`"),
        (
            with_line("audience: {member.frist_name: x}\n"),
            "audience.member.frist_name: unknown name `member.frist_name` (did you mean `member.first_name`?)",
        ),
        (
            with_line("audience: {days_since.purchase_complete: 5}\n"),
            "unknown event type `purchase_complete` (did you mean `purchase_completed`?)",
        ),
        (with_line("audience: {membr.city: x}\n"), "unknown name `membr.city` (did you mean `member`?)"),
        (
            with_line("audience: {phone: {eq: {ref: entry.phon}}}\n"),
            "unknown field `phon` of the entry event (did you mean `phone`?)",
        ),
        (with_line("cancel_on: [{event: purchase}]\n"), "cancel_on[0].event: unknown event type `purchase`"),
        (
            with_line("goal: {event: purchase_completed, where: {lines: {some: {skuu: 1}}}}\n"),
            "goal.where.lines.some.skuu: unknown field `skuu` of a record of `lines` (did you mean `sku`?)",
        ),
        (with_line("stauts: live\n"), "hello.yaml:5:9: stauts: unknown key (did you mean `status`?)"),
        (
            with_action("award: {amount: 1000000000000}"),
            "hello.yaml:4:21: actions[0].award.amount: expected at most 12 digits before the point, not",
        ),
        (
            with_action("award: {amount: 0.0000001}"),
            "hello.yaml:4:21: actions[0].award.amount: expected an amount above 0",
        ),
        (
            with_action("webhook: {url: partner.example.com}"),
            "actions[0].webhook.url: expected an address such as https://partner.example.com/hook, not the string",
        ),
        (
            bundle(policies="default_region: ru"),
            "policies.yaml:1:17: default_region: expected a country as two capital letters such as RU, not the string",
        ),
        (with_line("holdout: 101\n"), "hello.yaml:5:10: holdout: expected a percentage from 0 to 100, not `101`"),
        (with_line("id: again\n"), "hello.yaml:5:1: id: is stated twice, first in line 1"),
        (bundle(other=CAMPAIGN), "other.yaml:1:5: id: the campaign `hello` is defined twice, first in hello.yaml:1"),
        (bundle(templates__u=TEMPLATES), "the template `hello` is defined twice, first in templates/t.yaml:2"),
        (
            bundle(templates__u="templates: [{id: x, text: '{{ a'}]"),
            "templates/u.yaml:1:27: templates[0].text: isn't valid Liquid: line 1",
        ),
        (
            bundle(templates__u="template: []"),
            "templates/u.yaml:1:1: template: unknown key (did you mean `templates`?)",
        ),
        (
            bundle(segments__a="id: a\nwhere: {segment: b}", segments__b="id: b\nwhere: {not: {segment: a}}"),
            "segments/a.yaml:2:1: where: asks for itself in a circle: a → b → a",
        ),
        (bundle(segments__a="id: a\nwhere: {segment: a}"), "where: asks for itself in a circle: a → a"),
        (bundle(segments__a="id: everyone"), "the segment `everyone` always exists"),
        (bundle(segments__a="id: rfm.recency.5"), "the segment `rfm.recency.5` comes from RFM and can't be defined"),
        (with_line("audience: {segment: rfm.recency.high}\n"), "unknown segment `rfm.recency.high`"),
        (
            bundle(segments__a="id: a\nmembers: [m1, 5]"),
            "segments/a.yaml:2:15: members[1]: expected a member id, a string",
        ),
        (bundle(segments__a="id: a\nmembers: [m1]\nwhere: {}"), "where: a segment is a condition or a list, not both"),
        (
            bundle(segments__a="id: a\nmembers_file: a.csv"),
            "members_file: expected the file segments/a.csv, found none",
        ),
        (
            bundle(segments__a="id: a\nmembers_file: ../../a.csv"),
            "members_file: expected a file beside it in the directory",
        ),
        (
            bundle(polls__p="id: p\nquestions: [{id: q, text: a}, {id: q, text: b}]"),
            "polls/p.yaml:2:36: questions[1].id: `q` is used twice",
        ),
        (
            bundle(counters="counters: {c: {event: purchase, aggregate: count}}"),
            "counters.yaml:1:23: counters.c.event: unknown event type `purchase`",
        ),
        (
            bundle(counters="counters: {c: {event: purchase_completed, aggregate: sum, field: store_id}}"),
            "counters.c.field: `sum` needs a number",
        ),
        (bundle(counters="counters: {c.d: {event: purchase_completed, aggregate: count}}"), "counters.yaml:1:1"),
        (
            bundle(policies="frequency_caps: {channel: sm, max: 1, per: P1D}"),
            "policies.yaml:1:27: frequency_caps.channel: unknown channel `sm`",
        ),
        (
            bundle(policies="default_time_zone: Moscow"),
            "policies.yaml:1:20: default_time_zone: expected a time zone such as Europe/Moscow",
        ),
        (bundle(policies="quiet_hours: {from: 21:00, to: 21:00}"), "quiet_hours.to: must differ from `from`"),
        (
            bundle(policies="messaging_types: {news: {consent: maybe}}"),
            "messaging_types.news.consent: expected `opt_out`, `opt_in`, `double_opt_in` or `none`",
        ),
        (bundle(broken="a: [1"), "broken.yaml:2:1: isn't valid YAML"),
        (bundle(text="just a text"), "text.yaml:1:1: expected a campaign, a mapping, not the string `just a text`"),
        ({"templates/t.yaml": TEMPLATES}, ".:1:1: expected at least one campaign in the directory, found none"),
        ({}, "found none"),
    ],
)
def test_an_error_is_told_with_its_place(files: dict[str, str], problem: str) -> None:
    told = found(files)
    assert any(problem in line for line in told), told
    with pytest.raises(ProblemsError) as caught:
        load([files])
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (with_line("audience: {total: 5}\n"), "audience.total: can never hold: the entry event has no field `total`"),
        (
            with_line("cancel_on: [{event: order_cancelled, where: {order_id: {ref: entry.order_id}}}]\n"),
            "order_id: can never hold: the entry event has no field `order_id`",
        ),
        (with_line("audience: {member.city: 5}\n"), "audience.member.city: can never hold: `member.city` is a string"),
        (with_line("audience: {member.city: null}\n"), "`{exists: false}`"),
        (with_line("audience: {member.age: {in: ['a']}}\n"), "can never hold: `member.age` is a number"),
        (with_line("audience: {member.birth_date: {gt: soon}}\n"), "can never hold: `member.birth_date` is a date"),
        (
            with_line("cancel_on: [{event: order_placed, where: {lines: 5}}]\n"),
            "a list takes `some`, `every` or `none`",
        ),
        (
            with_line("cancel_on: [{event: order_placed, where: {total: {some: {sku: x}}}}]\n"),
            "`total` isn't a list of records",
        ),
        (
            with_line("cancel_on: [{event: social_activity, where: {action: share}}]\n"),
            "`action` is one of `comment`, `repost` or `like`",
        ),
        (with_line("  - exit: x\n  - wait: P1D\n"), "hello.yaml:6:5: warning: actions[2]: can never be reached"),
        (
            with_action("{if: {phone: x}, then: [{exit: a}], else: [{exit: b}]}\n  - wait: P1D"),
            "actions[1]: can never be reached",
        ),
        (
            with_action(
                "send: {expires: P1D, cascade: [{channel: sms, template: hello, wait: P2D, until: delivered}, "
                "{channel: sms, template: hello}]}"
            ),
            "cascade[1]: can never be reached",
        ),
        (
            with_action(
                "{send: {channel: sms, template: hello, as: m}}\n  - wait: {for: {event: message_opened, of: m}}"
            ),
            "no channel of the message `m` reports `message_opened`",
        ),
        (
            with_action("send: {channel: social, template: hello}"),
            "can never be sent: channel `social` needs `moderated: true`",
        ),
        (bundle(templates__u="templates: [{id: x, title: a}]"), "can never be sent: no channel takes"),
        (
            bundle(templates__t="templates: [{id: hello, text: '{{ event.total }}'}]"),
            "template `hello` names `event.total`, which no trigger of the campaign supplies",
        ),
        (
            bundle(templates__t="templates: [{id: hello, text: '{{ membr.city }}'}]"),
            "names `membr.city` (did you mean `member`?), which doesn't exist",
        ),
        (
            bundle(templates__t="templates: [{id: hello, text: '{{ counter.x }}'}]"),
            "names `counter.x`, which doesn't exist",
        ),
        (
            bundle(templates__t="templates: [{id: hello, text: '{{ poll.id }}'}]"),
            "which only the action `poll` supplies",
        ),
        (with_line("audience: {rfm.recency: high}\n"), "can never hold: `rfm.recency` is a number"),
        (with_line("audience: {rfm.segment: {ge: 4}}\n"), "can never hold: `rfm.segment` is a string"),
        (bundle(segments__a="id: a\nwhere: {total: 5}"), "can never hold: a segment's condition sees the member only"),
        (
            bundle(policies="frequency_caps: [{channel: receipt, max: 1, per: P1D}]"),
            "channel `receipt` is exempt from caps",
        ),
        (bundle(policies="default_region: ZZ"), "can never hold: there are no phones of a country `ZZ`"),
    ],
)
def test_a_doubt_is_told_and_stops_nothing(files: dict[str, str], problem: str) -> None:
    (told,) = lint(files)
    assert told.severity == "warning"
    assert problem in str(told)
    assert load([files]).campaigns


@pytest.mark.parametrize(
    "files",
    [
        bundle(templates__t="templates: [{id: hello, text: '{% if event.total %}{{ event.total }}{% endif %}'}]"),
        bundle(templates__t="templates: [{id: hello, text: '{{ member.attributes.x }}{{ member.bonus.p }}'}]"),
        with_line(
            "audience: {member.bonus.points: 5, member.attributes.x: y, rfm.segment: best, phone: {exists: true}}\n"
        ),
        with_line("cancel_on: [{event: segment_left, where: {segment: never-defined}}]\n"),
        with_line("audience: {segment: rfm.segment.any-name, rfm.recency: {ge: 4}}\n"),
        bundle(hello_test="- name: no campaign", gateways="sms: {}"),
        bundle(segments__a="id: a", segments__b="id: b\nwhere: {segment: a}"),
        bundle(policies="quiet_hours: {from: 21:00, to: 9:00}"),
    ],
)
def test_what_is_no_mistake_is_not_told(files: dict[str, str]) -> None:
    assert found(files) == []


def test_everything_is_told_at_once_also_of_one_campaign() -> None:
    files = bundle(
        hello="id: hello\ntrigger: {event: nope}\nstatus: lively\n"
        "actions:\n  - wait: 14\n  - send: {channel: sms, template: gone}\n",
        policies="quiet_hours: {from: 21, to: 09:00}",
    )
    assert [problem.field for problem in lint(files)] == [
        *("trigger.event", "status", "actions[0].wait", "actions[1].send.template", "quiet_hours.from")
    ]


def test_a_reference_to_a_broken_definition_is_no_second_mistake() -> None:
    files = bundle(templates__t="templates: [{id: hello, text: '{{ a'}]")
    assert len(found(files)) == 1


def write(directory: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def run(directory: Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, [str(directory)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_is_silent_when_all_is_well(tmp_path: Path) -> None:
    assert run(write(tmp_path, bundle())) == (0, "", "")


def test_the_command_tells_errors_on_stderr_and_fails(tmp_path: Path) -> None:
    write(tmp_path, {**bundle(), "sub/latin.yaml": b"id: x\nname: \xe9t\xe9\n", "b.yml": "", "a.yaml": "a: ["})
    status, out, err = run(tmp_path)
    assert status == 1
    assert [json.loads(line)["file"] for line in out.splitlines()] == [
        f"{tmp_path}/{name}" for name in ("a.yaml", "b.yml", "sub/latin.yaml")
    ]
    lines = err.splitlines()
    assert lines[0].startswith(f"{tmp_path}/a.yaml:2:1: isn't valid YAML")
    assert lines[1] == f"{tmp_path}/b.yml:1:1: warning: isn't read: name it .yaml"
    assert lines[2] == f"{tmp_path}/sub/latin.yaml:2:7: isn't text in UTF-8"
    assert len(lines) == 3


def test_warnings_alone_do_not_fail(tmp_path: Path) -> None:
    status, out, err = run(write(tmp_path, with_line("audience: {total: 5}\n")))
    assert status == 0
    assert "warning" in err
    assert json.loads(out)["severity"] == "warning"


def test_a_missing_directory_is_wrong_usage(tmp_path: Path) -> None:
    assert run(tmp_path / "gone")[0] == 2


def test_a_directory_without_campaigns_is_an_error(tmp_path: Path) -> None:
    status, _, err = run(tmp_path)
    assert status == 1
    assert err == f"{tmp_path}:1:1: expected at least one campaign in the directory, found none\n"
