"""Templates: what a message says, by parts. A channel takes the parts that it can carry."""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

from pydantic import PrivateAttr, model_validator

from streams.engine.channels import CHANNELS
from streams.engine.definition import Definition, Loc, invalid
from streams.engine.liquid_text import LiquidText, TemplateError, within_bounds
from streams.engine.liquid_work import Work
from streams.engine.values import Source, Text

PARTS = ("subject", "title", "text", "html", "image", "url", "button")
_CHARS_SMALL = 4_000
"""Parts of up to this, all together, are far within the bounds of a message."""
_CONFIRM = "%confirm_url:"
_OF_NO_TYPE = re.compile(rf"{_CONFIRM}\s*%")
"""A link to confirm (`streams.consent.links`) that says of no messaging type: it would confirm nothing."""
_MARK = re.compile(r"%(?:unsubscribe|confirm)_url[^%]*%?")
_Render = Callable[[Mapping[str, Any], Work], Any]


class Button(Definition):
    """A button: what stands on it, and where it leads."""

    text: Source
    """What stands on it."""
    url: Source
    """Where it leads."""


class Template(Definition):
    """The parts of a message, each in Liquid; `moderated` says that a social network has approved it."""

    example: ClassVar[str] = """\
id: come-back
subject: We miss you
text: "We miss you, {{ member.first_name }}"
html: "<p>We miss you, {{ member.first_name }}</p>"
"""

    id: Text
    """What `template` names."""
    text: Source | None = None
    """The text; of an e-mail, its plain part."""
    subject: Source | None = None
    """The subject of an e-mail."""
    html: Source | None = None
    """The HTML part of an e-mail; values are escaped."""
    image: Source | None = None
    """The address of an image."""
    title: Source | None = None
    """The title of a push or in-app message."""
    url: Source | None = None
    """Where a touch on it leads."""
    button: Button | None = None
    """A button below the text."""
    moderated: bool = False
    """Whether the social networks have approved it; `social` takes no other."""

    _parts: dict[str, _Render] = PrivateAttr(default_factory=dict)
    _names: dict[str, frozenset[str]] = PrivateAttr(default_factory=dict)
    _needed: dict[str, frozenset[str]] = PrivateAttr(default_factory=dict)
    _confirming_nothing: list[Loc] = PrivateAttr(default_factory=list)
    _link_marks: list[tuple[Loc, str]] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _compile(self) -> Self:
        problems: list[tuple[Loc, str]] = []
        names: dict[str, set[str]] = {}
        needed: dict[str, set[str]] = {}

        def parsed(source: str, loc: Loc) -> _Render:
            try:
                text = LiquidText(source, html=loc == ("html",))
            except TemplateError as error:
                problems.append((loc, f"isn't valid Liquid: {error}"))
                return lambda _data, _work: ""
            names.setdefault(str(loc[0]), set()).update(text.names())
            needed.setdefault(str(loc[0]), set()).update(text.needed())
            if _OF_NO_TYPE.search(source):
                self._confirming_nothing.append(loc)
            if "_url" in source:
                self._link_marks.extend((loc, mark) for mark in _MARK.findall(source))
            return _confirming(text.render) if _CONFIRM in source else text.render

        for part in PARTS:
            value = getattr(self, part)
            if isinstance(value, str):
                self._parts[part] = parsed(value, (part,))
            elif value is not None:
                self._parts[part] = _button(parsed(value.text, (part, "text")), parsed(value.url, (part, "url")))
        if not self._parts:
            problems.append((("text",), "a template has at least one part"))
        if problems:
            raise invalid(problems)
        self._names.update({part: frozenset(found) for part, found in names.items()})
        self._needed.update({part: frozenset(found) for part, found in needed.items()})
        return self

    @property
    def parts(self) -> frozenset[str]:
        """The parts that it has."""
        return frozenset(self._parts)

    @property
    def confirming_nothing(self) -> tuple[Loc, ...]:
        """Where it has a link to confirm that says of no messaging type, whatever the data."""
        return tuple(self._confirming_nothing)

    @property
    def link_marks(self) -> tuple[tuple[Loc, str], ...]:
        """What marks the place of a link to unsubscribe or confirm, as it is written, and where."""
        return tuple(self._link_marks)

    @property
    def names(self) -> frozenset[str]:
        """The paths that it asks of the data (`member.first_name`)."""
        return frozenset().union(*self._names.values())

    def names_in(self, part: str) -> frozenset[str]:
        """The paths that one part asks of the data; none if it hasn't that part."""
        return self._names.get(part, frozenset())

    def needed_in(self, part: str) -> frozenset[str]:
        """Those of them that the part renders whatever the data: without them it always fails."""
        return self._needed.get(part, frozenset())

    def render(self, channel: str, data: Mapping[str, Any], work: Work | None = None) -> dict[str, Any]:
        """The content of a message: the parts that the channel takes, in its order, paid from `work`.

        Raises `TemplateError`.
        """
        paid = work or Work()
        content = {part: render(data, paid) for part, render in self._taken[channel]}
        if any(len(each) > _CHARS_SMALL for each in content.values()):
            return within_bounds(content)
        return content

    @cached_property
    def _taken(self) -> Mapping[str, tuple[tuple[str, _Render], ...]]:
        """What each channel takes of it, with what renders it."""
        parts = self._parts
        return {name: tuple((part, parts[part]) for part in each.taken(parts)) for name, each in CHANNELS.items()}


def _confirming(render: _Render) -> _Render:
    def checked(data: Mapping[str, Any], work: Work) -> str:
        text: str = render(data, work)
        if _OF_NO_TYPE.search(text):
            raise TemplateError(f"`{_CONFIRM}…%` names no messaging type")
        return text

    return checked


def _button(text: _Render, url: _Render) -> _Render:
    return lambda data, work: {"text": text(data, work), "url": url(data, work)}


__all__ = ["PARTS", "Button", "Template", "TemplateError"]
