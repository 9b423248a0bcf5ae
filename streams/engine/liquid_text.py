"""Liquid, strict and bounded: a text with names in it, parsed once.

On top of python-liquid, for the contract (§3, Templates; §4.1):
- a name that is undefined or null can be tested (`{% if %}`, `default`) but not rendered: `TemplateError`;
- numbers are decimals and print plainly (351, 12.5); the filters on numbers are exact;
- nothing reads a clock (`now`, `today` are undefined), a file (no `include`, `render`) or anything but the data;
- output, loops, nesting, expressions, numbers and the work as a whole are bounded (`streams.engine.liquid_work`).
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, DecimalException
from functools import lru_cache
from typing import Any, ClassVar, TextIO, TypeVar

from liquid import BoundTemplate, Environment, Markup, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression, LoopExpression, Path
from liquid.builtin.expressions.primitive import FloatLiteral
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoNode, EchoTag
from liquid.exceptions import FilterArgumentError, LiquidError, ResourceLimitError, UndefinedError, UnknownFilterError
from liquid.expression import Expression
from liquid.output import LimitedStringIO
from liquid.stringify import to_liquid_string
from liquid.undefined import UNDEFINED, FalsyStrictUndefined, Undefined
from liquid.utils import ReadOnlyChainMap

from streams.engine.definition import did_you_mean
from streams.engine.limits import (
    CONTENT_BYTES_MAX,
    TEMPLATE_EXPRESSION_PARTS_MAX,
    TEMPLATE_LOOP_ROUNDS_MAX,
    TEMPLATE_SOURCE_CHARS_MAX,
    TEMPLATE_TAGS_MAX,
    TEMPLATE_TEXT_BYTES_MAX,
)
from streams.engine.liquid_work import QUICK_CHARS_PER_UNIT, Work, check_number, metered, size_of
from streams.engine.quick_text import compile_quickly, plain_number
from streams.errors import RekindleError


class TemplateError(RekindleError):
    """A text that doesn't parse, or can't be rendered with these data."""


class TemplateLimitError(TemplateError):
    """A text that exceeds a bound when it is rendered."""


class LiquidText:
    """A parsed text. Making one raises `TemplateError` that names line and mistake."""

    __slots__ = ("_quick", "_template", "source")

    def __init__(self, source: str, *, html: bool = False) -> None:
        if len(source) > TEMPLATE_SOURCE_CHARS_MAX:
            raise TemplateError(f"is longer than {TEMPLATE_SOURCE_CHARS_MAX} characters")
        if source.count("{{") + source.count("{%") > TEMPLATE_TAGS_MAX:
            raise TemplateError(f"has more than {TEMPLATE_TAGS_MAX} outputs and tags")
        self.source = source
        try:
            self._template = _parse(source, html)
        except LiquidError as error:
            raise TemplateError(_message(error)) from None
        except RecursionError:
            raise TemplateError("is nested too deeply") from None
        self._quick = compile_quickly(self._template.nodes, html=html)

    def render(self, data: Mapping[str, Any], work: Work | None = None) -> str:
        """The text with the data's values, paid from `work`, by default an allowance of its own.

        Raises `TemplateError`.
        """
        paid = work or Work()
        quickly = self.render_quickly(data)
        if quickly is None:
            return self.render_slowly(data, paid)
        try:
            paid.charge(1 + len(quickly) // QUICK_CHARS_PER_UNIT)
        except ResourceLimitError as error:
            raise TemplateLimitError(_message(error)) from None
        return quickly

    def render_quickly(self, data: Mapping[str, Any]) -> str | None:
        """The same without python-liquid, None if it takes python-liquid to tell."""
        return None if self._quick is None else self._quick(data)

    def render_slowly(self, data: Mapping[str, Any], work: Work | None = None) -> str:
        """The same by python-liquid, which decides what a text says. Raises `TemplateError`."""
        buffer = LimitedStringIO(limit=TEMPLATE_TEXT_BYTES_MAX)
        try:
            context = _Context(self._template, globals=data, work=work or Work())
            self._template.render_with_context(context, buffer)
            text = buffer.getvalue()
            context.work.charge(size_of(text))
        except ResourceLimitError as error:
            raise TemplateLimitError(_message(error)) from None
        except LiquidError as error:
            raise TemplateError(_message(error)) from None
        except (ArithmeticError, ValueError, TypeError, LookupError, RecursionError, AttributeError) as error:
            raise TemplateError(f"{type(error).__name__}: {error}") from None
        return text

    def names(self) -> set[str]:
        """The paths that it asks of the data (`member.first_name`), but for those that it makes itself.

        What it asks of each record of a list that it loops over is named as of the first: `event.lines[0].name`.
        """
        return {str(path) for path in self._template.global_variable_paths()} | set(_looped(self._template.nodes, {}))

    def needed(self) -> set[str]:
        """Those of its paths that are rendered whatever the data: without them it always fails."""
        made = set(self._template.variables()) - set(self._template.global_variables())
        found = set()
        for node in self._template.nodes:
            expression = node.expression if isinstance(node, OutputNode) else None
            if isinstance(expression, FilteredExpression) and isinstance(expression.left, Path):
                first = expression.filters[0].name if expression.filters else None
                if first != "default" and expression.left.head() not in made:
                    found.add(str(expression.left))
        return found


_Content = TypeVar("_Content")


def render_body(value: Any, data: Mapping[str, Any], work: Work) -> Any:
    """`value` with every string in it rendered, however deep: a webhook's body. Raises `TemplateError`."""
    return within_bounds(_render_strings(value, data, work))


def _render_strings(value: Any, data: Mapping[str, Any], work: Work) -> Any:
    if isinstance(value, str):
        return LiquidText(value).render(data, work)
    if isinstance(value, Mapping):
        return {key: _render_strings(item, data, work) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_render_strings(item, data, work) for item in value]
    return value


def within_bounds(content: _Content) -> _Content:
    """A message's or a webhook's content, if it isn't too much for one record. Raises `TemplateError`."""
    if _text_bytes(content) > CONTENT_BYTES_MAX:
        raise TemplateLimitError(f"makes more than {CONTENT_BYTES_MAX} bytes")
    return content


def _text_bytes(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping):
        return sum(len(str(key)) + _text_bytes(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(map(_text_bytes, value))
    return len(str(value))


def strings_names(value: Any) -> set[str]:
    """The paths that the strings in `value` ask of the data. Raises `TemplateError`."""
    return {name for text in _strings(value) for name in LiquidText(text).names()}


def strings_needed(value: Any) -> set[str]:
    """Those of them that are rendered whatever the data. Raises `TemplateError`."""
    return {name for text in _strings(value) for name in LiquidText(text).needed()}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        return
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for item in items:
        yield from _strings(item)


def _looped(nodes: Iterable[Node], lists: Mapping[str, str]) -> Iterator[str]:
    """The paths below records of lists; `lists` are the names of loops around, each with its list's path."""
    for node in nodes:
        inside = lists
        for expression in node.expressions():
            for path in _paths(expression):
                found = _resolved(path, lists)
                if found is not None:
                    yield found
            if isinstance(expression, LoopExpression) and isinstance(expression.iterable, Path):
                around = _resolved(expression.iterable, lists)
                inside = {**lists, str(expression.identifier): around or str(expression.iterable)}
        yield from _looped(node.children(_Context(_EMPTY), include_partials=False), inside)


def _resolved(path: Path, lists: Mapping[str, str]) -> str | None:
    head, rest = str(path.head()), str(path)
    return f"{lists[head]}[0]{rest.removeprefix(head)}" if head in lists else None


def _paths(expression: Expression) -> Iterator[Path]:
    if isinstance(expression, Path):
        yield expression
    for child in expression.children():
        yield from _paths(child)


# Values --------------------------------------------------------------------------------------------------------------


class _Plain(Decimal):
    """A decimal that prints plainly wherever a filter makes a string of it."""

    def __str__(self) -> str:
        return plain_number(Decimal(self))


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is Decimal or kind is float:
        return _Plain(value if kind is Decimal else repr(value))
    if kind is datetime:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else value.isoformat()
    if kind is date:
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if kind is dict:
        return {key: _plain(item) for key, item in value.items()}
    return value


class _Missing(FalsyStrictUndefined):
    """Undefined or null: false in tests, replaced by `default`, an error anywhere else."""

    force_liquid_default = True


class _Context(RenderContext):
    """Names come from the data alone, nulls count as undefined, and numbers are plain."""

    def __init__(self, template: BoundTemplate, *, work: Work | None = None, **options: Any) -> None:
        self.work = work or Work()
        self._plain_lists: dict[int, tuple[object, object]] = {}
        super().__init__(template, **options)
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)

    @property
    def disabled_tags(self) -> list[str]:
        """None: every node asks before it is rendered, and so this is where it is paid for."""
        self.work.charge(1)
        return []

    @disabled_tags.setter
    def disabled_tags(self, names: list[str]) -> None:
        assert not names, "only `include` and `render` disable tags, and they are not part of the language"

    def filter(self, name: str, token: Any) -> Callable[..., Any]:
        return metered(self.work, name, super().filter(name, token))

    def get(self, path: list[object], *, token: Any, default: object = UNDEFINED) -> object:
        found = super().get(path, token=token, default=default)
        if found is None:
            name = ".".join(str(segment) for segment in path)
            return _Missing(name, hint=f"{name} is null", token=token)
        if isinstance(found, Undefined):
            return found
        if not isinstance(found, list | tuple):
            return _plain(found)
        self.work.charge(size_of(found))
        made = self._plain_lists.get(id(found))
        if made is None:
            self.work.charge(sum(len(item) for item in found if isinstance(item, dict | list)))
            made = self._plain_lists[id(found)] = (found, _plain(found))  # kept with it, so that no other has its id
        return made[1]


class _Template(BoundTemplate):
    context_class = _Context


class _OutputNode(OutputNode):
    """What came out null, after all filters, isn't rendered either."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        if value is None or isinstance(value, Undefined):
            raise UndefinedError(f"{self.expression} is undefined or null", token=self.token)
        if isinstance(value, Mapping):
            raise UndefinedError(f"{self.expression} is a record, not a text", token=self.token)
        return buffer.write(to_liquid_string(_plain(value), context.autoescape))


class _Output(Output):
    node_class = _OutputNode


class _EchoNode(_OutputNode, EchoNode):
    pass


class _Echo(EchoTag):
    node_class = _EchoNode


# Filters -------------------------------------------------------------------------------------------------------------

_Number = int | Decimal


def _number(value: Any) -> _Number:
    if isinstance(value, Undefined):
        str(value)  # raises, and names it
    if isinstance(value, int) and not isinstance(value, bool):
        return check_number(value)
    if isinstance(value, Decimal):
        return check_number(Decimal(value))
    if isinstance(value, float):
        return check_number(Decimal(repr(value)))
    if isinstance(value, str):
        with contextlib.suppress(DecimalException):
            found = check_number(Decimal(value.strip()))
            return int(found) if value.strip().lstrip("-").isdigit() else found
    raise FilterArgumentError(f"expected a number, found {value!r}", token=None)


def _arithmetic(combine: Callable[[_Number, _Number], _Number]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        return _plain(check_number(combine(_number(left), _number(right))))

    return apply


def _divided_by(left: _Number, right: _Number) -> _Number:
    if right == 0:
        raise FilterArgumentError("can't divide by 0", token=None)
    if isinstance(left, int) and isinstance(right, int):
        return left // right
    return Decimal(left) / Decimal(right)


def _modulo(left: _Number, right: _Number) -> _Number:
    if right == 0:
        raise FilterArgumentError("can't divide by 0", token=None)
    return left - right * _rounded(Decimal(left) / Decimal(right), ROUND_FLOOR)


def _rounded(value: Any, rounding: str) -> int:
    return int(Decimal(_number(value)).to_integral_value(rounding=rounding))


def _round(value: Any, digits: Any = 0) -> Any:
    places = int(_number(digits))
    if places <= 0:
        return _rounded(value, ROUND_HALF_UP)
    return _plain(Decimal(_number(value)).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP))


def _sum(values: Any, key: Any = None) -> Any:
    items = values if isinstance(values, list) else [values]
    total: _Number = 0
    for item in items:
        total = total + _number(item[key] if key is not None else item)
    return _plain(total)


def _date(value: Any, pattern: Any) -> str:
    """A date or time in ISO 8601, written by the pattern of strftime; never the present moment."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise FilterArgumentError(f"expected a date or time in ISO 8601, found {value!r}", token=None) from None
    return found.strftime(str(pattern))


_FILTERS: dict[str, Callable[..., Any]] = {
    "plus": _arithmetic(lambda left, right: left + right),
    "minus": _arithmetic(lambda left, right: left - right),
    "times": _arithmetic(lambda left, right: left * right),
    "divided_by": _arithmetic(_divided_by),
    "modulo": _arithmetic(_modulo),
    "at_most": _arithmetic(min),
    "at_least": _arithmetic(max),
    "abs": lambda value: _plain(abs(_number(value))),
    "ceil": lambda value: _rounded(value, ROUND_CEILING),
    "floor": lambda value: _rounded(value, ROUND_FLOOR),
    "round": _round,
    "sum": _sum,
    "date": _date,
}


# Environments --------------------------------------------------------------------------------------------------------


class _Environment(Environment):
    template_class = _Template
    output_stream_limit: ClassVar[int | None] = TEMPLATE_TEXT_BYTES_MAX
    loop_iteration_limit: ClassVar[int | None] = TEMPLATE_LOOP_ROUNDS_MAX
    local_namespace_limit: ClassVar[int | None] = TEMPLATE_TEXT_BYTES_MAX

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for name in ("include", "render"):
            del self.tags[name]
        self.add_tag(_Output)
        self.add_tag(_Echo)
        self.filters.update(_FILTERS)


_TEXT = _Environment(undefined=_Missing)
_EMPTY = _TEXT.from_string("")
_HTML = _Environment(undefined=_Missing, autoescape=True)


@lru_cache(maxsize=4096)
def _parse(source: str, html: bool) -> BoundTemplate:
    template = (_HTML if html else _TEXT).from_string(source)
    for name in template.filter_names():
        if name not in template.env.filters:
            raise UnknownFilterError(f"unknown filter `{name}`{did_you_mean(name, template.env.filters)}", token=None)
    context = _Context(template)
    for node in template.nodes:
        _make_exact(node, context)
    return template


def _make_exact(node: Node, context: RenderContext) -> None:
    """Literals with a fraction (`12.5`) become decimals."""
    for expression in node.expressions():
        if _make_exact_in(expression) > TEMPLATE_EXPRESSION_PARTS_MAX:
            raise ResourceLimitError(f"an expression has more than {TEMPLATE_EXPRESSION_PARTS_MAX} parts", token=None)
    for child in node.children(context, include_partials=False):
        _make_exact(child, context)


def _make_exact_in(expression: Expression) -> int:
    """Returns how many parts the expression has."""
    if isinstance(expression, FloatLiteral):
        expression.value = _plain(expression.value)
    return 1 + sum(map(_make_exact_in, expression.children()))


def _message(error: LiquidError) -> str:
    token = error.token
    line = f"line {token.source.count(chr(10), 0, token.start_index) + 1}: " if token and token.start_index >= 0 else ""
    return f"{line}{error.message}"


__all__ = ["LiquidText", "Markup", "TemplateError", "plain_number", "render_body"]
