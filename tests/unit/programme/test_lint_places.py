"""Every kind of mistake and doubt once, with file, line, column, field, and what to write instead."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli.lint import command
from streams.programme import lint, load

POLICIES = """\
quiet_hours: {from: "21:00", to: "09:00"}
"""
TEMPLATES = """\
templates:
  - {id: hello, text: "Hello"}
  - {id: mail, subject: "Hello", text: "Hello"}
  - {id: picture, image: "https://example.com/a.png"}
"""
HEAD = """\
id: thanks
trigger: {event: purchase_completed}
"""
ACTIONS = """\
actions:
  - wait: P1D
"""


def told(campaign: str, files: dict[str, str] | None = None) -> list[str]:
    base = {"policies.yaml": POLICIES, "templates/t.yaml": TEMPLATES}
    return [str(problem) for problem in lint({**base, "c.yaml": campaign, **(files or {})})]


def with_actions(*lines: str) -> str:
    return HEAD + ACTIONS + "".join(f"  {line}\n" for line in lines)


def with_keys(*lines: str) -> str:
    return HEAD + "".join(f"{line}\n" for line in lines) + ACTIONS


# The list of issue 4 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("campaign", "place"),
    [
        (
            with_actions("- send: {chanel: sms, template: hello}"),
            "c.yaml:5:20: actions[1].send.chanel: unknown key (did you mean `channel`?)",
        ),
        (
            with_actions("- send: {channel: smss, template: hello}"),
            "c.yaml:5:21: actions[1].send.channel: unknown channel `smss` (did you mean `sms`?)",
        ),
        (
            with_actions("- sned: {channel: sms, template: hello}"),
            "c.yaml:5:5: actions[1].sned: unknown action `sned` (did you mean `send`?)",
        ),
        (
            HEAD.replace("purchase_completed", "purchase_complete") + ACTIONS,
            "c.yaml:2:18: trigger.event: unknown event type `purchase_complete` (did you mean `purchase_completed`?)",
        ),
        (
            with_keys("audience:", "  member.frist_name: Ada"),
            (
                "c.yaml:4:22: audience.member.frist_name: unknown name `member.frist_name` "
                "(did you mean `member.first_name`?)"
            ),
        ),
        (
            with_keys("audience:", "  lines: {some: {categry: tea}}"),
            (
                "c.yaml:4:27: audience.lines.some.categry: unknown field `categry` of a record of `lines` "
                "(did you mean `category`?)"
            ),
        ),
    ],
)
def test_unknown_names(campaign: str, place: str) -> None:
    assert any(line.startswith(place) for line in told(campaign)), told(campaign)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ event.friend_id }}", "names `event.friend_id`, which no trigger of the campaign supplies"),
        ("{{ event.totl }}", "names `event.totl` (did you mean `total`?), which no trigger of the campaign supplies"),
        ("{{ event.lines[0].nmae }}", "`event.lines[].nmae` (did you mean `name`?), which its records don't have"),
        (
            "{% for line in event.lines %}{{ line.nmae }}{% endfor %}",
            "`event.lines[].nmae` (did you mean `name`?), which its records don't have",
        ),
        ("{{ amount }}", "names `amount`, which neither an `award` nor a trigger of the campaign supplies"),
        ("{{ campaign.name }}", "names `campaign.name`, which the campaign doesn't state"),
        ("{{ counter.spend }}", "names `counter.spend`, which doesn't exist"),
    ],
)
def test_templates_whose_variables_no_trigger_supplies(text: str, why: str) -> None:
    files = {"templates/t.yaml": f'templates: [{{id: hello, text: "{text}"}}]'}
    (line,) = told(with_actions("- send: {channel: sms, template: hello}"), files)
    assert line.startswith("c.yaml:5:36: warning: actions[1].send.template: can never be rendered: template `hello` ")
    assert why in line


@pytest.mark.parametrize(
    "text",
    [
        "{{ event.total }} {{ event.lines[0].name }} {{ event.lines.size }} {{ event.lines.first.price }}",
        "{% for line in event.lines %}{{ line.name }} {{ line.quantity }}{% endfor %}",
        "{% if event.order_id %}{{ event.order_id }}{% endif %}{{ campaign.name | default: 'x' }}",
    ],
)
def test_what_some_trigger_supplies_is_no_doubt(text: str) -> None:
    files = {"templates/t.yaml": f'templates: [{{id: hello, text: "{text}"}}]'}
    assert told(with_actions("- send: {channel: sms, template: hello}"), files) == []


def test_what_a_poll_has() -> None:
    files = {
        "templates/t.yaml": 'templates: [{id: hello, text: "{{ poll.questions[0].txt }}{{ poll.name }}"}]',
        "polls/p.yaml": "id: p\nquestions: [{id: q, text: How?}]",
    }
    first, second = told(with_actions("- poll: {poll: p, channel: sms, template: hello}"), files)
    assert "`poll.name`" in first
    assert "`poll.questions[].txt` (did you mean `text`?), which questions don't have" in second


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (["- exit: done", "- wait: P2D"], "c.yaml:6:5: warning: actions[2]: can never be reached: what stands before"),
        (
            ["- split: [{percent: 50, actions: [{exit: a}]}, {percent: 50, actions: [{exit: b}]}]", "- wait: P2D"],
            "c.yaml:6:5: warning: actions[2]: can never be reached: what stands before",
        ),
        (
            ["- split:", "  - {percent: 0, actions: [{wait: P1D}]}"],
            "c.yaml:6:17: warning: actions[1].split[0].percent: can never be reached: it is nobody's share",
        ),
        (
            ["- if: {}", "  then: [{wait: P1D}]", "  else: [{wait: P2D}]"],
            "c.yaml:7:5: warning: actions[1].else: can never be reached: a condition without tests always holds",
        ),
    ],
)
def test_unreachable_actions(lines: list[str], place: str) -> None:
    (line,) = told(with_actions(*lines))
    assert line.startswith(place)


def test_a_split_that_lets_some_by_is_no_end() -> None:
    assert told(with_actions("- split: [{percent: 50, actions: [{exit: a}]}]", "- wait: P2D")) == []


CASCADE = [
    "- send:",
    "    expires: %s",
    "    cascade:",
    "      - {channel: %s, template: hello, wait: %s, until: %s}",
    "      - {channel: sms, template: hello}",
]


def cascade(*values: str) -> list[str]:
    return ("\n".join(CASCADE) % values).splitlines()


def test_waits_that_outlive_the_expiry() -> None:
    (line,) = told(with_actions(*cascade("PT12H", "viber", "P1D", "delivered")))
    assert line == (
        "c.yaml:9:11: warning: actions[1].send.cascade[1]: can never be reached by waiting: "
        "the message expires after PT12H, before its turn comes"
    )
    assert told(with_actions(*cascade("P1D", "viber", "P1D", "delivered"))) == []
    assert told(with_actions(*cascade("P1M", "viber", "P31D", "delivered"))) == []


def test_segments_in_a_circle() -> None:
    files = {
        "segments/a.yaml": "id: a\nwhere:\n  segment: b\n",
        "segments/b.yaml": "id: b\nwhere:\n  any: [{segment: c}, {member.city: x}]\n",
        "segments/c.yaml": "id: c\nwhere: {not: {segment: a}}\n",
    }
    assert told(HEAD + ACTIONS, files) == [
        "segments/a.yaml:2:1: where: asks for itself in a circle: a → b → c → a",
        "segments/b.yaml:2:1: where: asks for itself in a circle: b → c → a → b",
        "segments/c.yaml:2:1: where: asks for itself in a circle: c → a → b → c",
    ]


def test_counters_that_are_not_declared() -> None:
    files = {"counters.yaml": "counters:\n  spend: {event: purchase_completed, aggregate: count}\n"}
    assert told(with_keys("audience: {counter.spendd: {ge: 5}}"), files) == [
        "c.yaml:3:33: audience.counter.spendd.ge: unknown counter `spendd` (did you mean `spend`?)"
    ]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (
            "cancel_on: [{event: message_opened}]",
            (
                "c.yaml:3:21: warning: cancel_on[0].event: can never come: no channel that a campaign here sends over "
                "reports `message_opened`"
            ),
        ),
        (
            "cancel_on: [{event: member_erased}]",
            "c.yaml:3:21: warning: cancel_on[0].event: can never come: an erased member's journeys have ended before",
        ),
        (
            "cancel_on: [{event: segment_left, where: {segment: everyone}}]",
            "c.yaml:3:21: warning: cancel_on[0].event: can never come: nobody leaves `everyone`",
        ),
        (
            "cancel_on: [{event: order_cancelled, where: {order_id: {ref: entry.total}}}]",
            "c.yaml:3:46: warning: cancel_on[0].where.order_id: can never hold: `order_id` is a string, `entry.total`",
        ),
        (
            "cancel_on: [{event: social_activity, where: {action: commnt}}]",
            (
                "c.yaml:3:54: warning: cancel_on[0].where.action: can never hold: `action` is one of `comment`, "
                "`repost` or `like` (did you mean `comment`?)"
            ),
        ),
        (
            "cancel_on: [{event: message_sent, where: {channel: smss}}]",
            (
                "c.yaml:3:52: warning: cancel_on[0].where.channel: can never hold: there is no channel `smss` "
                "(did you mean `sms`?)"
            ),
        ),
        (
            "goal: {event: member_erased}",
            "c.yaml:3:15: warning: goal.event: can never come: an erased member's journeys have ended before",
        ),
    ],
)
def test_cancel_events_and_goals_that_can_never_come(line: str, place: str) -> None:
    (found,) = told(with_keys(line))
    assert found.startswith(place)


def test_cancel_events_of_a_campaign_that_is_over_at_once() -> None:
    campaign = HEAD + "cancel_on: [{event: site_visited}]\ngoal: {event: site_visited, ends: true}\nactions: []\n"
    assert [line.split(": no journey")[0] for line in told(campaign)] == [
        "c.yaml:3:13: warning: cancel_on[0]: can never cancel",
        "c.yaml:4:35: warning: goal.ends: can never end a journey",
    ]


@pytest.mark.parametrize(
    ("channel", "until", "reports"),
    [
        ("voice", "opened", "`sent` and `delivered`"),
        ("cashier", "clicked", "`sent` and `delivered`"),
        ("social", "clicked", "`sent`, `delivered` and `opened`"),
    ],
)
def test_a_cascade_whose_statuses_its_channel_never_reports(channel: str, until: str, reports: str) -> None:
    files = {"templates/t.yaml": "templates: [{id: hello, text: Hello, moderated: true}]"}
    (line,) = told(with_actions(*cascade("P3D", channel, "P1D", until)), files)
    column = 58 + len(channel)
    assert line == (
        f"c.yaml:8:{column}: warning: actions[1].send.cascade[0].until: can never hold: "
        f"channel `{channel}` reports {reports} only, so the next step always follows"
    )


def test_a_cascade_whose_status_comes_by_another_one() -> None:
    assert told(with_actions(*cascade("P3D", "sms", "P1D", "opened"))) == []  # a click means that it was opened


@pytest.mark.parametrize(
    ("campaign", "place"),
    [
        (
            with_actions("- split:", "  - {percent: 60}", "  - {percent: 40.5}"),
            "c.yaml:5:5: actions[1].split: the percentages add up to 100.5, more than 100",
        ),
        (with_keys("holdout: 100.1"), "c.yaml:3:10: holdout: expected a percentage from 0 to 100, not `100.1`"),
        (with_keys("holdout: -1"), "c.yaml:3:10: holdout: expected a percentage from 0 to 100, not `-1`"),
        (with_keys("holdout: 100"), "c.yaml:3:10: warning: holdout: can never be reached: everyone is held out"),
    ],
)
def test_percentages(campaign: str, place: str) -> None:
    (line,) = told(campaign)
    assert line.startswith(place)


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"d.yaml": HEAD + ACTIONS}, "d.yaml:1:5: id: the campaign `thanks` is defined twice, first in c.yaml:1"),
        (
            {"templates/u.yaml": "templates:\n  - id: hello\n    text: Hello"},
            "templates/u.yaml:2:9: templates[0].id: the template `hello` is defined twice, first in templates/t.yaml:2",
        ),
        (
            {"segments/a.yaml": "id: a", "segments/b.yaml": "# the same\nid: a"},
            "segments/b.yaml:2:5: id: the segment `a` is defined twice, first in segments/a.yaml:1",
        ),
        (
            {f"polls/{name}.yaml": "id: p\nquestions: [{id: q, text: t}]" for name in "ab"},
            "polls/b.yaml:1:5: id: the poll `p` is defined twice, first in polls/a.yaml:1",
        ),
        (
            {"counters.yaml": "counters:\n" + "  n: {event: site_visited, aggregate: count}\n" * 2},
            "counters.yaml:3:3: counters.n: is stated twice, first in line 2",
        ),
    ],
)
def test_duplicate_ids(files: dict[str, str], place: str) -> None:
    assert told(HEAD + ACTIONS, files) == [place]


# What else a marketer runs into --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (
            ["- wait: {for: {event: message_clicked, of: m}}", "- send: {channel: sms, template: hello, as: m}"],
            "c.yaml:5:46: warning: actions[1].wait.for.of: can never hold: no journey that waits here has sent",
        ),
        (
            [
                "- if: {total: 5}",
                "  then: [{send: {channel: sms, template: hello, as: m}}]",
                "  else: [{wait: {for: {event: message_clicked, of: m}}}]",
            ],
            "c.yaml:7:54: warning: actions[1].else[0].wait.for.of: can never hold: no journey that waits here has sent",
        ),
        (
            [
                "- send: {channel: voice, template: hello, as: m}",
                "- wait: {for: {event: message_clicked, of: m}}",
            ],
            "c.yaml:6:46: warning: actions[2].wait.for.of: can never hold: no channel of the message `m` reports",
        ),
        (
            ["- wait: {for: {event: message_opened}}"],
            "c.yaml:5:25: warning: actions[1].wait.for.event: can never come: no channel that a campaign here sends",
        ),
    ],
)
def test_waits_that_can_never_end(lines: list[str], place: str) -> None:
    (line,) = told(with_actions(*lines))
    assert line.startswith(place)


def test_a_message_of_either_branch_can_be_waited_for_behind_both() -> None:
    branch = "[{send: {channel: sms, template: hello, as: m}}]"
    lines = ["- if: {total: 5}", f"  then: {branch}", f"  else: {branch}"]
    lines += ["- wait: {for: {event: message_clicked, of: m}, timeout: P1D}"]
    assert told(with_actions(*lines)) == []


def test_a_message_can_be_waited_for_in_the_branch_of_a_time_out_that_sends_it() -> None:
    both = (
        "[{send: {channel: sms, template: hello, as: m}}, {wait: {for: {event: message_clicked, of: m}, timeout: P1D}}]"
    )
    first = "- wait: {for: {event: order_placed}, timeout: P1D, on_timeout: %s}"
    assert told(with_actions(first % both)) == []


@pytest.mark.parametrize(
    ("at", "when"),
    [("2026-01-01T10:00", "before"), ("2027-01-02T00:00", "after")],
)
def test_a_mailing_outside_the_time_that_active_states(at: str, when: str) -> None:
    campaign = (
        f"id: thanks\ntrigger:\n  schedule:\n    at: {at}\n"
        "active: {from: 2026-03-01, until: 2026-12-31}\nactions: [{wait: P1D}]\n"
    )
    assert told(campaign) == [
        f"c.yaml:4:9: warning: trigger.schedule.at: can never be reached: it lies {when} the time that `active` states"
    ]
    assert told(campaign.replace(at, "2026-12-31T23:59")) == []


@pytest.mark.parametrize(
    ("channel", "template", "why"),
    [
        ("email", "hello", "channel `email` takes subject + text, or subject + html, or subject + text + html; the"),
        ("sms", "picture", "channel `sms` takes text; the template has none of these"),
    ],
)
def test_parts_that_a_channel_needs(channel: str, template: str, why: str) -> None:
    (line,) = told(with_actions(f"- send: {{channel: {channel}, template: {template}}}"))
    column = 33 + len(channel)
    assert line.startswith(f"c.yaml:5:{column}: actions[1].send.template: template `{template}` doesn't suit: {why}")


def test_a_link_to_confirm_of_no_messaging_type() -> None:
    """A doubt, as all that fails when a message is rendered: a programme in force with it is still read."""
    files = {"templates/u.yaml": 'templates:\n  - {id: yes-please, text: "Yes: %confirm_url: %"}'}
    (line,) = told(HEAD + ACTIONS, files)
    place, why = "templates/u.yaml:2:28: warning: templates[0].text", "`%confirm_url:…%` names no messaging type"
    assert line == f"{place}: can never be rendered: {why}"
    button = '{text: "%confirm_url:marketing%", url: "%confirm_url:%"}'
    files = {"templates/u.yaml": f"templates:\n  - {{id: yes-please, text: Hi, button: {button}}}"}
    (line,) = told(HEAD + ACTIONS, files)
    assert "templates[0].button.url: can never be rendered" in line


NO_LINK = "expected `%unsubscribe_url%` or `%confirm_url:TYPE%`, not"
TYPES = "expected `marketing` or `service`"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Yes: %confirm_url:markting%", f"(did you mean `marketing`?): {TYPES}"),
        ("Yes: %confirm_url: news %", f"unknown messaging type `news` in `%confirm_url:…%`: {TYPES}"),
        ("No: %unsubscribe_url:marketing%", f"{NO_LINK} `%unsubscribe_url:marketing%`"),
        ("Yes: %confirm_url%", f"{NO_LINK} `%confirm_url%`"),
        ("No: %unsubscribe_url or 5%", f"{NO_LINK} `%unsubscribe_url or 5%`"),
        ("No: %unsubscribe_url", f"{NO_LINK} `%unsubscribe_url`"),
    ],
)
def test_a_link_that_is_not_written_as_one_or_confirms_what_there_is_not(text: str, why: str) -> None:
    files = {"templates/u.yaml": f'templates:\n  - {{id: yes-please, text: "{text}"}}'}
    (line,) = told(HEAD + ACTIONS, files)
    assert line.startswith("templates/u.yaml:2:28: templates[0].text: ")
    assert line.endswith(why)
    assert load([{"c.yaml": HEAD + ACTIONS, **files}], number=7).number == 7, "what is in force goes on"


@pytest.mark.parametrize(
    "text", ["%confirm_url: marketing % %unsubscribe_url%", "%confirm_url:{{ event.kind }}%", "%url% 5% off"]
)
def test_links_that_are_well(text: str) -> None:
    files = {"templates/u.yaml": f'templates:\n  - {{id: yes-please, text: "{text}"}}'}
    assert told(HEAD + ACTIONS, files) == []


def test_the_command_gives_all_parts_of_a_problem(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(with_actions("- exit: x", "- sned: {}"))
    result = CliRunner().invoke(command, [str(tmp_path)])
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "kind": "problem",
        "file": f"{tmp_path}/c.yaml",
        "line": 6,
        "column": 5,
        "field": "actions[2].sned",
        "message": json.loads(result.stdout)["message"],
        "severity": "error",
        "suggestion": "send",
    }


def test_a_trigger_that_cannot_be_read_is_told_once() -> None:
    [problem] = told(f'id: thanks\ntrigger: {{schedule: {{cron: "@daily"}}}}\n{ACTIONS}')
    assert "trigger.schedule.cron: expected a cron expression" in problem
