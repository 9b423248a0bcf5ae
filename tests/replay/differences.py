"""What differs between the records that were and those that are, told so that a reviewer can judge it.

Records are compared member by member, since one message more of one member shifts all lines after it. Of a record that
still stands for the same step of the same campaign only what changed is told.
"""

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

SHOWN_MAX = 5
_Pair = tuple[str | None, str | None]


class _Record(NamedTuple):
    """A line of `replaying.format_output`, taken apart."""

    at: str
    member: str
    campaign: str
    action: str
    what: str
    rest: dict[str, Any]

    @classmethod
    def read(cls, line: str) -> "_Record":
        at, member, campaign, action, what, *rest = line.split(" ", 5)
        return cls(at, member, campaign, action, what, json.loads(rest[0]) if rest else {})

    @property
    def step(self) -> tuple[str, ...]:
        return self.campaign, self.action, self.what


def tell_differences(was: Sequence[str], now: Sequence[str]) -> str:
    """The first records that differ, and how many there are; empty when all are the same, in the same order."""
    if list(was) == list(now):
        return ""
    found = sorted(_differing(was, now), key=lambda pair: _Record.read(pair[0] or pair[1] or "").at)
    if not found:
        place = next(index for index, (one, other) in enumerate(zip(was, now, strict=True)) if one != other)
        return f"the same records, in another order from line {place + 1} on:\n  was  {was[place]}\n  is   {now[place]}"
    touched = {_Record.read(line).member for pair in found for line in pair if line is not None}
    everyone = {_Record.read(line).member for line in (*was, *now)}
    counted = f"{len(found)} records differ ({len(was)} there were, {len(now)} there are)"
    lines = [f"{counted}, of {len(touched)} of {len(everyone)} members; first:"]
    for pair in found[:SHOWN_MAX]:
        lines += _tell(*pair)
    return "\n".join(lines)


def count_differences(was: Sequence[str], now: Sequence[str]) -> tuple[int, int]:
    """How many records came, and how many went; a changed one does both."""
    pairs = _differing(was, now)
    return sum(new is not None for _, new in pairs), sum(old is not None for old, _ in pairs)


def _differing(was: Sequence[str], now: Sequence[str]) -> list[_Pair]:
    before, after = _by_member(was), _by_member(now)
    return [
        pair
        for member in sorted(before.keys() | after.keys())
        for pair in _pairs(before.get(member, []), after.get(member, []))
    ]


def _by_member(lines: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        found.setdefault(_Record.read(line).member, []).append(line)
    return found


def _pairs(was: Sequence[str], now: Sequence[str]) -> Iterator[_Pair]:
    """The records of one member that differ; those of the same step side by side."""
    matcher = difflib.SequenceMatcher(a=was, b=now, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        came = list(now[new_start:new_end])
        for old in was[start:end]:
            same = _same_step(old, came)
            if same is not None:
                came.remove(same)
            yield old, same
        yield from ((None, new) for new in came)


def _same_step(old: str, came: Sequence[str]) -> str | None:
    """What stands for the record now: the same done at the same step, else something else done there at that time."""
    before = _Record.read(old)
    read = [(_Record.read(new), new) for new in came]
    same = (new for record, new in read if record.step == before.step)
    there = (new for record, new in read if record[:4] == before[:4] and before.action != "-")
    return next(same, next(there, None))


def _tell(old: str | None, new: str | None) -> Iterator[str]:
    if old is None or new is None or _Record.read(old).what != _Record.read(new).what:
        yield f"  was  {old or 'nothing'}"
        yield f"  is   {new or 'nothing'}"
        return
    before, after = _Record.read(old), _Record.read(new)
    yield f"  {before.at} member {before.member}: {' '.join(before.step)}"
    said = {"at": before.at, **before.rest}
    says = {"at": after.at, **after.rest}
    for name in dict.fromkeys((*said, *says)):
        if said.get(name) != says.get(name):
            yield f"    {name}: was {_short(said.get(name))}, is {_short(says.get(name))}"


def _short(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
