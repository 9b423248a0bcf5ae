"""The nodes of a condition's tree: all, any, not, a segment, and tests of a name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from streams.engine.conditions.condition import Node
from streams.engine.conditions.operators import Operator
from streams.engine.conditions.operators._kinds import KINDS, instant
from streams.engine.conditions.writing import Writing, joined

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Ref:
    """A value that is looked up when the condition is tested: `{ref: entry.order_id}`."""

    name: str


@dataclass(frozen=True, slots=True)
class AllOf(Node):
    """Holds when every part holds; so of none."""

    parts: tuple[Node, ...]

    @override
    def write(self, writing: Writing) -> str:
        return joined((part.write(writing) for part in self.parts), "and", "True")

    @override
    def children(self) -> Iterator[Node]:
        yield from self.parts


@dataclass(frozen=True, slots=True)
class AnyOf(Node):
    """Holds when at least one part holds; not so of none."""

    parts: tuple[Node, ...]

    @override
    def write(self, writing: Writing) -> str:
        return joined((part.write(writing) for part in self.parts), "or", "False")

    @override
    def children(self) -> Iterator[Node]:
        yield from self.parts


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Holds when its part doesn't: also when that part asks for something missing."""

    part: Node

    @override
    def write(self, writing: Writing) -> str:
        return f"(not {self.part.write(writing)})"

    @override
    def children(self) -> Iterator[Node]:
        yield self.part


@dataclass(frozen=True, slots=True)
class InSegment(Node):
    """Holds for members of the segment."""

    segment: str

    @override
    def write(self, writing: Writing) -> str:
        return f"view.in_segment({writing.constant(self.segment)})"

    @override
    def names(self) -> Iterator[str]:
        yield f"segment:{self.segment}"


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """One operator on one name. The operand is a literal, or holds references that are looked up at each test."""

    name: str
    operator: Operator
    operand: Any

    @override
    def write(self, writing: Writing) -> str:
        """With a literal operand everything about it is worked out here, once."""
        value = writing.value(self.name)
        if any(True for _ in refs(self.operand)):
            return f"{writing.constant(self.operator.compile)}({_looked_up(self.operand, writing)})({value})"
        kinds = KINDS.get(type(self.operand)) if self.operator.sign else None
        if kinds is None or instant(self.operand) is not None:
            return f"{writing.constant(self.operator.compile(self.operand))}({value})"
        variable, operand = writing.variable(), writing.constant(self.operand)
        kind = f"(type({variable} := {value}) in {writing.constant(kinds)}"
        return f"{kind} and {variable} {self.operator.sign} {operand})"

    @override
    def names(self) -> Iterator[str]:
        yield self.name
        for ref in refs(self.operand):
            yield ref.name


def refs(operand: Any) -> Iterator[Ref]:
    """The references in an operand."""
    if isinstance(operand, Ref):
        yield operand
    elif isinstance(operand, list):
        for item in operand:
            yield from refs(item)


def _looked_up(operand: Any, writing: Writing) -> str:
    """The operand with its references looked up."""
    if isinstance(operand, Ref):
        return writing.value(operand.name)
    if isinstance(operand, list):
        return f"[{', '.join(_looked_up(item, writing) for item in operand)}]"
    return writing.constant(operand)
