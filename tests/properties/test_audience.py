"""An audience is counted as the engine would admit its members, and as it would reach them."""

from collections import Counter
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from streams.engine.campaign import Campaign
from streams.engine.channels import CHANNELS
from streams.engine.plans import CampaignPlan
from streams.engine.profile import consents
from streams.engine.sending import _address
from streams.engine.state import new
from streams.engine.step import handle
from streams.engine.view import View
from streams.segments.audience import audience_of
from streams.segments.sql import Asking, CannotAskError
from tests.properties.drawn_members import CONSENT, PERCENTS, conditions, members, moments, programmes, store, view_at
from tests.properties.independent import BACKEND
from tests.properties.test_segment_sql import EXAMPLES, IN_CI
from tests.simulation.support import directory, event, records

MEMBERS = ["m0", "m1", "m2", "it's"]
CAMPAIGNS = 3
CONTACTS = ["registration_completed", "app_installed", "social_profile_linked", "subscription_changed"]
CONTACTS += ["subscription_changed", "subscription_changed", "member_unsubscribed", "message_failed"]
SEED = 7  # of the examples of every run, chosen because they show everything
BODIES = [{}, {"total": 5}, {"total": 10**31}, {"total": None, "lines": []}, {"total": "Riga", "lines": [{"sku": "a"}]}]


@st.composite
def sends(draw: st.DrawFn) -> dict[str, Any]:
    channel = draw(st.sampled_from(sorted(CHANNELS)))
    network = {"network": draw(st.sampled_from(["vk", "o'k", None]))} if channel in {"social", "chat_bot"} else {}
    messaging_type = draw(st.sampled_from([*sorted(CONSENT), "unheard_of"]))
    return {"send": {"channel": channel, "template": "t", "messaging_type": messaging_type, **network}}


@st.composite
def cases(draw: st.DrawFn) -> Any:
    programme = draw(programmes())
    states = [draw(members(programme, key, CONTACTS)) for key in MEMBERS]
    at = draw(moments(states))
    views = [view_at(programme, state, at) for state in states]

    @cache
    def values(name: str) -> list[Any]:
        return [value for view in views if (value := view.value(name)) is not None]

    messages = [draw(st.lists(sends(), min_size=1, max_size=3)) for _ in range(CAMPAIGNS)]
    campaigns = [
        {
            "id": f"c'{number}",
            "trigger": {"event": "purchase_completed"},
            "audience": draw(st.just({}) | conditions(values)),
            "holdout": draw(PERCENTS),
            "actions": [{"if": {"total": 5}, "then": sent[:1]}, *sent[1:]],
        }
        for number, sent in enumerate(messages)
    ]
    return Asking(programme, at), views, [Campaign.model_validate(each) for each in campaigns]


def admitted(campaign: CampaignPlan, view: View, body: dict[str, Any]) -> bool:
    """Whether the engine lets the member in, after the audience and both holdouts."""
    everywhere, key = view.handling.plan.held_out, view.handling.state.key
    if campaign.audience is not None and not campaign.audience(View(view.handling, body)):
        return False
    return not any(share is not None and share.holds(key) for share in (everywhere, campaign.held_out))


def reached(view: View, message: Any, step: Any) -> tuple[bool, bool]:
    """Whether the member agrees to it, and whether there is an address besides."""
    state, types = view.handling.state, view.handling.plan.types
    kind = types.get(message.messaging_type) or types["marketing"]
    agrees = consents(state, step.channel, message.messaging_type, kind.consent)
    return agrees, agrees and _address(state, step) is not None and step.channel not in state.profile.undeliverable


def test_an_audience_is_counted_as_the_engine_decides(clickhouse):
    shown: Counter[tuple[str, bool]] = Counter()

    @settings(
        max_examples=EXAMPLES // 2,
        deadline=None,
        database=None,
        backend=BACKEND,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(cases())
    def compare(case):
        asking, views, campaigns = case
        store(clickhouse, [view.handling.state for view in views])
        for campaign in campaigns:
            try:
                audience = audience_of(campaign, asking)
            except CannotAskError:
                continue
            plan = CampaignPlan(campaign)
            [counts] = clickhouse.query(audience.counting).named_results()
            sample = [row[0] for row in clickhouse.query(audience.sampling(10)).result_rows]
            inside = {view.handling.state.key: view for view in views if admitted(plan, view, {})}
            if audience.left_open:
                some = {view.handling.state.key for view in views for body in BODIES if admitted(plan, view, body)}
                assert some <= set(sample)
                shown["left open", True] += 1
                continue
            assert set(sample) == set(inside)
            assert counts["count_admitted"] == len(inside)
            ways = {(way.channel, way.network, way.messaging_type): way for way in audience.ways}
            steps = [
                (a.message, step) for _, a in campaign.walk_actions() if a.kind == "send" for step in a.message.steps
            ]
            found = set()
            for message, step in steps:
                network = step.network if step.address == "profile" else None
                way = ways[step.channel, network, message.messaging_type]
                answers = {key: reached(view, message, step) for key, view in inside.items()}
                assert counts[f"count_{way.agreeing}"] == sum(agrees for agrees, _ in answers.values())
                assert counts[f"count_{way.reachable}"] == sum(gets for _, gets in answers.values())
                found |= {key for key, (_, gets) in answers.items() if gets}
                for agrees, gets in answers.values():
                    shown[message.messaging_type, agrees] += 1
                    shown[step.address, gets] += agrees
                shown["dead", any(view.handling.state.profile.undeliverable for view in inside.values())] += 1
            assert counts["count_reachable"] == len(found)
            shown["held out", bool(counts["count_in_audience"] > len(inside) > 0)] += 1

    (seed(SEED)(compare) if IN_CI else compare)()
    if IN_CI:  # the examples are always the same: they must keep showing everything
        answers = {(name, answer) for name in ("marketing", "asked", "confirmed") for answer in (True, False)}
        answers |= {(name, gets) for name in ("phone", "email", "push_token", "profile") for gets in (True, False)}
        assert answers | {(name, True) for name in ("held out", "left open", "member_id", "dead")} <= set(+shown), shown


def test_what_is_said_of_a_channel_goes_before_what_is_said_of_a_type(clickhouse):
    send = "trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: a}}]"
    programme, states = directory(c=send), [new("m"), new("n")]
    said = [(True, {"channel": "sms"}), (False, {"messaging_type": "marketing"})]
    for state, statements in zip(states, (said, said[::-1]), strict=True):
        for subscribed, scope in statements:
            at = "2026-01-01T00:00:00Z"
            for record, _ in records([event(state.key, "subscription_changed", at, subscribed=subscribed, **scope)]):
                handle(programme, state, record)
    store(clickhouse, states)
    asked = audience_of(programme.current("c"), Asking(programme, states[0].clock))
    [counts] = clickhouse.query(asked.counting).named_results()
    assert counts["count_by_sms_0_agreeing"] == 2
