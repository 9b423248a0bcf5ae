"""`some`, `every` and `none`: a condition on the records of a list, such as a receipt's lines.

Inside, names are the record's fields; a `{ref: …}` still means the outer event. `every` and `none` hold on an empty
list; a list that is missing makes all three false, as any other name that is missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from typing_extensions import override

from streams.engine.conditions.condition import Node
from streams.engine.conditions.writing import Writing


class Quantifier(NamedTuple):
    """A search that stops at the first record for which the test's answer is `until`; `found` is what that means."""

    doc: str
    until: bool
    found: bool


QUANTIFIERS = {
    "some": Quantifier("At least one record matches.", until=True, found=True),
    "every": Quantifier("All records match; so of none.", until=False, found=False),
    "none": Quantifier("No record matches; so of none.", until=True, found=False),
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
    def write(self, writing: Writing) -> str:
        """Tests record by record, until it is decided."""
        records, quantifier = writing.variable(), QUANTIFIERS[self.quantifier]
        search = writing.quantifier(self.part, until=quantifier.until)
        kinds = writing.constant((list, tuple))
        found = "" if quantifier.found else "not "
        is_list = f"isinstance({records} := {writing.value(self.name)}, {kinds})"
        return f"({is_list} and {found}{search}({records}, body, view))"

    @override
    def names(self) -> Iterator[str]:
        """The list, and what references inside ask of the outer view."""
        yield self.name
        nodes = [self.part]
        while nodes:
            node = nodes.pop()
            yield from (name for name in node.names() if "." in name)
            nodes.extend(node.children())
