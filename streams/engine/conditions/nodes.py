"""The nodes of a condition's tree: all, any, not, a segment, and tests of a name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from streams.engine.conditions.condition import Node, Test, View
from streams.engine.conditions.operators import Operator

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
    def compile(self) -> Test:
        """Stops at the first part that doesn't hold."""
        tests = tuple(part.compile() for part in self.parts)
        if len(tests) == 1:
            return tests[0]
        if len(tests) == 2:  # noqa: PLR2004 - the commonest lengths without a loop
            first, second = tests
            return lambda view: first(view) and second(view)

        def holds(view: View) -> bool:
            for test in tests:  # noqa: SIM110 - a generator would cost more than the tests
                if not test(view):
                    return False
            return True

        return holds

    @override
    def children(self) -> Iterator[Node]:
        yield from self.parts


@dataclass(frozen=True, slots=True)
class AnyOf(Node):
    """Holds when at least one part holds; not so of none."""

    parts: tuple[Node, ...]

    @override
    def compile(self) -> Test:
        """Stops at the first part that holds."""
        tests = tuple(part.compile() for part in self.parts)
        if len(tests) == 1:
            return tests[0]

        def holds(view: View) -> bool:
            for test in tests:  # noqa: SIM110 - a generator would cost more than the tests
                if test(view):
                    return True
            return False

        return holds

    @override
    def children(self) -> Iterator[Node]:
        yield from self.parts


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Holds when its part doesn't: also when that part asks for something missing."""

    part: Node

    @override
    def compile(self) -> Test:
        """The opposite."""
        test = self.part.compile()
        return lambda view: not test(view)

    @override
    def children(self) -> Iterator[Node]:
        yield self.part


@dataclass(frozen=True, slots=True)
class InSegment(Node):
    """Holds for members of the segment."""

    segment: str

    @override
    def compile(self) -> Test:
        segment = self.segment
        return lambda view: view.in_segment(segment)

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
    def compile(self) -> Test:
        """With a literal operand everything about it is worked out here, once."""
        name, compiled = self.name, self.operator.compile
        if not any(True for _ in refs(self.operand)):
            test = compiled(self.operand)
            return lambda view: test(view.value(name))
        operand = self.operand
        return lambda view: compiled(resolve(operand, view))(view.value(name))

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


def resolve(operand: Any, view: View) -> Any:
    """The operand with its references looked up."""
    if isinstance(operand, Ref):
        return view.value(operand.name)
    if isinstance(operand, list):
        return [resolve(item, view) for item in operand]
    return operand
