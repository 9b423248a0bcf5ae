"""A condition and what it is asked about."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from streams.engine.conditions.writing import Test, Writing
from streams.engine.definition import DEFINED

MISSING: Final = None
"""What a view answers for a name that is missing or null: to a condition they are the same."""


class View(Protocol):
    """What a condition can ask: about the event at hand, the member, and the journey's entry event."""

    @property
    def body(self) -> Mapping[str, Any]:
        """The fields of the event at hand: what names without a dot stand for."""

    def value(self, name: str) -> Any:
        """The value of a name with a dot in it, `MISSING` if there is none.

        Names are as written: `member.city`, `counter.spend_30d`, `entry.order_id`.
        """

    def in_segment(self, segment_id: str) -> bool:
        """Whether the member is in the segment."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a condition's tree; `path` is where it stands below the condition in the YAML."""

    path: tuple[str | int, ...]

    def write(self, writing: Writing) -> str:
        """An expression in Python that tests `view`, whose body is `body`; inside a quantifier, a `record` too."""
        raise NotImplementedError

    def children(self) -> "Iterator[Node]":
        """The nodes directly below."""
        yield from ()

    def names(self) -> Iterator[str]:
        """The names that this node itself asks a view for."""
        yield from ()


class Condition:
    """Immutable; `holds(view)` is the function written for it, so that asking costs one call."""

    __slots__ = ("_names", "holds", "source", "tree")

    def __init__(self, tree: Node, source: Any) -> None:
        self.tree = tree
        self.source = source
        self.holds: Test = Writing().finish(tree)
        self._names = frozenset(name for node in self.walk() for name in node.names())

    def names(self) -> frozenset[str]:
        """All names that it may ask a view for; `segment:<id>` for each segment."""
        return self._names

    def walk(self) -> Iterator[Node]:
        """Every node, from the root down."""
        nodes = [self.tree]
        while nodes:
            node = nodes.pop()
            yield node
            nodes.extend(node.children())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.source == other.source

    def __hash__(self) -> int:
        return hash(repr(self.source))

    def __repr__(self) -> str:
        return f"Condition({self.source!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Parsed from its YAML."""
        return core_schema.no_info_plain_validator_function(_read)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A mapping from names to tests; spelt out once, among the definitions of the whole."""
        return {DEFINED: "condition"}


def _read(value: Any) -> Condition:
    from streams.engine.conditions.parse import parse  # noqa: PLC0415 - it makes conditions

    return value if isinstance(value, Condition) else parse(value)
