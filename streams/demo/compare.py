"""Is the live run what the simulation of its log gives? Compared by id, then field by field; order doesn't matter.

The live side is what stands in `send.*`, `bonus.awards` and `attributions`, committed records only; the other side is
the output of `rekindle simulate --in-order --attributions` on the log that the live run exported. A command that stands
twice on either side is a difference too: exactly once is half of what the demo is about.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.engine.commands import Attribution, Award, Dispatch
from streams.errors import InputError
from streams.output_lines import format_command

_ID = {"dispatch": "dispatch_id", "award": "award_id", "attribution": "attribution_id"}
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many commands stand on both sides, and each difference in words (the first few of each kind)."""

    same: int
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether both sides are the same."""
        return not self.differences


def compare(live: Iterable[Dispatch | Award | Attribution], simulated: Path) -> Comparison:
    """Compare what both sides put out. Raises `InputError` when `simulated` isn't the output of a simulation."""
    ours: dict[str, Mapping[str, Any]] = {}
    theirs: dict[str, Mapping[str, Any]] = {}
    twice: Counter[str] = Counter()
    for command in live:
        _put(ours, json.loads(format_command(command)), twice, "live")
    for found in _read(simulated):
        _put(theirs, found, twice, "simulated")
    differences = _some("twice", [f"{name}: {count + 1} times" for name, count in twice.items()])
    differences += _some("live only", [_told(ours[name]) for name in sorted(ours.keys() - theirs.keys())])
    differences += _some("simulated only", [_told(theirs[name]) for name in sorted(theirs.keys() - ours.keys())])
    common = ours.keys() & theirs.keys()
    unlike = [_unlike(ours[name], theirs[name]) for name in sorted(common) if ours[name] != theirs[name]]
    differences += _some("unlike", unlike)
    return Comparison(len(common) - len(unlike), tuple(differences))


def _read(path: Path) -> Iterable[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                found = json.loads(line)
                kind = found["kind"]
            except (ValueError, KeyError, TypeError):
                raise InputError(f"{path}:{number}: expected a line of `rekindle simulate`") from None
            if kind in _ID:
                yield found


def _put(side: dict[str, Mapping[str, Any]], found: Mapping[str, Any], twice: Counter[str], name: str) -> None:
    key = found[_ID[found["kind"]]]
    if key in side:
        twice[f"{name} {found['kind']} {key}"] += 1
    side[key] = found


def _some(kind: str, told: list[str]) -> list[str]:
    more = [f"{kind}: and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else []
    return [f"{kind}: {each}" for each in told[:_SHOWN]] + more


def _told(found: Mapping[str, Any]) -> str:
    return (
        f"{found['kind']} {found[_ID[found['kind']]]} of {found['campaign']} to {found['member_id']} at {found['at']}"
    )


def _unlike(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    fields = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    parts = [f"{name} live {ours.get(name)!r}, simulated {theirs.get(name)!r}" for name in fields]
    return f"{_told(ours)}: {'; '.join(parts)}"
