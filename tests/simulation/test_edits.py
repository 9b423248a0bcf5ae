"""What becomes of running journeys at the places that a new programme changes (contract §4.7)."""

import pytest

from tests.simulation.support import Live, bought, event
from tests.simulation.test_versions import COUNT, KNOWN, TRIGGER, TWO, V1, V2, counters, running, visited

# Moved: the message that is put off, the branch, the pause ------------------------------------------------------------

QUIET = {"policies.yaml": 'quiet_hours: {from: "21:00", to: "09:00"}'}
CASCADE = "send: {cascade: [{channel: viber, template: a, wait: PT1H, until: delivered}, {channel: sms, template: b}]}"
MOVED = "version: 2\nin_flight: move\n"


def put_off(actions: str) -> Live:
    """A member with a message of version 1 that quiet hours put off since 2 January, 23:00 in Moscow."""
    live = Live()
    live.apply("2018-01-01T00:00:00Z", QUIET, c=TRIGGER + f"actions: [{actions}]")
    live.handle(KNOWN, visited("2018-01-02T20:00:00Z"))
    return live


@pytest.mark.parametrize("actions", ["", "{wait: P1D}, {send: {channel: sms, template: b}}"])
def test_a_message_that_is_put_off_and_stands_there_no_more_is_not_sent(actions):
    live = put_off("{send: {channel: sms, template: a}}")
    live.apply("2018-01-02T21:00:00Z", QUIET, c=TRIGGER + MOVED + f"actions: [{actions}]")
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened()[1:] == ["2018-01-02T21:00:00Z ended campaign_stopped"]


def test_a_step_of_a_cascade_that_is_there_no_more_ends_it_with_a_reason():
    live = Live()
    first = CASCADE.replace("viber", "push")  # the member has no app: it falls to the second step, which is put off
    live.apply("2018-01-01T00:00:00Z", QUIET, c=TRIGGER + f"actions: [{{{first}}}]")
    live.handle(KNOWN, visited("2018-01-02T20:00:00Z"))
    live.apply("2018-01-02T21:00:00Z", QUIET, c=TRIGGER + MOVED + "actions: [{send: {channel: push, template: a}}]")
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened() == [
        "2018-01-02T20:00:00Z suppressed no_address",
        "2018-01-02T20:00:00Z deferred quiet_hours",
        "2018-01-02T21:00:00Z ended campaign_stopped",
    ]


def test_a_cascade_that_waits_for_a_status_goes_on_in_the_new_version():
    live = running(c=TRIGGER + f"actions: [{{{CASCADE}}}]")
    live.apply(
        "2018-01-02T12:30:00Z", c=TRIGGER + MOVED + f"actions: [{{{CASCADE.replace('template: b', 'template: c')}}}]"
    )
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened() == [
        "2018-01-02T12:00:00Z dispatch A",
        "2018-01-02T13:00:00Z dispatch C",
        "2018-01-02T13:00:00Z ended completed",
    ]


def test_moved_inside_a_branch_it_goes_on_by_the_new_versions_way():
    branch = "actions: [{if: {segment: everyone}, then: [{wait: P1D}, %s]}, {send: {channel: sms, template: c}}]"
    live = running(c=TRIGGER + branch % "{send: {channel: sms, template: a}}")
    live.apply("2018-01-02T18:00:00Z", c=TRIGGER + MOVED + branch % "{send: {channel: sms, template: b}}")
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened()[:2] == ["2018-01-03T12:00:00Z dispatch B", "2018-01-03T12:00:00Z dispatch C"]


def test_moved_to_a_wait_for_an_event_it_waits_for_what_comes_from_then_on():
    live = running()
    live.handle(bought("m", "2018-01-02T13:00:00Z"))
    waits = "actions: [{wait: {for: {event: purchase_completed}, timeout: P5D}}, {send: {channel: sms, template: b}}]"
    live.apply("2018-01-02T18:00:00Z", c=TRIGGER + MOVED + waits)
    live.handle(bought("m", "2018-01-06T13:00:00Z"))
    assert live.happened()[0] == "2018-01-06T13:00:00Z dispatch B"
    late = running()
    late.apply("2018-01-02T18:00:00Z", c=TRIGGER + MOVED + waits)
    late.tick("2018-01-10T00:00:00Z")
    assert late.happened()[0] == "2018-01-07T12:00:00Z dispatch B"


def test_moved_while_paused_it_waits_until_it_is_live_again():
    live = running(c=TWO)
    moved = TWO.replace("template: a", "template: c") + MOVED
    live.apply("2018-01-02T18:00:00Z", c=TWO + "status: paused")
    live.tick("2018-01-05T00:00:00Z")
    live.apply("2018-01-05T00:00:00Z", c=moved + "status: paused")
    live.tick("2018-01-06T00:00:00Z")
    assert live.happened() == []
    live.apply("2018-01-06T00:00:00Z", c=moved)
    assert live.happened() == ["2018-01-06T00:00:00Z dispatch C"]


def test_moved_twice_and_back_it_is_still_one_journey():
    live = running()
    live.apply("2018-01-02T18:00:00Z", c=V2 + "\nin_flight: move")
    live.apply("2018-01-02T19:00:00Z", c=V1 + "\nin_flight: move")
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened() == ["2018-01-03T12:00:00Z dispatch A", "2018-01-03T12:00:00Z ended completed"]
    assert live.lines[0]["version"] == 1


def test_a_decision_to_move_may_come_later_for_a_version_that_is_in_force_already():
    live = running()
    live.apply("2018-01-02T18:00:00Z", c=V2)
    live.apply("2018-01-02T19:00:00Z", c=V2 + "\nin_flight: move")
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened()[0] == "2018-01-03T12:00:00Z dispatch B"


def test_moved_the_new_versions_cancel_events_cancel():
    live = running()
    live.apply("2018-01-02T18:00:00Z", c=V2 + "\nin_flight: move\ncancel_on: [{event: purchase_completed}]")
    live.handle(bought("m", "2018-01-03T00:00:00Z"))
    assert live.happened() == ["2018-01-03T00:00:00Z cancelled cancelled"]


def test_moved_to_a_version_that_newly_names_the_receipts_lines_it_lacks_them():
    """They aren't kept when nothing names them; `lint --against` says so beforehand."""
    bought_first = "trigger: {event: purchase_completed}\n"
    names_them = {"templates/lines.yaml": "templates: [{id: lines, text: '{{ event.lines[0].name }}'}]"}
    live = Live()
    live.apply("2018-01-01T00:00:00Z", c=bought_first + V1.removeprefix(TRIGGER))
    live.handle(KNOWN, bought("m", "2018-01-02T12:00:00Z", lines=[{"sku": "1", "name": "Tea"}]))
    second = bought_first + V2.removeprefix(TRIGGER).replace("template: b", "template: lines")
    live.apply("2018-01-02T18:00:00Z", names_them, c=second + "\nin_flight: move")
    live.handle(bought("m", "2018-01-04T12:00:00Z", lines=[{"sku": "2", "name": "Coffee"}]))
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened() == [
        "2018-01-03T12:00:00Z suppressed template_error",
        "2018-01-03T12:00:00Z ended completed",
        "2018-01-05T12:00:00Z dispatch Coffee",
        "2018-01-05T12:00:00Z ended completed",
    ]


# What isn't versioned: it changes for all -----------------------------------------------------------------------------

VIP = {"segments/vip.yaml": "id: vip\nwhere: {member.purchases.count: {ge: 1}}"}
SELECT = TRIGGER + "actions: [{wait: P1D}, {select: {segment: vip}}, {send: {channel: sms, template: a}}]"


def selecting(**definitions: str) -> Live:
    live = Live()
    live.apply("2018-01-01T00:00:00Z", VIP, c=SELECT)
    live.handle(KNOWN, visited("2018-01-02T12:00:00Z"), bought("m", "2018-01-02T13:00:00Z"))
    return live


def test_a_segment_that_changed_has_changed_for_running_journeys_too():
    live = selecting()
    stricter = {"segments/vip.yaml": VIP["segments/vip.yaml"].replace("ge: 1", "ge: 2")}
    live.apply("2018-01-02T18:00:00Z", stricter, c=SELECT)
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened() == ["2018-01-03T12:00:00Z ended exited"]


def test_a_segment_that_is_gone_is_still_there_for_the_journeys_that_ask_for_it():
    live = selecting()
    live.apply("2018-01-02T18:00:00Z", c=V2)
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened()[0] == "2018-01-03T12:00:00Z dispatch A"


def test_a_segment_that_changed_is_entered_and_left_by_what_happens_not_by_the_change():
    entered = "trigger: {segment_entered: vip}\nactions: [{send: {channel: sms, template: a}}]"
    live = Live()
    none_yet = {"segments/vip.yaml": VIP["segments/vip.yaml"].replace("ge: 1", "ge: 3")}
    live.apply("2018-01-01T00:00:00Z", none_yet, c=entered)
    live.handle(KNOWN, bought("m", "2018-01-02T13:00:00Z"))
    live.apply("2018-01-03T00:00:00Z", VIP, c=entered)
    live.handle(bought("m", "2018-01-04T13:00:00Z"))
    assert live.happened() == []


def test_a_template_that_changed_has_changed_for_running_journeys_too():
    extra = {"templates/extra.yaml": "templates: [{id: extra, text: First}]"}
    live = Live()
    live.apply("2018-01-01T00:00:00Z", extra, c=V1.replace("template: a", "template: extra"))
    live.handle(KNOWN, visited("2018-01-02T12:00:00Z"))
    second = {"templates/extra.yaml": extra["templates/extra.yaml"].replace("First", "Second")}
    live.apply("2018-01-02T18:00:00Z", second, c=V1.replace("template: a", "template: extra"))
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened()[0] == "2018-01-03T12:00:00Z dispatch Second"


def test_a_counter_that_is_gone_is_missing_for_the_journeys_that_ask_for_it():
    asks = TRIGGER + "actions: [{wait: P1D}, {if: {counter.x: {exists: true}}, then: [%s], else: [%s]}]"
    asks %= ("{send: {channel: sms, template: a}}", "{send: {channel: sms, template: b}}")
    live = Live()
    live.apply("2018-01-01T00:00:00Z", counters(COUNT), c=asks)
    live.handle(KNOWN, visited("2018-01-02T12:00:00Z"))
    live.apply("2018-01-02T18:00:00Z", c=V2)
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened()[0] == "2018-01-03T12:00:00Z dispatch B"


def test_a_journey_that_is_kept_is_still_cancelled_by_a_segment_that_the_new_version_does_not_look_at():
    cancelled = TRIGGER + "cancel_on: [{event: segment_left, where: {segment: vip}}]\nactions: [{wait: P9D}]"
    live = Live()
    live.apply("2018-01-01T00:00:00Z", {"segments/vip.yaml": "id: vip"}, c=cancelled)
    live.handle(KNOWN, event("m", "segment_assigned", "2018-01-02T00:00:00Z", segment="vip"))
    live.handle(visited("2018-01-02T12:00:00Z"))
    live.apply("2018-01-02T18:00:00Z", {"segments/vip.yaml": "id: vip"}, c=V2)
    live.handle(event("m", "segment_removed", "2018-01-03T12:00:00Z", segment="vip"))
    assert live.happened() == ["2018-01-03T12:00:00Z cancelled cancelled"]


@pytest.mark.parametrize(
    "files",
    [
        {"counters.yaml": "counters: {x: {event: segment_entered, aggregate: count}}"},
        {"segments/was.yaml": "id: was\nwhere: {days_since.segment_entered: {ge: 0}}"},
    ],
)
def test_segments_are_entered_also_when_only_a_counter_or_a_condition_looks_at_it(files):
    asks = "{counter.x: 1}" if "counters.yaml" in files else "{segment: was}"
    campaign = f"trigger: {{event: site_visited}}\naudience: {asks}\nactions: [{{send: {{channel: sms, template: a}}}}]"
    live = Live()
    live.apply("2018-01-01T00:00:00Z", {"segments/vip.yaml": "id: vip", **files}, c=campaign)
    live.handle(KNOWN, event("m", "segment_assigned", "2018-01-02T00:00:00Z", segment="vip"))
    live.handle(visited("2018-01-03T12:00:00Z"))
    assert live.happened()[0] == "2018-01-03T12:00:00Z dispatch A"
