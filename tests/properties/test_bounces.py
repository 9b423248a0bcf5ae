"""Addresses that fail, change, are bound anew and merge: what gets through is what the naive model says."""

from collections import Counter
from datetime import timedelta

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.properties.drawn_events import START, iso
from tests.properties.test_against_model import EXAMPLES, IN_CI, SEED, compare, quick, reached

CHANNELS = ["sms", "viber", "email", "push"]
PROGRAMME = {
    "policies": {"quiet_hours": {"from": "03:00", "to": "03:01"}},
    "counters": {},
    "segments": {},
    "templates": {"plain": {"text": "Hello", "subject": "Subject", "title": "Title"}},
    "campaigns": [
        {
            "id": "c",
            "trigger": [{"event": "site_visited"}],
            "actions": [{"send": {"channel": channel, "template": "plain"}} for channel in CHANNELS],
        }
    ],
}
PHONES, EMAILS = ["+79001112233", "+79004445566", "letters"], ["a@example.com", "b@example.com"]
BODIES = {
    "site_visited": st.just({}),
    "profile_updated": st.fixed_dictionaries(
        {}, optional={"phone": st.sampled_from(PHONES), "email": st.sampled_from(EMAILS)}
    ),
    "phone_bound": st.fixed_dictionaries({"phone": st.sampled_from(PHONES)}),
    "email_bound": st.fixed_dictionaries({"email": st.sampled_from(EMAILS)}),
    "app_installed": st.fixed_dictionaries({"push_token": st.sampled_from(["s", "t"])}),
    "members_merged": st.just({"from_id": "n", "into_id": "m"}),
    "message_failed": st.fixed_dictionaries(
        {
            "dispatch_id": st.just("d"),
            "channel": st.sampled_from(CHANNELS),
            "reason": st.sampled_from(["address_rejected", "address_rejected", "invalid_address", "unavailable"]),
        }
    ),
}
KINDS = ["site_visited", "message_failed", *(kind for kind in BODIES if kind != "members_merged")]


def line(event_id: str, kind: str, member: str, hour: int) -> dict[str, str]:
    """An event so many hours after the start."""
    at = iso(START + timedelta(hours=hour))
    return {"event_id": event_id, "type": kind, "member_id": member, "occurred_at": at, "source": "test"}


@st.composite
def histories(draw):
    found = [
        line("rm", "registration_completed", "m", -24) | {"phone": PHONES[0], "email": EMAILS[0]},
        line("rn", "registration_completed", "n", -24) | {"phone": PHONES[1], "email": EMAILS[0]},
    ]
    hours = draw(st.lists(st.integers(0, 24 * 6), min_size=4, max_size=16))
    for number, hour in enumerate(hours if draw(st.integers(0, 3)) == 0 else sorted(hours)):
        kind = draw(st.sampled_from(KINDS)) if draw(st.integers(0, 14)) else "members_merged"
        member = "m" if kind == "members_merged" else draw(st.sampled_from(["m", "m", "n"]))
        found.append(line(f"e{number}", kind, member, hour) | draw(BODIES[kind]))
    return found


def test_what_is_dead_is_what_the_model_holds_for_dead():
    shown: Counter[str] = Counter()

    @settings(quick, max_examples=EXAMPLES)
    @given(histories())
    def compare_one(history):
        shown.update(reached(compare([PROGRAMME], history)))

    (seed(SEED)(compare_one) if IN_CI else compare_one)()
    assert shown["suppressed no_address"] > EXAMPLES // 10, shown
    assert shown["dispatch"] > EXAMPLES // 2, shown
