"""What a programme changes of that which has no versions: templates, segments, counters, polls, policies.

It changes for all at once, also for running journeys; so each change names the campaigns that it concerns.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from streams.engine.campaign import Policies
from streams.engine.conditions import Condition
from streams.engine.definition import Definition
from streams.programme.programme import Definitions, Programme
from streams.programme.uses import Uses, is_capped, is_under_quiet_hours, uses
from streams.programme.versions import running_versions

Changed = Literal["new", "changed", "removed"]
Kind = Literal["template", "segment", "counter", "poll", "policy"]
Users = Mapping[tuple[str, str], set[str]]
_NOTES: Mapping[tuple[Kind, Changed], str] = {
    ("segment", "new"): "who is in it from the start doesn't enter it by this",
    ("segment", "changed"): "who is in it by this neither enters nor leaves it",
    ("counter", "new"): "it counts from now",
    ("counter", "changed"): "it starts anew",
    ("counter", "removed"): "it counts no more",
}


@dataclass(frozen=True, slots=True)
class DefinitionChange:
    """Something that isn't versioned and changed for all; `campaigns` are those that name it."""

    kind: Kind
    id: str
    change: Changed
    campaigns: tuple[str, ...]
    note: str = ""


def changed_definitions(earlier: Sequence[Definitions], now: Definitions) -> Iterator[DefinitionChange]:
    """Every change against the last of the programmes before (oldest first)."""
    before = earlier[-1]
    named = _named(earlier, now)
    users = _users(named)
    stores: tuple[tuple[Kind, Mapping[str, Definition], Mapping[str, Definition]], ...] = (
        ("template", before.templates, now.templates),
        ("segment", before.segments, now.segments),
        ("counter", before.counters, now.counters),
        ("poll", before.polls, now.polls),
    )
    for kind, old, new in stores:
        for name, change in _changes(old, new):
            concerned = tuple(sorted(users.get((kind, name), ())))
            yield DefinitionChange(kind, name, change, concerned, _NOTES.get((kind, change), ""))
    for key in changed_keys(before.policies, now.policies):
        if key != "messaging_types":
            yield DefinitionChange("policy", key, "changed", _under(key, (before.policies, now.policies), named))
            continue
        for name, change in _changes(before.policies.messaging_types, now.policies.messaging_types):
            concerned = tuple(sorted(users.get(("messaging_type", name), ())))
            yield DefinitionChange("policy", f"messaging_types.{name}", change, concerned)


def changed_keys(before: Definition, now: Definition) -> tuple[str, ...]:
    """The keys, by their YAML names, in which two definitions of one kind differ."""
    return tuple(
        field.alias or name
        for name, field in type(now).model_fields.items()
        if _content(getattr(before, name)) != _content(getattr(now, name))
    )


def _content(value: Any) -> Any:
    """A value as it compares: 5 and 5.0 are alike, 1 and `true` are not, and how it was compiled doesn't count."""
    if isinstance(value, Definition):
        return type(value), [_content(getattr(value, name)) for name in type(value).model_fields]
    if isinstance(value, Condition):
        return _content(value.source)
    if isinstance(value, Mapping):
        return {key: _content(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_content(item) for item in value]
    return isinstance(value, bool), value


def _changes(before: Mapping[str, Definition], now: Mapping[str, Definition]) -> Iterator[tuple[str, Changed]]:
    for name in sorted({*before, *now}):
        if name not in before:
            yield name, "new"
        elif name not in now:
            yield name, "removed"
        elif changed_keys(before[name], now[name]):
            yield name, "changed"


def _named(earlier: Sequence[Definitions], now: Definitions) -> dict[str, list[Uses]]:
    """What each campaign names: as it is in force now, and in the versions that go on running."""
    found = {campaign.id: [uses(campaign, now)] for campaign in now.campaigns}
    before = Programme.compile(earlier)
    for name, versions in running_versions([each.campaigns for each in (*earlier, now)]).items():
        for version in versions:
            campaign = before.definition(name, version)
            if campaign is not None:
                found.setdefault(name, []).append(uses(campaign, earlier[-1]))
    return found


def _users(named: Mapping[str, Sequence[Uses]]) -> Users:
    """The campaigns that name a thing, by its kind and id."""
    users: dict[tuple[str, str], set[str]] = defaultdict(set)
    for campaign, each in named.items():
        for of in each:
            places = {"template": of.templates, "segment": of.segments, "counter": of.counters, "poll": of.polls}
            places["messaging_type"] = frozenset(kind for _, kind in of.messages)
            for kind, ids in places.items():
                for name in ids:
                    users[kind, name].add(campaign)
    return users


def _under(key: str, policies: tuple[Policies, Policies], named: Mapping[str, Sequence[Uses]]) -> tuple[str, ...]:
    """The campaigns that a policy concerns, as it was or as it is."""
    channels = {cap.channel for each in policies for cap in each.frequency_caps}

    def is_concerned(channel: str, messaging_type: str) -> bool:
        if key == "quiet_hours":
            return any(is_under_quiet_hours(each, channel, messaging_type) for each in policies)
        if key == "frequency_caps":
            capped = None in channels or channel in channels
            return capped and any(is_capped(each, channel, messaging_type) for each in policies)
        return True

    if key not in {"quiet_hours", "frequency_caps"}:
        return tuple(sorted(named))
    return tuple(
        sorted(
            campaign
            for campaign, each in named.items()
            if any(is_concerned(*message) for of in each for message in of.messages)
        )
    )
