"""Every kind of action and trigger: its example parses, its shape is read, its mistakes name their place."""

from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from streams.engine.actions import Action
from streams.engine.actions.send import Send
from streams.engine.actions.split import Split
from streams.engine.actions.wait import Wait
from streams.engine.campaign import Campaign, Counter, Policies, Poll, Segment, SlidingWindow
from streams.engine.definition import Definition, Kind
from streams.engine.matching import EventMatch
from streams.engine.plans import CampaignPlan
from streams.engine.templates import Template
from streams.engine.triggers import Trigger
from streams.engine.triggers.date import DateTrigger
from streams.engine.triggers.event import EventTrigger
from streams.engine.values import Duration
from streams.programme.yaml_text import read_yaml

DAY = 86_400_000
KINDS = [*Action.kinds().values(), *Trigger.kinds().values()]


def data(text: str) -> Any:
    document = read_yaml(text, "x.yaml")
    assert document.problems == []
    return document.data


def problems(model: type[Definition], text: str) -> dict[tuple[Any, ...], str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data(text))
    return {detail["loc"]: detail["msg"] for detail in caught.value.errors()}


def test_the_language_has_the_kinds_of_the_contract() -> None:
    assert set(Action.kinds()) == {
        *("wait", "send", "award", "if", "split", "select", "set", "add_to", "remove_from", "webhook", "poll", "exit")
    }
    assert set(Trigger.kinds()) == {
        *("event", "date", "cart_abandoned", "segment_entered", "segment_left", "bonus", "schedule", "now")
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_example_of_each_kind_parses_as_that_kind(kind: type[Kind]) -> None:
    family = Action if issubclass(kind, Action) else Trigger
    assert type(family.model_validate(data(kind.example))) is kind
    assert kind.__doc__


@pytest.mark.parametrize("model", [Campaign, Policies, Segment, Poll, Template], ids=lambda model: model.__name__)
def test_the_example_of_each_file_parses(model: Any) -> None:
    assert model.model_validate(data(model.example))


def test_definitions_do_not_change() -> None:
    wait = Wait(duration=Duration(ms=DAY))
    with pytest.raises(ValidationError):
        wait.duration = Duration()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wait: P14D", Wait(duration=Duration(ms=14 * DAY))),
        ("wait: {until: 10:00}", Wait(until=time(10))),
        (
            "wait: {for: {event: e, of: mail}, timeout: P3D, on_timeout: [{wait: P1D}]}",
            Wait(for_={"event": "e", "of": "mail"}, timeout="P3D", on_timeout=({"wait": "P1D"},)),
        ),
    ],
)
def test_wait_is_read_in_its_three_shapes(text: str, expected: Wait) -> None:
    assert Action.model_validate(data(text)) == expected


def test_a_single_message_is_a_cascade_of_one() -> None:
    (step,) = Send(channel="sms", template="t", network="vk").steps
    assert (step.channel, step.template, step.network, step.wait) == ("sms", "t", "vk", None)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sned: {}", ("sned",)),
        ("wait: 14D", ("wait",)),
        ("wait: {}", ("wait", "for")),
        ("wait: {duration: P1D}", ("wait", "duration")),
        ("wait: {until: 10:00, for: {event: e}}", ("wait", "for")),
        ("wait: {until: 10:00, timeout: P1D}", ("wait", "timeout")),
        ("wait: {for: {event: e}, on_timeout: [{wait: P1D}]}", ("wait", "on_timeout")),
        ("wait: {for: {event: e, where: {a: {gte: 1}}}}", ("wait", "for", "where", "a", "gte")),
        ("{wait: P1D, send: {}}", ("send",)),
        ("send: {channel: sms}", ("send", "template")),
        ("send: {chanel: sms, template: t, channel: sms}", ("send", "chanel")),
        ("send: {cascade: [{channel: sms, template: t}], channel: sms}", ("send", "channel")),
        ("send: {cascade: [{channel: a, template: t}, {channel: b, template: t}]}", ("send", "cascade", 0)),
        ("send: {cascade: [{channel: a, template: t, wait: PT1M}]}", ("send", "cascade", 0, "wait")),
        ("send: sms", ("send",)),
        ("award: {amount: 0}", ("award", "amount")),
        ("award: {amount: '5'}", ("award", "amount")),
        ("award: {amount: 5, limit: {count: 0, per: P1D}}", ("award", "limit", "count")),
        ("award: {amount: 5, lifetime: -P1D}", ("award", "lifetime")),
        ("split: [{percent: 60}, {percent: 40.1}]", ("split",)),
        ("split: [{percent: 101}]", ("split", 0, "percent")),
        ("split: []", ("split",)),
        ("{if: {a: 1}}", ("then",)),
        ("{if: {a: 1}, then: [{wiat: P1D}]}", ("then", 0, "wiat")),
        ("{if: {a: 1}, then: [], esle: []}", ("esle",)),
        ("set: {a: [1]}", ("set", "a")),
        ("set: {}", ("set",)),
        ("add_to: 5", ("add_to",)),
        ("select: vip", ("select",)),
        ("exit:", ("exit",)),
        ("webhook: {url: ftp://x}", ("webhook", "url")),
        ("[]", ()),
        ("{}", ()),
    ],
)
def test_a_wrong_action_names_the_place_of_its_mistake(text: str, path: tuple[Any, ...]) -> None:
    assert list(problems(Action, text)) == [path]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("evnt: purchase_completed", ("evnt",)),
        ("{event: e, were: {}}", ("were",)),
        ("{date: birth_date}", ("at",)),
        ("{date: birth_date, at: 25:00}", ("at",)),
        ("bonus: {}", ("bonus", "expires_in")),
        ("bonus: {activates_in: P1D, expires_in: P1D}", ("bonus", "expires_in")),
        ("cart_abandoned: {after: P0D}", ("cart_abandoned", "after")),
        ("cart_abandoned: PT1H", ("cart_abandoned",)),
        ("schedule: {}", ("schedule", "at")),
        ("schedule: {cron: 0 10 * *}", ("schedule", "cron")),
        ("schedule: {cron: 61 10 * * *}", ("schedule", "cron")),
        ("schedule: {at: '2026-12-01T10:00Z'}", ("schedule", "at")),
        ("schedule: {at: '2026-12-01T10:00', zone: Mars/Base}", ("schedule", "zone")),
        ("now: false", ("now",)),
        ("segment_entered: {id: x}", ("segment_entered",)),
    ],
)
def test_a_wrong_trigger_names_the_place_of_its_mistake(text: str, path: tuple[Any, ...]) -> None:
    assert list(problems(Trigger, text)) == [path]


def test_an_offset_may_point_backwards() -> None:
    trigger = Trigger.model_validate(data("{date: birth_date, at: 10:00, offset: -P3D}"))
    assert isinstance(trigger, DateTrigger)
    assert trigger.offset == Duration(ms=-3 * DAY)


def test_segment_in_a_where_is_the_field_of_events_that_have_one() -> None:
    own = EventMatch.model_validate({"event": "segment_left", "where": {"segment": "vip"}})
    other = EventTrigger.model_validate({"event": "purchase_completed", "where": {"segment": "vip"}})
    assert own.where is not None
    assert other.where is not None
    assert own.where.names() == {"segment"}
    assert other.where.names() == {"segment:vip"}


def campaign(**fields: Any) -> Campaign:
    return Campaign.model_validate(
        {"id": "c", "trigger": {"event": "e"}, "actions": [], **fields}, context={"zone": "Europe/Moscow"}
    )


def test_a_campaign_has_the_defaults_of_the_contract() -> None:
    made = campaign()
    assert (made.version, made.status, made.priority, made.holdout, made.in_flight) == (1, "live", 0, 0, "keep")
    assert (made.entry.again, made.entry.while_running, made.goal, made.cancel_on) == ("always", "ignore", None, ())


def test_one_trigger_may_stand_without_a_list() -> None:
    assert campaign().triggers == campaign(trigger=[{"event": "e"}]).triggers


def test_active_bounds_entries_from_inside_until_outside() -> None:
    bounded = campaign(active={"from": "2026-03-01", "until": "2026-03-31T12:00"})
    start, end = 1772312400000, 1774947600000
    assert bounded.active is not None
    assert (bounded.active.from_, bounded.active.until) == (start, end)
    assert [CampaignPlan(bounded).admits(at) for at in (start - 1, start, end - 1, end)] == [False, True, True, False]
    assert not CampaignPlan(campaign(status="paused")).admits(0)


def test_entry_again_after_a_duration() -> None:
    assert campaign(entry={"again": "P30D"}).entry.again == Duration(ms=30 * DAY)
    with pytest.raises(ValidationError, match="`always`, `never` or a duration"):
        campaign(entry={"again": "sometimes"})


def test_a_journey_keeps_plain_fields_and_the_lists_that_are_named() -> None:
    made = campaign()
    body = {"total": 5, "lines": [1], "tags": [2]}
    assert CampaignPlan(made).remembered(body) == body
    made.keep_records(frozenset({"lines"}))
    assert CampaignPlan(made).remembered(body) == {"total": 5, "lines": [1]}


def test_policies_have_the_defaults_of_the_contract() -> None:
    policies = Policies()
    assert policies.quiet_hours is None
    assert policies.frequency_caps == ()
    assert policies.messaging_types["marketing"].consent == "opt_out"
    service = policies.messaging_types["service"]
    assert (service.consent, service.quiet_hours, service.caps) == ("none", "exempt", "exempt")


def test_what_is_stated_of_a_messaging_type_goes_over_its_defaults() -> None:
    policies = Policies.model_validate(
        {"messaging_types": {"service": {"caps": "apply"}, "news": {"consent": "opt_in"}}}
    )
    assert policies.messaging_types["service"].consent == "none"
    assert policies.messaging_types["service"].caps == "apply"
    assert policies.messaging_types["news"].consent == "opt_in"
    assert policies.messaging_types["marketing"].consent == "opt_out"


@pytest.mark.parametrize(
    ("start", "end", "inside", "outside"),
    [
        ("21:00", "09:00", ["21:00", "23:59", "08:59"], ["09:00", "20:59"]),
        ("13:00", "14:00", ["13:00"], ["14:00", "12:59"]),
    ],
)
def test_quiet_hours_begin_inside_and_end_outside(start: str, end: str, inside: list[str], outside: list[str]) -> None:
    hours = Policies.model_validate({"quiet_hours": {"from": start, "to": end}}).quiet_hours
    assert hours is not None
    assert hours.then == "defer"
    assert all(hours.cover(time.fromisoformat(at)) for at in inside)
    assert not any(hours.cover(time.fromisoformat(at)) for at in outside)


@pytest.mark.parametrize(
    ("window", "step", "buckets", "step_ms"),
    [
        ("P30D", "P1D", 30, DAY),
        ("P30D", None, 30, DAY),
        ("P1D", "PT7H", 4, 7 * DAY // 24),
        ("PT2H", None, 2, DAY // 24),
    ],
)
def test_a_sliding_window_covers_so_many_buckets(window: str, step: str | None, buckets: int, step_ms: int) -> None:
    counter = Counter.model_validate({"event": "e", "aggregate": "count", "window": window, "step": step})
    assert isinstance(counter.window, SlidingWindow)
    assert (counter.buckets, counter.step_ms) == (buckets, step_ms)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"aggregate": "sum"}, ("field",)),
        ({"aggregate": "count", "field": "x"}, ("field",)),
        ({"aggregate": "count", "window": "P1M"}, ("window",)),
        ({"aggregate": "count", "step": "P1D"}, ("step",)),
        ({"aggregate": "count", "window": {"calendar": "day"}}, ("window", "calendar")),
        ({"aggregate": "count", "window": {"tumblin": "P1D"}}, ("window", "tumblin")),
        ({"aggregate": "count", "window": "P365D", "step": "PT1M"}, ("step",)),
        ({"aggregate": "median", "field": "x"}, ("aggregate",)),
    ],
)
def test_a_wrong_counter_names_the_place_of_its_mistake(fields: dict[str, Any], path: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        Counter.model_validate({"event": "e", **fields})
    assert path in [detail["loc"] for detail in caught.value.errors()]


def test_a_changed_counter_has_another_fingerprint() -> None:
    def made(**fields: Any) -> str:
        return Counter.model_validate({"event": "e", "aggregate": "count", **fields}).fingerprint

    assert made() == made()
    assert len({made(), made(window="P1D"), made(window="P2D"), made(where={"a": 1})}) == 4


def test_blocks_name_the_paths_of_inner_actions() -> None:
    split = Split.model_validate(data("split: [{percent: 50, actions: [{wait: P1D}]}, {percent: 50}]"))
    assert [path for path, _ in split.blocks()] == [".split[0].actions", ".split[1].actions"]
    paths = [
        path
        for path, _ in campaign(
            actions=data("[{if: {a: 1}, then: [{wait: {for: {event: e}, timeout: P1D, on_timeout: [{exit: x}]}}]}]")
        ).walk_actions()
    ]
    assert paths == ["actions[0]", "actions[0].then[0]", "actions[0].then[0].on_timeout[0]"]


def test_percentages_are_exact() -> None:
    split = Split.model_validate(data("split: [{percent: 33.3}, {percent: 33.3}, {percent: 33.4}]"))
    assert sum((branch.percent for branch in split.branches), Decimal(0)) == 100
