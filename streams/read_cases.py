"""The cases of a test file beside a campaign, read like the campaigns themselves: YAML 1.2, exact numbers, places.

A mistake is an `InputError` that names file, line and field.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from schemas.json_lines import read_events
from schemas.values import format_time, parse_time
from streams.engine.commands import Attribution, Award, Command, Decision, Dispatch, Webhook
from streams.engine.decision import OUTCOMES, REASONS
from streams.engine.definition import did_you_mean
from streams.engine.events import LogRecord
from streams.engine.templates import PARTS
from streams.errors import InputError
from streams.programme.yaml_text import Document, field_path, read_yaml

KINDS: Mapping[str, type[Command]] = {
    "dispatches": Dispatch,
    "awards": Award,
    "webhooks": Webhook,
    "attributions": Attribution,
    "decisions": Decision,
}
MESSAGE = "dispatch_of"
TIMES = ("at", "not_after", "activates_at", "expires_at", "occurred_at", "touched_at")
_FIELDS = ("name", "given", "until", "start", "status", *KINDS)
_STATUSES = ("live", "draft", "paused", "stopped")
_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Given:
    """An event of a case; `place` is where it stands, `file:line`."""

    place: str
    fields: dict[str, Any]

    def read(self) -> list[tuple[LogRecord, None]]:
        """The event as from a file of events; raises `InputError` for what is none."""
        line = _encoder.encode(self.fields).decode()
        return [(record, None) for record, _ in read_events([line], self.place)]

    def moment(self) -> int:
        """Its `occurred_at` in milliseconds; raises `InputError` without."""
        return _moment(self.fields.get("occurred_at"), f"{self.place}: field `occurred_at`")


@dataclass(frozen=True, slots=True)
class Case:
    """What is given, from when and until when (ms), and what is expected, by kind of command; where it stands."""

    name: str
    line: int
    given: Sequence[Given]
    until: int
    start: int | None
    status: str
    expected: Mapping[str, Sequence[dict[str, Any]]]


def read_cases(file: Path) -> Iterator[Case]:
    """Every case of the file, in order."""
    try:
        document = read_yaml(file.read_text(encoding="utf-8-sig"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: can't be read: {error}") from None
    if document.problems:
        raise InputError("\n".join(map(str, document.problems)))
    cases = document.data
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise InputError(f"{file}:1: expected a list of cases with name, given and until")
    for index, case in enumerate(cases):
        yield _Reader(document, index, case).case()


class _Reader:
    def __init__(self, document: Document, index: int, data: dict[str, Any]) -> None:
        self._document = document
        self._index = index
        self._data = data

    def case(self) -> Case:
        data = self._data
        for field in ("given", "until"):
            if field not in data:
                raise InputError(f"{self._place()}: field `{field}`: expected, and missing")
        for field in data:
            if field not in _FIELDS:
                near = did_you_mean(field, _FIELDS)
                raise InputError(f"{self._at(field)}: expected one of {', '.join(_FIELDS)}{near}")
        if data.get("status", "live") not in _STATUSES:
            raise InputError(f"{self._at('status')}: expected one of {', '.join(_STATUSES)}")
        kinds = [kind for kind in KINDS if kind in data]
        if not kinds:
            raise InputError(f"{self._place()}: expected one of {', '.join(KINDS)}: it would check nothing")
        return Case(
            name=str(data.get("name", f"case {self._index + 1}")),
            line=self._line(),
            given=list(self._given()),
            until=_moment(data["until"], self._at("until")),
            start=_moment(data["start"], self._at("start")) if "start" in data else None,
            status=data.get("status", "live"),
            expected={kind: list(self._expected(kind)) for kind in kinds},
        )

    def _expected(self, kind: str) -> Iterator[dict[str, Any]]:
        """The entries of a list; a word that no record of the kind could ever have is a mistake, not a difference."""
        for number, entry in enumerate(self._mappings(kind, "mappings")):
            for name in entry:
                self._known((kind, number, name), name, KINDS[kind].__struct_fields__)
            for name in entry["content"] if isinstance(entry.get("content"), dict) else ():
                self._known((kind, number, "content", name), name, PARTS)
            for name, words in (("outcome", OUTCOMES), ("reason", REASONS)):
                if entry.get(name) is not None and name in KINDS[kind].__struct_fields__:
                    self._known((kind, number, name), entry[name], words)
            yield _with_times(entry)

    def _known(self, path: tuple[str | int, ...], word: Any, words: Iterable[str]) -> None:
        if word not in words:
            field = field_path(path)
            near = did_you_mean(word, words)
            raise InputError(f"{self._place(*path)}: field `{field}`: expected one of {', '.join(words)}{near}")

    def _given(self) -> Iterator[Given]:
        for number, fields in enumerate(self._mappings("given", "events")):
            named = {"event_id": f"given-{number + 1}", "source": "test", **fields}
            yield Given(self._place("given", number), named)

    def _mappings(self, field: str, what: str) -> list[dict[str, Any]]:
        entries = self._data[field] if self._data[field] is not None else []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InputError(f"{self._at(field)}: expected a list of {what}")
        return entries

    def _at(self, field: str) -> str:
        return f"{self._place(field)}: field `{field}`"

    def _place(self, *path: str | int) -> str:
        return f"{self._document.file}:{self._line(*path)}"

    def _line(self, *path: str | int) -> int:
        """The line of what stands at the path, or of the nearest around it."""
        while path and (self._index, *path) not in self._document.places:
            path = path[:-1]
        return self._document.places.get((self._index, *path), (1, 1))[0]


def _moment(value: Any, place: str) -> int:
    try:
        return parse_time(str(value))
    except ValueError as error:
        raise InputError(f"{place}: expected {error}") from None


def _with_times(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with its times as the output has them, whatever their offset."""
    return {key: _in_utc(value) if key in TIMES else value for key, value in entry.items()}


def _in_utc(value: Any) -> Any:
    try:
        return format_time(parse_time(value)) if isinstance(value, str) else value
    except ValueError:
        return value
