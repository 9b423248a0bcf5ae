"""Checks of a condition: its names exist where it stands, and what it asks can hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.catalogue import EVENT_TYPES, FieldType
from streams.engine.channels import CHANNELS
from streams.engine.conditions import Condition
from streams.engine.conditions.condition import Node
from streams.engine.conditions.nodes import Compare, InSegment, Ref, refs
from streams.engine.conditions.operators._kinds import instant
from streams.engine.conditions.records import Records
from streams.engine.definition import Loc, did_you_mean, listed
from streams.engine.rfm import parse
from streams.programme.checks import names
from streams.programme.checks.contradictions import contradictions
from streams.programme.definitions import Reading, Source
from streams.programme.problems import Problem

_HEADS = ("member", "counter", "days_since", "rfm", "entry")


@dataclass(frozen=True, slots=True)
class Context:
    """Where a condition stands: the fields of the event at hand and of the entry event, None where they can't be told.

    `what` names the event at hand in messages. `strict`: a field that the event at hand doesn't have is a mistake, not
    only a doubt.
    """

    fields: names.Fields | None
    entry: names.Fields | None
    what: str
    strict: bool = True


def check_condition(
    reading: Reading, condition: Condition, source: Source, path: Loc, context: Context
) -> Iterator[Problem]:
    """Every mistake and doubt of a condition that stands at `path`."""
    kinds: dict[Loc, str] = {}
    told: set[tuple[int, int, str]] = set()
    for node in condition.walk():
        for problem in _check(reading, node, source, path, context, kinds):
            told.add((problem.line, problem.column, problem.field))
            yield problem
    for at, message in contradictions(condition.tree, kinds):
        problem = source.problem((*path, *at), message, severity="warning")
        if (problem.line, problem.column, problem.field) not in told:
            yield problem


def _check(
    reading: Reading, node: Node, source: Source, path: Loc, context: Context, kinds: dict[Loc, str]
) -> Iterator[Problem]:
    """One node; `kinds` is given the kind of what it compares, by its path."""
    at = (*path, *node.path)
    if isinstance(node, InSegment):
        yield from check_segment(reading, node.segment, source, at)
    elif isinstance(node, Compare):
        kind = yield from _kind(reading, node.name, source, at, context)
        kinds[node.path] = kind.kind if isinstance(kind, FieldType) else str(kind)
        for ref in refs(node.operand):
            other = yield from _kind(reading, ref.name, source, at, context)
            yield from _unlike(node, kind, ref, other, source, at)
        yield from _doubts(node, kind, source, at)
    elif isinstance(node, Records):
        yield from _records(reading, node, source, at, context, kinds)


def check_segment(reading: Reading, segment: str, source: Source, path: Loc) -> Iterator[Problem]:
    """That there is such a segment."""
    known = ("everyone", *reading.stated.get("segment", ()))
    if segment not in known and parse(segment) is None:
        yield source.problem(path, f"unknown segment `{segment}`{did_you_mean(segment, known)}")


def _records(
    reading: Reading, node: Records, source: Source, at: Loc, context: Context, kinds: dict[Loc, str]
) -> Iterator[Problem]:
    kind = yield from _kind(reading, node.name, source, at, context)
    if isinstance(kind, FieldType) and kind.kind == "records":
        inner = Context(kind.fields, context.entry, f"a record of `{node.name}`")
        nodes = [node.part]
        while nodes:
            part = nodes.pop()
            yield from _check(reading, part, source, at[: len(at) - len(node.path)], inner, kinds)
            nodes.extend(part.children())
    elif kind is not None and kind != "any":
        yield source.problem(at, f"can never hold: `{node.name}` isn't a list of records", severity="warning")


def _kind(
    reading: Reading, name: str, source: Source, at: Loc, context: Context
) -> "Iterator[Problem] | Any":  # a generator that returns the kind
    head, dot, rest = name.partition(".")
    if not dot:
        return (yield from _field(name, source, at, context.fields, context.what, strict=context.strict))
    match head:
        case "member":
            kind = names.member_kind(rest)
            if kind is None:
                yield source.problem(at, f"unknown name `{name}`{_near(rest, names.member_names(), 'member')}")
            return kind
        case "counter":
            known = reading.stated.get("counter", {})
            if rest not in known:
                yield source.problem(at, f"unknown counter `{rest}`{did_you_mean(rest, known)}")
            return "decimal" if rest in known else None
        case "days_since":
            if rest not in EVENT_TYPES:
                yield source.problem(at, f"unknown event type `{rest}`{did_you_mean(rest, EVENT_TYPES)}")
            return "integer" if rest in EVENT_TYPES else None
        case "rfm":
            if rest not in names.RFM:
                yield source.problem(at, f"unknown name `{name}`{_near(rest, names.RFM, 'rfm')}")
            return names.RFM.get(rest)
        case "entry":
            return (yield from _field(rest, source, at, context.entry, "the entry event", strict=False))
        case _:
            yield source.problem(at, f"unknown name `{name}`{did_you_mean(head, _HEADS)}")
            return None


def _near(name: str, known: Any, head: str) -> str:
    return did_you_mean(name, known).replace("`", f"`{head}.", 1)


def _field(
    name: str, source: Source, at: Loc, fields: names.Fields | None, what: str, *, strict: bool
) -> "Iterator[Problem] | Any":
    if fields is None:
        return "any"
    if name in fields:
        return fields[name]
    near = did_you_mean(name, fields)
    if strict or name not in names.all_fields():
        heads = f"; other names begin with {listed(f'{head}.' for head in _HEADS)}" if not near else ""
        yield source.problem(at, f"unknown field `{name}` of {what}{near}{heads}")
    else:
        yield source.problem(at, f"can never hold: {what} has no field `{name}`", severity="warning")
    return None


def _doubts(node: Compare, kind: Any, source: Source, at: Loc) -> Iterator[Problem]:
    """Why the comparison can never hold, if its kinds tell."""
    operands = node.operand if isinstance(node.operand, list) else [node.operand]
    why = None if any(isinstance(operand, Ref) for operand in operands) else _why_never(node, kind, operands)
    if why is not None:
        yield source.problem(at, f"can never hold: {why}", severity="warning")


def _why_never(node: Compare, kind: Any, operands: list[Any]) -> str | None:
    operator, is_field = node.operator.name, isinstance(kind, FieldType)
    if kind is None or operator == "exists" or not operands:
        return None
    if operands == [None]:
        return f"nothing equals null{_WRITE_EXISTS}" if kind == "any" else f"{_is(node, kind)}{_WRITE_EXISTS}"
    if kind == "any":
        return None
    found = kind.kind if is_field else kind
    if found in {"records", "map"}:
        if operator == "contains":
            return None
        return "a list takes `some`, `every` or `none`" if found == "records" else "a mapping isn't compared"
    if not any(_comparable(found, operand) for operand in operands):
        return _is(node, kind)
    if operator in {"starts_with", "contains"} and found not in {"string", "enum"}:
        return f"{_is(node, kind)}, which has no parts"
    if is_field and kind.symbols and operator in {"eq", "in"} and not set(operands) & set(kind.symbols):
        near = did_you_mean(str(operands[0]), kind.symbols)
        return f"`{node.name}` is one of {listed(kind.symbols)}{near}"
    if is_field and node.name == "channel" and operator in {"eq", "in"} and not set(operands) & set(CHANNELS):
        return f"there is no channel `{operands[0]}`{did_you_mean(str(operands[0]), CHANNELS)}"
    return None


_WRITE_EXISTS = "; write `{exists: false}`"
_LIKE = {
    "integer": {"number"},
    "decimal": {"number"},
    "string": {"text", "moment"},
    "enum": {"text"},
    "date": {"moment"},
    "timestamp": {"moment"},
    "boolean": {"truth"},
}
"""What a value of each kind compares as; text may read as a date."""


def _is(node: Compare, kind: Any) -> str:
    return f"`{node.name}` is {_named(kind.kind if isinstance(kind, FieldType) else kind)}"


def _unlike(node: Compare, kind: Any, ref: Ref, other: Any, source: Source, at: Loc) -> Iterator[Problem]:
    """That a name is compared with a name of its own kind."""
    kinds = [each.kind if isinstance(each, FieldType) else each for each in (kind, other)]
    if all(each in _LIKE for each in kinds) and not _LIKE[kinds[0]] & _LIKE[kinds[1]]:
        message = f"can never hold: {_is(node, kind)}, `{ref.name}` is {_named(kinds[1])}"
        yield source.problem(at, message, severity="warning")


def _comparable(kind: str, operand: Any) -> bool:
    if kind not in names.kinds_of(operand):
        return kind in {"records", "map"}
    return kind not in {"date", "timestamp"} or instant(operand) is not None


def _named(kind: str) -> str:
    return {
        "string": "a string",
        "enum": "a string",
        "boolean": "true or false",
        "integer": "a number",
        "decimal": "a number",
        "date": "a date",
        "timestamp": "a moment",
    }[kind]
