"""Which versions of campaigns journeys may still run."""

from collections.abc import Iterable, Sequence

from streams.engine.campaign import Campaign


def running_versions(applied: Sequence[Iterable[Campaign]]) -> dict[str, set[int]]:
    """The versions by campaign, under the last of these programmes' campaigns (oldest first)."""
    running: dict[str, set[int]] = {}
    for campaigns in applied:
        current = {campaign.id: campaign for campaign in campaigns}
        running = {name: _left(versions, current.get(name)) for name, versions in running.items()}
        for name, campaign in current.items():
            if campaign.status in {"live", "paused"}:
                running.setdefault(name, set()).add(campaign.version)
    return {name: versions for name, versions in running.items() if versions}


def _left(versions: set[int], campaign: Campaign | None) -> set[int]:
    if campaign is None or campaign.status == "stopped":
        return set()
    if campaign.in_flight == "move":
        return {campaign.version} if versions else set()
    return versions & {campaign.version} if campaign.in_flight == "stop" else versions
