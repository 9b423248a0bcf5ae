"""Counting a campaign's audience before anything is sent: one statement over the members' table.

Step by step as the engine would go (contract §4.6, §4.8), each among those who passed the steps before: in the
audience, not held out, and for every way in which the campaign writes, consent and an address. What only the moment of
sending can tell isn't counted: entry rules, quiet hours, caps, templates.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from streams.engine.actions.poll import Poll
from streams.engine.actions.send import Send
from streams.engine.campaign import Campaign
from streams.engine.ids import Share, share_below
from streams.engine.message_plans import StepPlan
from streams.engine.profile import DOUBLE_OPT_IN
from streams.segments.sql import literals
from streams.segments.sql.asking import Asking
from streams.segments.sql.compile import TABLE, Writer, with_clause

STEPS = {
    "members": "count()",
    "in_audience": "countIf(in_audience)",
    "not_held_out_globally": "countIf(in_audience AND NOT held_out_globally)",
    "admitted": "countIf(admitted)",
}
"""The first steps, by the names under which they are counted: all members, and who is left of them."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way in which a campaign reaches members: a channel, a social network if there are several, a type of message.

    `agreeing` and `reachable` are the names under which those are counted who agree to it, and of them those whom it
    reaches.
    """

    channel: str
    network: str | None
    messaging_type: str
    agreeing: str
    reachable: str


@dataclass(frozen=True, slots=True)
class Audience:
    """What to ask ClickHouse about a campaign's audience.

    `left_open` are the names of its condition that can't be asked of members: then all are counted who may be admitted.
    """

    expressions: Mapping[str, str]
    ways: tuple[Way, ...]
    left_open: frozenset[str]

    @property
    def counting(self) -> str:
        """The statement of one row: the `STEPS`; two counts for each way, and `reachable`, whom at least one reaches.

        Also `newest`, up to when the table tells (ms; NULL without members), and `incomplete`, of how many members it
        doesn't hold everything because it was too much.
        """
        any_way = " OR ".join(way.reachable for way in self.ways) or "0"
        counts = {
            **STEPS,
            **{name: f"countIf(admitted AND {name})" for way in self.ways for name in (way.agreeing, way.reachable)},
            "reachable": f"countIf(admitted AND ({any_way}))",
            "newest": "toUnixTimestamp64Milli(maxOrNull(at))",
            "incomplete": "countIf(notEmpty(left_out))",
        }
        columns = ",\n".join(f"    {sql} AS count_{name}" for name, sql in counts.items())
        return f"{with_clause(self.expressions)}SELECT\n{columns}\nFROM {TABLE} FINAL"

    def sampling(self, count: int) -> str:
        """The statement that finds up to so many of those whom the campaign admits, always the same."""
        clause = with_clause({name: sql for name, sql in self.expressions.items() if not name.startswith("by_")})
        return (
            f"{clause}SELECT member_id\nFROM {TABLE} FINAL\nWHERE admitted\n"
            f"ORDER BY sipHash64(member_id), member_id\nLIMIT {count}"
        )


def audience_of(campaign: Campaign, asking: Asking) -> Audience:
    """The audience of a campaign. Raises `CannotAskError` if its condition can't be asked in SQL."""
    writer = Writer(asking)
    condition = campaign.audience
    in_audience = "1" if condition is None else writer.write(condition.tree, hoped=True)
    expressions = {
        **writer.expressions,
        "in_audience": f"toBool({in_audience})",
        "held_out_globally": _held_out("global", asking.programme.plan.held_out),
        "held_out": _held_out(campaign.id, share_below(campaign.id, campaign.holdout)),
        "admitted": "in_audience AND NOT held_out_globally AND NOT held_out",
    }
    ways = []
    for way, consent, address in _ways(campaign, asking):
        expressions[way.agreeing] = consent
        expressions[way.reachable] = f"{way.agreeing} AND {address}"
        ways.append(way)
    return Audience(expressions, tuple(ways), frozenset(writer.left_open))


def _held_out(beginning: str, share: Share | None) -> str:
    """Whether the member's stable hash falls below the percentage."""
    if share is None:
        return "toBool(0)"
    if share.limit >= 2**64:
        return "toBool(1)"
    text = f"concat({literals.text(f'{beginning}/')}, member_id)"
    return f"reinterpretAsUInt64(reverse(substring(SHA256({text}), 1, 8))) < {share.limit}"


def _ways(campaign: Campaign, asking: Asking) -> Iterator[tuple[Way, str, str]]:
    """The ways that the campaign's messages take, each once, with the expressions of consent and address."""
    seen: set[tuple[str, str | None, str]] = set()
    for _, action in campaign.walk_actions():
        if not isinstance(action, Send | Poll):
            continue
        messaging_type = action.message.messaging_type
        for step in action.message.steps:
            network = step.network if step.address == "profile" else None
            if (step.channel, network, messaging_type) in seen:
                continue
            name = f"by_{re.sub('[^a-z]', '_', step.channel)}_{len(seen)}"
            seen.add((step.channel, network, messaging_type))
            way = Way(step.channel, network, messaging_type, f"{name}_agreeing", name)
            yield way, _consents(step.channel, messaging_type, asking), _address(step)


def _consents(channel: str, messaging_type: str, asking: Asking) -> str:
    """As `streams.engine.profile.consents`: the narrowest statement that covers it, else what the type says without."""
    types = asking.programme.plan.types
    consent = (types.get(messaging_type) or types["marketing"]).consent
    if consent == "none":
        return "toBool(1)"
    said = {"channel": channel, "messaging_type": messaging_type}
    covers = " AND ".join(f"ifNull(x.{name} = {literals.text(value)}, 1)" for name, value in said.items())
    if consent == DOUBLE_OPT_IN:
        covers += " AND NOT (x.subscribed AND x.messaging_type IS NULL)"
    rank = "2 * (x.channel IS NOT NULL) + (x.messaging_type IS NOT NULL)"
    narrowest_first = f"arrayReverseSort(x -> {rank}, arrayFilter(x -> {covers}, statements))"
    if consent == "opt_out":
        return f"NOT arrayMap(x -> NOT x.subscribed, {narrowest_first})[1]"
    return f"arrayMap(x -> x.subscribed, {narrowest_first})[1]"


def _address(step: StepPlan) -> str:
    """Whether there is somewhere to send it, which the channel's gateway hasn't said to be dead."""
    match step.address:
        case "phone" | "email" | "push_token":
            return f"{step.address} IS NOT NULL AND NOT mapContains(undeliverable, {literals.text(step.channel)})"
        case "member_id":
            return "toBool(1)"
        case "profile" if step.network is not None:
            return f"mapContains(social, {literals.text(step.network)})"
        case "profile":
            return "notEmpty(social)"
        case _:  # a channel of an earlier release
            return "toBool(0)"
