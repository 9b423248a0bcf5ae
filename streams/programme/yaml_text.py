"""YAML as the campaign language takes it: plain data, and the place of every value.

The scalars are those of YAML 1.2 (core schema): `on` and `no` are strings, and so is `10:00`, which YAML 1.1 reads as
600. A number with a fraction becomes a `Decimal` through its text. Keys are always strings. Tags are refused, a key
stated twice is reported. What aliases can blow up to is bounded.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

from streams.engine.definition import Loc
from streams.programme.problems import Problem, Severity

VALUES_MAX = 500_000
DEPTH_MAX = 60
NESTING_MAX = 500
_EXPONENT_MAX = 30
_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAGS = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map", "!"})


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes; what a plain scalar means is decided here, not by YAML 1.1's resolvers."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own shape


@dataclass(slots=True)
class Document:
    """One file: its data, and where each path of them stands (line and column from 1)."""

    file: str
    data: Any = None
    places: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: Sequence[str | int], message: str, severity: Severity = "error") -> Problem:
        """A problem at a path; the parts of it that the file doesn't have are named, and its nearest place is given."""
        place: Loc = ()
        shown: list[str | int] = []
        lost = False
        for part in path:
            if not lost and (*place, part) in self.places:
                place = (*place, part)
                shown.append(part)
            elif not (isinstance(part, int) and not lost and (*place, 0) not in self.places):
                lost = True
                shown.append(part)
        line, column = self.places.get(place, (1, 1))
        return Problem(self.file, line, column, field_path(shown), message, severity)


def field_path(path: Sequence[str | int]) -> str:
    """`actions[1].send.template`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_yaml(text: str, file: str) -> Document:
    """Read one file. What is wrong with it as YAML stands in the document's problems."""
    document = Document(file)
    try:
        too_deep = _nested_too_deeply(text)
        if too_deep is not None:
            line, column = too_deep.line + 1, too_deep.column + 1
            document.problems.append(Problem(file, line, column, "", "isn't usable: nested too deeply"))
            return document
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = ", ".join(str(part) for part in (error.context, error.problem) if part)
        document.problems.append(Problem(file, line, column, "", f"isn't valid YAML: {what}"))
    except yaml.YAMLError as error:
        document.problems.append(Problem(file, 1, 1, "", f"isn't valid YAML: {error}"))
    except RecursionError:
        document.problems.append(Problem(file, 1, 1, "", "isn't usable: nested too deeply"))
    else:
        if root is None:
            document.problems.append(Problem(file, 1, 1, "", "is empty"))
        else:
            document.data = _Reader(document).value(root, ())
    return document


def _nested_too_deeply(text: str) -> Any:
    """Where the text nests deeper than can be composed: that recurses in C, whose stack nobody guards.

    Few texts have the signs to nest so deeply at all; only these are parsed for it. Raises `yaml.YAMLError`.
    """
    if sum(map(text.count, "[{-?:")) < NESTING_MAX:
        return None
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > NESTING_MAX:
                return event.start_mark
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.values = 0

    def value(self, node: yaml.Node, path: Loc) -> Any:
        self.values += 1
        self.document.places.setdefault(path, _place(node))
        if self.values > VALUES_MAX or len(path) > DEPTH_MAX:
            if self.values <= VALUES_MAX + 1:
                self.values = VALUES_MAX + 1
                self._wrong(node, path, "holds too many values, or nests them too deeply")
            return None
        if node.tag not in _TAGS:
            self._wrong(node, path, f"tags such as `{node.tag}` are not part of the language")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return node.value if getattr(node, "style", None) else scalar(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Loc) -> dict[str, Any]:
        data: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(key_node, path, "a key is a word, not a list or a mapping")
                continue
            key = str(key_node.value)
            at = (*path, key)
            if key in data:
                self._wrong(key_node, at, f"is stated twice, first in line {lines[key]}")
                continue
            lines[key] = key_node.start_mark.line + 1
            if not isinstance(value_node, yaml.ScalarNode) or not value_node.value:
                self.document.places[at] = _place(key_node)
            data[key] = self.value(value_node, at)
        return data

    def _wrong(self, node: yaml.Node, path: Loc, message: str) -> None:
        line, column = _place(node)
        self.document.problems.append(Problem(self.document.file, line, column, field_path(path), message))


def scalar(text: str) -> Any:
    """What an unquoted scalar means in YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if not text[0].isdigit() and text[0] not in "+-.":
        return text
    if _INT.fullmatch(text) and len(text) <= _EXPONENT_MAX:
        return int(text)
    if _OTHER_INT.fullmatch(text) and len(text) <= _EXPONENT_MAX:
        return int(text, 0)
    if _FLOAT.fullmatch(text) and len(text) <= _EXPONENT_MAX:
        number = Decimal(text)
        return number if abs(number.adjusted()) <= _EXPONENT_MAX else text
    return text


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
