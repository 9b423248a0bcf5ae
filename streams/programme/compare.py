"""What a programme changes against the one in force before: campaigns, running journeys, and what isn't versioned.

A version of a campaign says one thing for ever: journeys that entered with it, ids and reports refer to it. So other
content under the same version is a mistake (`conflicts`), but for what only says how a campaign is run (`FREE`), and
unless that version was never more than a draft. Templates, segments, counters, polls and policies have no versions:
they change for all, running journeys included.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from streams.engine.campaign import Campaign
from streams.engine.definition import listed
from streams.engine.triggers.now import NowTrigger
from streams.programme.changed_definitions import DefinitionChange, changed_definitions, changed_keys
from streams.programme.checks.names import entry_fields
from streams.programme.definitions import Reading
from streams.programme.problems import Problem
from streams.programme.programme import Definitions, Programme, named_records
from streams.programme.running import JourneyKind, journey_kinds
from streams.programme.uses import uses
from streams.programme.versions import running_versions

FREE = frozenset({"version", "status", "active", "in_flight", "priority", "name", "group"})
"""What of a campaign may change under the same version: how it is run and called, not what it does."""


@dataclass(frozen=True, slots=True)
class CampaignChange:
    """One campaign: its versions before and now, the keys that changed, and what else should be known of it."""

    campaign: str
    change: Literal["new", "changed", "removed", "unchanged"]
    from_version: int | None
    to_version: int | None
    keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Other content under a version that was in force before."""

    campaign: str
    version: int
    keys: tuple[str, ...]
    free_version: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a programme changes."""

    campaigns: tuple[CampaignChange, ...]
    journeys: tuple[JourneyKind, ...]
    definitions: tuple[DefinitionChange, ...]
    conflicts: tuple[Conflict, ...]


def compare(earlier: Sequence[Definitions], now: Definitions) -> Comparison:
    """What `now` changes; `earlier` are the programmes before it (at least one), oldest first, the last in force."""
    return Comparison(
        campaigns=tuple(_campaigns(earlier, now)),
        journeys=tuple(journey_kinds(earlier, now)),
        definitions=tuple(changed_definitions(earlier, now)),
        conflicts=tuple(find_conflicts(earlier, now)),
    )


def find_conflicts(earlier: Sequence[Definitions], now: Definitions) -> Iterator[Conflict]:
    """Campaigns that say something else under a version that was more than a draft before."""
    stated: dict[tuple[str, int], Campaign] = {}
    for definitions in earlier:
        for campaign in definitions.campaigns:
            if campaign.status != "draft":
                stated[campaign.id, campaign.version] = campaign
    for campaign in now.campaigns:
        before = stated.get((campaign.id, campaign.version))
        keys = () if before is None else tuple(key for key in changed_keys(before, campaign) if key not in FREE)
        if keys:
            used = {version for name, version in stated if name == campaign.id}
            yield Conflict(campaign.id, campaign.version, keys, max(used) + 1)


def conflict_problems(reading: Reading, conflicts: Iterable[Conflict]) -> Iterator[Problem]:
    """The conflicts as mistakes in the files that were read."""
    sources = {campaign.id: source for campaign, source in reading.campaigns}
    for conflict in conflicts:
        keys = listed(conflict.keys, "and")
        message = (
            f"version {conflict.version} of `{conflict.campaign}` was in force with other {keys}: "
            f"raise the version to {conflict.free_version}"
        )
        yield sources[conflict.campaign].problem(("version",), message)


def _campaigns(earlier: Sequence[Definitions], now: Definitions) -> Iterator[CampaignChange]:
    old = {campaign.id: campaign for campaign in earlier[-1].campaigns}
    new = {campaign.id: campaign for campaign in now.campaigns}
    running = running_versions([each.campaigns for each in earlier])
    programmes = Programme.compile(earlier), Programme.compile([*earlier, now])
    for name in sorted(old | new):
        before, after = old.get(name), new.get(name)
        notes = [*_surprises(before, after)]
        if after is not None:
            for version in sorted(running.get(name, ())):
                notes += _of_journeys(programmes, after, version, earlier[-1], now)
        if after is None:
            assert before is not None
            yield CampaignChange(name, "removed", before.version, None, (), tuple(notes))
        elif before is None:
            yield CampaignChange(name, "new", None, after.version, (), tuple(notes))
        else:
            keys = changed_keys(before, after)
            change: Any = "changed" if keys else "unchanged"
            yield CampaignChange(name, change, before.version, after.version, keys, tuple(notes))


def _surprises(before: Campaign | None, after: Campaign | None) -> Iterator[str]:
    """What a marketer would not expect."""
    if after is not None and after.status == "live" and any(isinstance(each, NowTrigger) for each in after.triggers):
        if before is None or before.status != "live":
            yield "a mailing: it goes out as soon as this is applied"
        elif before.version != after.version:
            yield "a mailing: it goes out again, since its version is another"
    if before is not None and after is not None and before.status != after.status:
        yield f"`{after.status}` instead of `{before.status}`: {_STATUS[after.status]}"


_STATUS = {
    "live": "it is entered again",
    "draft": "it is entered no more, running journeys go on",
    "paused": "it is entered no more, the timers of running journeys wait",
    "stopped": "running journeys end",
}


def _of_journeys(
    programmes: tuple[Programme, Programme], after: Campaign, version: int, old: Definitions, now: Definitions
) -> Iterator[str]:
    """What running journeys of one version will lack."""
    ran = programmes[0].definition(after.id, version)
    stays = version != after.version and after.in_flight == "keep"
    ends = after.status == "stopped" or (version != after.version and after.in_flight == "stop")
    if ran is None or ends:
        return
    yield from _lists_not_kept(ran, ran if stays else after, programmes)
    if stays:
        yield from _gone(ran, old, now)


def _lists_not_kept(ran: Campaign, runs: Campaign, programmes: tuple[Programme, Programme]) -> Iterator[str]:
    """Lists of the entry event that nothing named when it came, so that journeys didn't keep them."""
    lists = {name for name, field in (entry_fields(ran) or {}).items() if field.kind == "records"}
    kept = named_records(ran, programmes[0].templates)
    wanted = named_records(runs, programmes[1].templates)
    for name in sorted(lists & (lists if wanted is None else wanted) - (lists if kept is None else kept)):
        yield (
            f"journeys of version {ran.version} didn't keep `event.{name}`, which is newly named: "
            "what needs it isn't rendered, conditions on it don't hold"
        )


def _gone(ran: Campaign, old: Definitions, now: Definitions) -> Iterator[str]:
    """What journeys that stay on their version still name and the programme has no more."""
    named, version = uses(ran, old), ran.version
    for counter in sorted(named.counters - now.counters.keys()):
        yield f"version {version} asks for counter `{counter}`, which is gone: for its journeys it is missing"
    for segment in sorted((named.segments & old.segments.keys()) - now.segments.keys()):
        yield f"version {version} asks for segment `{segment}`, which is gone: its journeys go by its last definition"
    for template in sorted(named.templates - now.templates.keys()):
        yield f"version {version} sends template `{template}`, which is gone: its journeys still send it"
    for kind in sorted({kind for _, kind in named.messages} - now.policies.messaging_types.keys()):
        yield f"version {version} sends messages of type `{kind}`, which is gone: they count as `marketing`"
