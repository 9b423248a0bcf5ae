"""What the tests of a campaign reach, of every kind of action that can go more than one way."""

from decimal import Decimal
from pathlib import Path

import pytest

from streams.check_campaigns import CampaignTests
from streams.cover_campaigns import percent

TEMPLATES = "templates: [{id: hello, text: Hello}]"
HEAD = "id: hello\ntrigger: {event: registration_completed}\nactions:\n"
IF = "  - {if: {member.city: Omsk}, then: [{exit: a}], else: [{exit: b}]}\n"
BARE_IF = "  - {if: {member.city: Omsk}, then: [{exit: a}]}\n"
SPLIT = "  - split: [{percent: 100, actions: [{exit: a}]}]\n"
PART = "  - split: [{percent: 0, actions: [{exit: a}]}, {percent: 0, actions: []}]\n"
SELECT = "  - select: {segment: few}\n"
WAIT = "  - wait: {for: {event: purchase_completed}, timeout: P1D}\n"
ENDLESS = "  - wait: {for: {event: purchase_completed}}\n"
CASCADE = """\
  - send:
      cascade:
        - {channel: sms, template: hello, wait: PT1H, until: delivered}
        - {channel: sms, template: hello}
"""
REGISTERED = "type: registration_completed, occurred_at: 2026-03-02T12:00:00Z, member_id:"
EVENTS = {
    "registered": f"{{{REGISTERED} m1, phone: '+79161234567'}}",
    "of Omsk": f"{{{REGISTERED} m1, city: Omsk}}",
    "of few": f"{{{REGISTERED} few-1}}",
    "bought": "{type: purchase_completed, occurred_at: 2026-03-02T13:00:00Z, member_id: m1, total: 1}",
    "delivered": (
        "{type: message_delivered, occurred_at: 2026-03-02T12:30:00Z, member_id: m1, dispatch_of: 'actions[0]'}"
    ),
}


@pytest.mark.parametrize(
    ("actions", "given", "reached", "missed"),
    [
        (IF, ["registered"], {"actions[0]", "actions[0].else[0]", "actions[0].else"}, 2),
        (IF, ["of Omsk"], {"actions[0]", "actions[0].then[0]", "actions[0].then"}, 2),
        (BARE_IF, ["registered"], {"actions[0]", "actions[0].else"}, 2),
        (SPLIT, ["registered"], {"actions[0]", "actions[0].split[0].actions[0]", "actions[0].split[0]"}, 0),
        (PART, ["registered"], {"actions[0]", "actions[0].split[none]"}, 2),
        (SELECT, ["registered"], {"actions[0]", "actions[0].other"}, 1),
        (SELECT, ["of few"], {"actions[0]", "actions[0].member"}, 1),
        (WAIT, ["registered"], {"actions[0]", "actions[0].timed_out"}, 1),
        (WAIT, ["registered", "bought"], {"actions[0]", "actions[0].answered"}, 1),
        (ENDLESS, ["registered", "bought"], {"actions[0]", "actions[0].answered"}, 0),
        (CASCADE, ["registered"], {"actions[0]", "actions[0].cascade[0]", "actions[0].cascade[1]"}, 0),
        (CASCADE, ["registered", "delivered"], {"actions[0]", "actions[0].cascade[0]"}, 1),
    ],
)
def test_what_is_reached_is_noted(
    tmp_path: Path, actions: str, given: list[str], reached: set[str], missed: int
) -> None:
    for folder in ("templates", "segments"):
        (tmp_path / folder).mkdir()
    (tmp_path / "templates" / "all.yaml").write_text(TEMPLATES)
    (tmp_path / "segments" / "few.yaml").write_text("{id: few, members: [few-1]}")
    (tmp_path / "hello.yaml").write_text(HEAD + actions)
    events = ", ".join(EVENTS[name] for name in given)
    (tmp_path / "hello_test.yaml").write_text(
        f"- {{name: a, given: [{events}], until: 2026-03-09T00:00:00Z, awards: []}}"
    )
    tests = CampaignTests(tmp_path)
    assert [list(outcome.complaints) for outcome in tests.run()] == [[]]
    (coverage,) = tests.coverage()
    assert coverage.reached == reached
    assert len(coverage.missed) == missed
    assert percent([coverage]) == Decimal(1000 * len(reached) // (len(reached) + missed)) / 10
