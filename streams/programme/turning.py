"""Which names of segments' conditions time alone changes, and at which values a condition may turn.

A member who is watched for `days_since_registration: {ge: 365}` needs to be looked at once, not every day: what is
compared with a name says at which of its values the comparison can turn.
"""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from streams.engine.campaign import Segment
from streams.engine.conditions.nodes import Compare, refs

_PREFIXES = ("member.days_since_registration", "member.age", "member.bonus.", "counter.", "days_since.")
_VALUE_MAX = 3_660_000
"""Ten thousand years in days: no name comes to a higher value."""


class Turning(NamedTuple):
    """A name, and the whole values (ascending) at which a comparison with it may turn; None: at any."""

    name: str
    values: tuple[int, ...] | None


def turning(looked_at: Iterable[str], segments: Mapping[str, Segment]) -> tuple[Turning, ...]:
    """Those of the conditions of these segments and of the segments that they ask for."""
    at: dict[str, set[int]] = {}
    at_any: set[str] = set()
    seen: set[str] = set()
    ahead = list(looked_at)
    while ahead:
        segment = segments.get(ahead.pop())
        if segment is None or segment.where is None or segment.id in seen:
            continue
        seen.add(segment.id)
        compared = [node for node in segment.where.walk() if isinstance(node, Compare)]
        plain = [node for node in compared if not any(True for _ in refs(node.operand))]
        for node in plain:
            at.setdefault(node.name, set()).update(_values(node.operand))
        names = segment.where.names()
        at_any.update(names - {node.name for node in plain})
        at_any.update(name for node in compared if any(True for _ in refs(node.operand)) for name in node.names())
        ahead.extend(name.removeprefix("segment:") for name in names if name.startswith("segment:"))
    return tuple(
        Turning(name, None if name in at_any else tuple(sorted(at[name])))
        for name in sorted({*at, *at_any})
        if name.startswith(_PREFIXES)
    )


def _values(operand: Any) -> Iterable[int]:
    """A comparison with 5 turns when the value becomes 5, or 6; one with 5.5 when it becomes 6."""
    if isinstance(operand, list | tuple):
        for item in operand:
            yield from _values(item)
    elif isinstance(operand, int | float | Decimal) and not isinstance(operand, bool) and 0 <= operand < _VALUE_MAX:
        yield from (math.ceil(operand), math.floor(operand) + 1)
    elif isinstance(operand, int | float | Decimal) and operand < 0:
        yield 0
