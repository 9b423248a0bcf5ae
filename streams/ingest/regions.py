"""In which country phones without a country code are read: the `default_region` of the programme in force.

Ingest needs no more of a programme than this, and doesn't load the rest.
"""

from collections.abc import Sequence

import yaml

from streams.engine.campaign import DEFAULT_REGION


class RegionLoader:
    """Takes the region out of a programme's files; `streams.members.programmes` reads and keeps them."""

    def load(self, bundles: Sequence[dict[str, str]], number: int) -> str:  # noqa: ARG002 - whatever its number
        """Return the region of the last bundle, which was checked when it was applied."""
        text = bundles[-1].get("policies.yaml", "") if bundles else ""
        policies = yaml.load(text, Loader=yaml.BaseLoader) or {}  # noqa: S506 - makes texts alone: NO is Norway
        return str(policies.get("default_region", DEFAULT_REGION))
