"""How `lint --against` and `campaigns apply` tell what a programme changes: for people, or as JSON lines."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.programme.changed_definitions import DefinitionChange
    from streams.programme.compare import CampaignChange, Comparison
    from streams.programme.running import JourneyKind

_FATES = ("goes_on", "kept", "moved", "ended")


def as_records(comparison: "Comparison") -> Iterator[dict[str, Any]]:
    """One record for each campaign, kind of journey and changed definition, and a summary."""
    yield from ({"kind": "campaign", **asdict(each)} for each in comparison.campaigns)
    yield from ({"kind": "journeys", **asdict(each)} for each in comparison.journeys)
    yield from (asdict(each) for each in comparison.definitions)
    yield {"kind": "summary", **_counts(comparison)}


def as_text(comparison: "Comparison") -> Iterator[str]:
    """What changes, line by line; of what doesn't, only the number."""
    for campaign in comparison.campaigns:
        kinds = [kind for kind in comparison.journeys if kind.campaign == campaign.campaign]
        if campaign.change != "unchanged" or campaign.notes or any(kind.becomes != "goes_on" for kind in kinds):
            yield _campaign(campaign)
            yield from (f"  {note}" for note in campaign.notes)
            yield from (f"  {_journeys(kind)}" for kind in kinds)
    yield from map(_definition, comparison.definitions)
    yield summary(comparison)


def summary(comparison: "Comparison") -> str:
    """One line of counts."""
    counts = _counts(comparison)
    campaigns, journeys = counts["campaigns"], counts["journeys"]
    return (
        f"campaigns: {campaigns['unchanged']} unchanged, {campaigns['changed']} changed, {campaigns['new']} new, "
        f"{campaigns['removed']} removed; kinds of journeys: {journeys['goes_on']} go on, "
        f"{journeys['kept']} keep their version, {journeys['moved']} move, {journeys['ended']} end; "
        f"other definitions changed: {counts['definitions']}"
    )


def _counts(comparison: "Comparison") -> dict[str, Any]:
    campaigns = Counter(each.change for each in comparison.campaigns)
    journeys = Counter(each.becomes for each in comparison.journeys)
    return {
        "campaigns": {change: campaigns[change] for change in ("unchanged", "changed", "new", "removed")},
        "journeys": {fate: journeys[fate] for fate in _FATES},  # type: ignore[index]
        "definitions": len(comparison.definitions),
    }


def _campaign(each: "CampaignChange") -> str:
    if each.change == "new":
        return f"{each.campaign}: new, version {each.to_version}"
    if each.change == "removed":
        return f"{each.campaign}: removed"
    if each.change == "unchanged":
        return f"{each.campaign}: unchanged"
    keys = ", ".join(key for key in each.keys if key != "version")
    if each.from_version == each.to_version:
        return f"{each.campaign}: {keys} changed, still version {each.to_version}"
    return f"{each.campaign}: version {each.from_version} → {each.to_version}" + (f" ({keys})" if keys else "")


def _journeys(kind: "JourneyKind") -> str:
    fate = {
        "goes_on": "goes on",
        "kept": f"stays on version {kind.version}",
        "moved": f"moves to version {kind.to_version}",
        "ended": "ends with campaign_stopped",
    }[kind.becomes]
    note = f": {kind.note}" if kind.note else ""
    return f"version {kind.version}, {kind.action} ({kind.doing}): {fate}{note}"


def _definition(each: "DefinitionChange") -> str:
    users = f"; used by {', '.join(each.campaigns)}" if each.campaigns else ""
    note = f": {each.note}" if each.note else ""
    return f"{each.kind} {each.id}: {each.change}{note}{users}"
