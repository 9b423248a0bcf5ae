"""The quick way through a text: what most messages consist of, turned into closures once.

Plain text, paths with at most one `default` or `join`, and loops of these over a list. python-liquid takes some 60 µs a
text, most of it for what such texts don't use. It stays the authority: whatever is unusual in the text isn't compiled,
and whatever is unusual in the data (a name that is missing, a value of another kind, very long lists) makes the quick
way give up, so that python-liquid renders the text, or says why it can't.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from liquid import escape
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, LoopExpression, Path
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import IntegerLiteral, StringLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.expression import Expression

_Data = Mapping[str, Any]
_Ask = Callable[[_Data], Any]
_Piece = Callable[[_Data], str]
_RECORDS_MAX = 1_000
_CHARS_MAX = 100_000
_OWN_SEGMENTS = frozenset({"size", "first", "last"})
_LISTS = frozenset({list, tuple})
_MISSING = (LookupError, TypeError)


class _GaveUp(Exception):  # noqa: N818 - nothing is wrong: the long way knows
    """A text, or a value, that is for python-liquid."""


def plain_number(number: Decimal | float) -> str:
    """351, not 351.0; 12.5; never an exponent."""
    text = format(number if isinstance(number, Decimal) else Decimal(repr(number)), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def compile_quickly(nodes: Iterable[Node], *, html: bool) -> Callable[[_Data], str | None] | None:
    """A function that renders the text, or answers None where it gives up; None for a text that isn't so simple."""
    try:
        pieces = tuple(_piece(node, html=html) for node in nodes)
    except _GaveUp:
        return None

    def render(data: _Data) -> str | None:
        try:
            text = "".join([piece if type(piece) is str else piece(data) for piece in pieces])  # type: ignore[operator]
        except (_GaveUp, LookupError, TypeError):
            return None
        return text if len(text) <= _CHARS_MAX else None

    return render


def _piece(node: Node, *, html: bool) -> str | _Piece:
    if type(node) is ContentNode:
        return str(node.text)
    if isinstance(node, OutputNode) and type(node.expression) is FilteredExpression:
        return _output(node.expression, html=html)
    if type(node) is ForNode and not node.blank and node.default is None:
        return _loop(node, html=html)
    raise _GaveUp


def _output(expression: FilteredExpression, *, html: bool) -> _Piece:
    ask = _path(expression.left)
    match expression.filters or []:
        case []:
            return lambda data: _shown(ask(data), html)
        case [Filter(name="default", args=[argument])] if getattr(argument, "name", None) is None:
            return _with_default(ask, argument.value, html=html)
        case [Filter(name="join", args=[argument])] if type(argument.value) is StringLiteral and not html:
            between = str(argument.value.value)
            return lambda data: between.join(_texts(ask(data), len(between)))
    raise _GaveUp


def _with_default(ask: _Ask, otherwise: Expression, *, html: bool) -> _Piece:
    """A literal stands as it is, also in HTML."""
    literal = str(otherwise.value) if isinstance(otherwise, StringLiteral | IntegerLiteral) else None
    ask_instead = _path(otherwise) if literal is None else None

    def piece(data: _Data) -> str:
        try:
            value = ask(data)
        except _MISSING:
            value = None
        if value is not None and value != "":
            return _shown(value, html)
        if ask_instead is None:
            assert literal is not None
            return literal
        return _shown(ask_instead(data), html)

    return piece


def _loop(node: ForNode, *, html: bool) -> _Piece:
    loop: LoopExpression = node.expression
    if loop.limit is not None or loop.offset is not None or loop.reversed or loop.cols is not None:
        raise _GaveUp
    if any(type(inner) is ForNode for inner in node.block.nodes):
        raise _GaveUp
    ask, name = _path(loop.iterable), loop.identifier
    pieces = tuple(_piece(inner, html=html) for inner in node.block.nodes)
    written = sum(len(each) for each in pieces if isinstance(each, str))

    def piece(data: _Data) -> str:
        records = ask(data)
        if type(records) not in _LISTS or len(records) > _RECORDS_MAX or len(records) * written > _CHARS_MAX:
            raise _GaveUp
        texts: list[str] = []
        for record in records:
            scope = _Scope(data, name, record)
            texts.extend([each if type(each) is str else each(scope) for each in pieces])  # type: ignore[operator]
        return "".join(texts)

    return piece


class _Scope(Mapping[str, Any]):
    """The data, with a loop's own name before them."""

    __slots__ = ("_data", "_name", "_record")

    def __init__(self, data: _Data, name: str, record: Any) -> None:
        self._data, self._name, self._record = data, name, record

    def __getitem__(self, name: str) -> Any:
        return self._record if name == self._name else self._data[name]

    def __iter__(self) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


def _path(expression: Expression) -> _Ask:
    """The value at a path; `LookupError` or `TypeError` where there is none."""
    if type(expression) is not Path:
        raise _GaveUp
    root, *rest = expression.path
    if type(root) is not str or root == "forloop" or any(_is_special(segment) for segment in rest):
        raise _GaveUp
    if len(rest) == 1 and type(rest[0]) is str:
        field = rest[0]
        return lambda data: data[root][field]

    def ask(data: _Data) -> Any:
        value = data[root]
        for segment in rest:
            if type(segment) is int and type(value) not in _LISTS:
                raise _GaveUp
            value = value[segment]
        return value

    return ask


def _is_special(segment: Any) -> bool:
    return segment in _OWN_SEGMENTS if type(segment) is str else type(segment) is not int


def _shown(value: Any, html: bool) -> str:
    kind = type(value)
    if kind is str:
        return str(escape(value)) if html else value
    if kind is int:
        return str(value)
    if kind is Decimal or kind is float:
        return plain_number(value)
    if kind is date:
        return str(value.isoformat())
    raise _GaveUp


def _texts(values: Any, between: int) -> Sequence[str]:
    if (
        type(values) not in _LISTS
        or len(values) * between > _CHARS_MAX
        or not all(type(value) is str for value in values)
    ):
        raise _GaveUp
    found: Sequence[str] = values
    return found
