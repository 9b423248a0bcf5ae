"""`some`, `every` and `none`: a condition on the records of a list, such as a receipt's lines.

Inside, names are the record's fields; a `{ref: …}` still means the outer event. `every` and `none` hold on an empty
list; a list that is missing makes all three false, as any other name that is missing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from streams.engine.conditions.condition import Node, Test, View


class RecordView:
    """A view of one record of a list; what isn't a field of it is asked of the view around it."""

    __slots__ = ("_outer", "_record")

    def __init__(self, record: dict[str, Any], outer: View) -> None:
        self._record = record
        self._outer = outer

    def value(self, name: str) -> Any:
        """The record's field; dotted names (`entry.…`, from references) are the outer view's."""
        return self._outer.value(name) if "." in name else self._record.get(name)

    def in_segment(self, segment_id: str) -> bool:
        """As outside."""
        return self._outer.in_segment(segment_id)


def some(test: Test, records: list[dict[str, Any]], view: View) -> bool:
    """At least one record matches."""
    for record in records:  # noqa: SIM110 - a generator would cost more than the tests
        if test(RecordView(record, view)):
            return True
    return False


def every(test: Test, records: list[dict[str, Any]], view: View) -> bool:
    """All records match; so of none."""
    for record in records:  # noqa: SIM110 - a generator would cost more than the tests
        if not test(RecordView(record, view)):
            return False
    return True


def none(test: Test, records: list[dict[str, Any]], view: View) -> bool:
    """No record matches; so of none."""
    return not some(test, records, view)


QUANTIFIERS: dict[str, Callable[[Test, list[dict[str, Any]], View], bool]] = {
    "some": some,
    "every": every,
    "none": none,
}


@dataclass(frozen=True, slots=True)
class Records(Node):
    """A quantifier (`some`, `every`, `none`) over the list that `name` stands for.

    Its part isn't a child: the names inside are the record's, not the view's.
    """

    name: str
    quantifier: str
    part: Node

    @override
    def compile(self) -> Test:
        """Tests record by record, until it is decided."""
        name, test, quantify = self.name, self.part.compile(), QUANTIFIERS[self.quantifier]

        def holds(view: View) -> bool:
            records = view.value(name)
            return isinstance(records, list | tuple) and quantify(test, records, view)  # type: ignore[arg-type]

        return holds

    @override
    def names(self) -> Iterator[str]:
        """The list, and what references inside ask of the outer view."""
        yield self.name
        nodes = [self.part]
        while nodes:
            node = nodes.pop()
            yield from (name for name in node.names() if "." in name)
            nodes.extend(node.children())
