"""From a condition's tree to one Python function: testing it costs one call, and only the names it touches.

Each node writes itself as an expression (`Node.write`); a quantifier adds a function that walks its list. The text of
a function is made of names and operators of our own alone; whatever a marketer wrote is a constant beside it. Hence
conditions of one shape share their code, and nothing that is written in a campaign is ever run.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.engine.conditions.condition import Node, View

Test = Callable[["View"], bool]


class Writing:
    """A function being written: what its text refers to, and the quantifiers' functions before it."""

    def __init__(self) -> None:
        self.constants: dict[str, Any] = {}
        self.functions: list[str] = []
        self._numbers = count()
        self._record = False

    def constant(self, value: Any) -> str:
        """A name for the value."""
        name = f"k{next(self._numbers)}"
        self.constants[name] = value
        return name

    def variable(self) -> str:
        """A name for what an expression keeps meanwhile."""
        return f"v{next(self._numbers)}"

    def value(self, name: str) -> str:
        """What a name stands for: a field of the body or, in a quantifier, of the record; else a view's affair."""
        asked = "view.value" if "." in name else "record.get" if self._record else "body.get"
        return f"{asked}({self.constant(name)})"

    def quantifier(self, part: "Node", *, until: bool) -> str:
        """A function of records, body and view: whether for some record the part's answer is `until`."""
        outside, self._record = self._record, True
        answer = part.write(self)
        self._record = outside
        name = f"f{next(self._numbers)}"
        self.functions.append(
            f"def {name}(records, body, view):\n"
            f"    for record in records:\n"
            f"        if {answer if until else f'not {answer}'}:\n"
            f"            return True\n"
            f"    return False\n"
        )
        return name

    def finish(self, tree: "Node") -> Test:
        """The function that tests a view."""
        answer = tree.write(self)
        text = "".join(self.functions) + f"def holds(view):\n    body = view.body\n    return {answer}\n"
        namespace = dict(self.constants)
        exec(_code(text), namespace)  # noqa: S102 - text of our own, see above
        test: Test = namespace["holds"]
        return test


@lru_cache(maxsize=4096)
def _code(text: str) -> CodeType:
    return compile(text, "<condition>", "exec")


def joined(parts: Iterator[str], word: str, nothing: str) -> str:
    """The parts with `and` or `or` between them, in brackets."""
    written = tuple(parts)
    return f"({f' {word} '.join(written)})" if written else nothing
