"""Entry rules, in their order (contract §4.6)."""

import hashlib

import pytest

from tests.simulation.support import bought, decided, directory, event, happened, registered, run, sent

END = "2018-03-01T00:00:00Z"
SEND = "actions: [{send: {channel: sms, template: a}}]"


def entries(rules: str, days: list[str], *, actions: str = SEND, **options: str) -> list[str]:
    programme = directory(c=f"trigger: {{event: purchase_completed}}\n{rules}\n{actions}")
    events = [registered("m", "2018-01-01T00:00:00Z"), *(bought("m", day) for day in days)]
    return happened(programme, events, END, **options)


def refusals(*args: str, **options: str) -> list[tuple[str, str]]:
    return [(line.split()[0], line.split()[2]) for line in entries(*args, **options) if "refused" in line]


@pytest.mark.parametrize("status", ["draft", "paused", "stopped"])
def test_only_a_live_campaign_is_entered(status):
    assert entries(f"status: {status}", ["2018-01-02T12:00:00Z"]) == ["2018-01-02T12:00:00Z refused inactive"]


def test_active_bounds_entries_from_inside_until_outside():
    rules = 'active: {from: "2018-01-02T00:00:00Z", until: "2018-01-03T00:00:00Z"}'
    days = ["2018-01-01T23:59:59Z", "2018-01-02T00:00:00Z", "2018-01-02T23:59:59Z", "2018-01-03T00:00:00Z"]
    assert refusals(rules, days) == [("2018-01-01T23:59:59Z", "inactive"), ("2018-01-03T00:00:00Z", "inactive")]


def test_active_bounds_entries_and_not_what_runs():
    rules = 'active: {until: "2018-01-03T00:00:00Z"}'
    actions = "actions: [{wait: P5D}, {send: {channel: sms, template: a}}]"
    assert "2018-01-07T12:00:00Z dispatch A" in entries(rules, ["2018-01-02T12:00:00Z"], actions=actions)


def test_the_audience_is_checked_with_the_event_at_hand():
    rules = "audience: {total: {ge: 100}, member.purchases.count: {ge: 2}}"
    assert refusals(rules, ["2018-01-02T12:00:00Z", "2018-01-03T12:00:00Z"]) == [
        ("2018-01-02T12:00:00Z", "not_in_audience")
    ]


def test_again_never():
    assert refusals("entry: {again: never}", ["2018-01-02T12:00:00Z", "2018-02-03T12:00:00Z"]) == [
        ("2018-02-03T12:00:00Z", "entered_before")
    ]


def test_again_after_a_duration_is_allowed_once_exactly_that_much_has_passed_since_the_last_entry():
    days = ["2018-01-02T12:00:00Z", "2018-01-09T11:59:59Z", "2018-01-09T12:00:00Z", "2018-01-16T11:00:00Z"]
    assert refusals("entry: {again: P7D}", days) == [
        ("2018-01-09T11:59:59Z", "entered_before"),
        ("2018-01-16T11:00:00Z", "entered_before"),
    ]


def test_again_in_calendar_months():
    days = ["2018-01-31T12:00:00Z", "2018-02-28T11:59:59Z", "2018-02-28T12:00:00Z"]
    assert refusals("entry: {again: P1M}", days) == [("2018-02-28T11:59:59Z", "entered_before")]


WAITING = "actions: [{wait: P5D}, {send: {channel: sms, template: a}}]"


def test_while_running_ignore_is_the_default():
    assert entries("", ["2018-01-02T12:00:00Z", "2018-01-03T12:00:00Z", "2018-01-07T12:00:01Z"], actions=WAITING) == [
        "2018-01-03T12:00:00Z refused already_running",
        "2018-01-07T12:00:00Z dispatch A",
        "2018-01-07T12:00:00Z ended completed",
        "2018-01-12T12:00:01Z dispatch A",
        "2018-01-12T12:00:01Z ended completed",
    ]


def test_while_running_restart_supersedes_the_running_journey():
    rules = "entry: {while_running: restart}"
    assert entries(rules, ["2018-01-02T12:00:00Z", "2018-01-03T12:00:00Z"], actions=WAITING) == [
        "2018-01-03T12:00:00Z superseded superseded",
        "2018-01-08T12:00:00Z dispatch A",
        "2018-01-08T12:00:00Z ended completed",
    ]


def test_while_running_parallel():
    rules = "entry: {while_running: parallel}"
    lines = entries(rules, ["2018-01-02T12:00:00Z", "2018-01-03T12:00:00Z"], actions=WAITING)
    assert [line for line in lines if "dispatch" in line] == [
        "2018-01-07T12:00:00Z dispatch A",
        "2018-01-08T12:00:00Z dispatch A",
    ]


def test_a_cancel_event_that_is_also_a_trigger_cancels_first_then_starts_afresh():
    rules = "cancel_on: [{event: purchase_completed}]"
    assert entries(rules, ["2018-01-02T12:00:00Z", "2018-01-03T12:00:00Z"], actions=WAITING) == [
        "2018-01-03T12:00:00Z cancelled cancelled",
        "2018-01-08T12:00:00Z dispatch A",
        "2018-01-08T12:00:00Z ended completed",
    ]


def share(text: str) -> float:
    """The stable hash as the fine print has it, written without the engine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") * 100 / 2**64


MEMBERS = [f"m{number}" for number in range(60)]


@pytest.mark.parametrize("percent", [0, 30, 62.5, 100])
def test_the_holdout_is_a_stable_hash_of_campaign_and_member(percent):
    programme = directory(c=f"trigger: {{event: registration_completed}}\nholdout: {percent}\n{SEND}")
    lines = run(programme, [registered(member, "2018-01-01T00:00:00Z") for member in MEMBERS], END)
    assert {line["member_id"] for line in lines} == {member for member in MEMBERS if share(f"c/{member}") >= percent}


def test_the_global_holdout_is_a_stable_hash_of_its_own():
    programme = directory(
        {"policies.yaml": "global_holdout: 40"}, c=f"trigger: {{event: registration_completed}}\nholdout: 20\n{SEND}"
    )
    lines = run(programme, [registered(member, "2018-01-01T00:00:00Z") for member in MEMBERS], END)
    assert {line["member_id"] for line in lines} == {
        member for member in MEMBERS if share(f"global/{member}") >= 40 and share(f"c/{member}") >= 20
    }


def test_who_is_held_out_counts_as_entered():
    lines = entries("holdout: 100\nentry: {again: never}", ["2018-01-02T12:00:00Z", "2018-01-03T12:00:00Z"])
    assert lines == ["2018-01-02T12:00:00Z refused holdout", "2018-01-03T12:00:00Z refused entered_before"]


def test_the_order_of_the_checks():
    everything = "status: {status}\naudience: {{total: {total}}}\nholdout: 100\nentry: {{again: {again}}}"
    days = ["2018-01-02T12:00:00Z", "2018-01-03T12:00:00Z"]

    def second(status: str, total: int, again: str) -> str:
        return refusals(everything.format(status=status, total=total, again=again), days)[1][1]

    assert second("draft", 1, "never") == "inactive"
    assert second("live", 1, "never") == "not_in_audience"
    assert second("live", 100, "never") == "entered_before"
    assert second("live", 100, "always") == "holdout"


def test_a_split_takes_its_branches_in_order_by_a_stable_hash_of_campaign_path_and_member():
    programme = directory(
        c="""
        trigger: {event: registration_completed}
        actions:
          - send: {channel: sms, template: hello}
          - split:
              - {percent: 20, actions: [{send: {channel: sms, template: a}}]}
              - {percent: 30, actions: [{send: {channel: sms, template: b}}]}
              - {percent: 50, actions: []}
          - send: {channel: sms, template: c}
        """
    )
    lines = run(programme, [registered(member, "2018-01-01T00:00:00Z") for member in MEMBERS], END)
    for member in MEMBERS:
        where = share(f"c/actions[1]/{member}")
        branch = ["A"] if where < 20 else ["B"] if where < 50 else []
        texts = [line["content"]["text"] for line in lines if line["member_id"] == member]
        assert texts == ["Hello", *branch, "C"]
    paths = {line["action"] for line in lines if line["content"]["text"] == "B"}
    assert paths == {"actions[1].split[1].actions[0]"}


def test_whom_no_branch_of_a_split_takes_goes_on():
    programme = directory(
        c="""
        trigger: {event: registration_completed}
        actions: [{split: [{percent: 0, actions: [{exit: never}]}]}, {send: {channel: sms, template: a}}]
        """
    )
    assert len(sent(programme, [registered("m", "2018-01-01T00:00:00Z")], END)) == 1


def test_a_segment_of_everyone_always_exists():
    programme = directory(c=f"trigger: {{event: site_visited}}\naudience: {{segment: everyone}}\n{SEND}")
    events = [registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", "2018-01-02T00:00:00Z")]
    assert len(sent(programme, events, END)) == 1
    assert ("2018-01-02T00:00:00Z", "ended", "completed") in decided(programme, events, END)
