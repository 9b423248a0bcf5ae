"""What a test expected of a campaign against what came out: in words, and as a diff.

An expected entry names the fields that matter; it meets a command that agrees in these. Both lists are in order, so
they are aligned by the longest run of entries that meet; what stands in a gap is told field by field, pair by pair.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Any

Entry = Mapping[str, Any]
_BRIEF = ("at", "action", "channel", "purchase", "amount", "currency", "outcome", "reason", "url")


def compare(name: str, expected: Sequence[Any], found: Sequence[Entry]) -> tuple[list[str], list[str]]:
    """What differs in words, and the diff of both lists; nothing of either when they agree."""
    complaints: list[str] = []
    if len(expected) != len(found):
        complaints.append(f"{name}: expected {len(expected)}, got {len(found)}")
    lines: list[str] = []
    for wanted_at, found_at in _gaps(expected, found):
        for index, got_index in zip_longest(wanted_at, found_at):
            if index is None:
                complaints.append(f"{name}: not expected: {_text(_brief(found[got_index]))}")
            elif got_index is None:
                complaints.append(f"{name}[{index}]: missing: {_text(expected[index])}")
            else:
                complaints += differences(f"{name}[{index}]", expected[index], found[got_index])
        lines += [f"- {_text(expected[index])}" for index in wanted_at]
        for position, got_index in enumerate(found_at):
            got = found[got_index]
            paired = position < len(wanted_at)
            lines.append(f"+ {_text(_as_named(expected[wanted_at[position]], got) if paired else _brief(got))}")
        if found_at.stop < len(found) and wanted_at.stop < len(expected):
            lines.append(f"  {_text(expected[wanted_at.stop])}")
    return complaints, [f"--- {name}: expected", f"+++ {name}: got", *lines] if complaints else []


def differences(path: str, wanted: Any, got: Any) -> list[str]:
    """Each field in which `got` doesn't agree with what is wanted of it."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        return [line for key, value in wanted.items() for line in differences(f"{path}.{key}", value, got.get(key))]
    return [] if wanted == got else [f"{path}: expected {_text(wanted)}, got {_text(got)}"]


def _gaps(expected: Sequence[Any], found: Sequence[Entry]) -> Iterator[tuple[range, range]]:
    """The places of both lists before each pair that meets, and after the last."""
    rows, columns = len(expected), len(found)
    meets = [[not differences("", wanted, got) for got in found] for wanted in expected]
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], best[i + 1][j + 1] + 1 if meets[i][j] else 0)
    start, got_start, i, j = 0, 0, 0, 0
    while i < rows and j < columns:
        if meets[i][j] and best[i][j] == best[i + 1][j + 1] + 1:
            yield range(start, i), range(got_start, j)
            i, j = i + 1, j + 1
            start, got_start = i, j
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    yield range(start, rows), range(got_start, columns)


def _as_named(wanted: Any, got: Any) -> Any:
    """Of `got` only what is asked for, so that both lines of a diff can be laid side by side."""
    if isinstance(wanted, dict) and isinstance(got, Mapping):
        return {key: _as_named(value, got.get(key)) for key, value in wanted.items()}
    return got


def _brief(command: Entry) -> dict[str, Any]:
    return {key: command[key] for key in _BRIEF if command.get(key) is not None}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_number)


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
