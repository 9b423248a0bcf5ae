"""Events in files: JSON lines, one flat object per event, header and body side by side.

Every line is checked against the catalogue as strictly as the registry would, because a file is where people mistype:
a field that the type doesn't have, a number in quotes or a time without offset is an error that names the file, the
line and the field. Values come out in the canonical form of `schemas.values`, the same as from Kafka.

`source` may be left out (it is `file` then); `event_id`, `type` and `occurred_at` may not. An exported log has,
besides, an object `log` with partition, offset and key in each line, and lines of `type` `tick`,
`programme_applied`, `state_moved` and `state_handed_over` (whose state is in base64).
"""

import base64
import binascii
import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from schemas.catalogue import EVENT_TYPES, HEADER, EventType, FieldType
from schemas.keys import KEY_FIELDS, UNFIT_FOR_KEYS, event_key
from schemas.values import datetime_from_ms, exact, format_time, ms_from_datetime, parse_time
from streams.engine.events import Event, LogRecord, ProgrammeApplied, StateHandedOver, StateMoved, Tick
from streams.errors import InputError

DEFAULT_SOURCE = "file"
LINE_CHARACTERS_MAX = 200_000
"""Far above any receipt, and surely below the 1 MiB that Kafka takes, whatever the characters."""
LOG_LINE_CHARACTERS_MAX = 16 * 1_048_576
"""Of an exported log: whatever came by Kafka in 1 MiB. A byte of a key may take twelve, as `\\u0001` in two fields."""
LOG_ONLY_TYPES = ("tick", "programme_applied", "state_moved", "state_handed_over")
_OFFSET_MAX = 2**63 - 1


class LogPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record stands in `member.events`."""

    partition: int
    offset: int
    key: str | None


class _Unfit(Exception):  # noqa: N818 - control flow inside this module
    """A value isn't what its field takes; `path` is the field, from the inside out while it travels up."""

    def __init__(self, complaint: str, path: str = "") -> None:
        super().__init__(complaint)
        self.complaint = complaint
        self.path = path

    def inside(self, path: str) -> "_Unfit":
        """Say the same of a field of the field `path`."""
        separator = "." if self.path and not self.path.startswith("[") else ""
        return _Unfit(self.complaint, f"{path}{separator}{self.path}")


def read_file(path: Path, *, events_only: bool = False) -> Iterator[tuple[LogRecord, LogPosition | None]]:
    """Read the events of a file; raises `InputError` for a file or line that can't be read."""
    try:
        # Bytes that are no UTF-8 become lone surrogates, which the line's check then names.
        with path.open(encoding="utf-8", errors="surrogateescape") as lines:
            yield from read_events(lines, str(path), events_only=events_only)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def read_events(
    lines: Iterable[str], file: str, *, events_only: bool = False
) -> Iterator[tuple[LogRecord, LogPosition | None]]:
    """Read JSON lines; blank ones are skipped. Raises `InputError` with file, line, field and what was expected.

    With `events_only`, an exported log's ticks and programmes are errors too.
    """
    for number, line in enumerate(lines, 1):
        text = line.removeprefix("\ufeff") if number == 1 else line
        if not text.strip():
            continue
        try:
            is_exported = not events_only and '"log"' in text
            found = _parse(text, LOG_LINE_CHARACTERS_MAX if is_exported else LINE_CHARACTERS_MAX)
            record, position = _read(found, events_only=events_only)
        except _Unfit as unfit:
            field = f"field `{unfit.path}`: " if unfit.path else ""
            raise InputError(f"{file}:{number}: {field}{unfit.complaint}") from None
        yield record, position


def _parse(text: str, characters_max: int) -> dict[str, Any]:
    if len(text) > characters_max:
        raise _Unfit(f"expected at most {characters_max} characters, got {len(text)}")
    try:
        found = json.loads(
            text,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object_without_repetition,
        )
    except json.JSONDecodeError as error:
        raise _Unfit(f"expected a JSON object: {error.msg}, column {error.colno}") from None
    except RecursionError:
        raise _Unfit("expected a flat JSON object, this one is nested too deeply") from None
    if not isinstance(found, dict):
        raise _Unfit(f"expected a JSON object, got {_show(found)}")
    return found


def _refuse_constant(name: str) -> Any:
    raise _Unfit(f"expected JSON, which has no {name}")


def _object_without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Unfit("expected once, it stands here twice", next(name for name in names if names.count(name) > 1))
    return found


def _read(raw: dict[str, Any], *, events_only: bool) -> tuple[LogRecord, LogPosition | None]:
    position = _take(raw, "log", _log_position) if raw.get("log") is not None else raw.pop("log", None)
    name = _take(raw, "type", _string)
    if name in LOG_ONLY_TYPES and events_only:
        raise _Unfit(f"expected an event: `{name}` is written by the pipeline", "type")
    if name in LOG_ONLY_TYPES:
        return _log_only_record(name, raw), position
    event_type = EVENT_TYPES.get(name)
    if event_type is None:
        raise _Unfit(f"unknown event type `{name}`{_did_you_mean(name, EVENT_TYPES)}", "type")
    if event_type.topic is None:
        raise _Unfit(f"`{name}` is derived by the pipeline and cannot be given", "type")
    return _event(event_type, raw, position), position


def _event(event_type: EventType, raw: dict[str, Any], position: LogPosition | None) -> Event:
    event_id = _take(raw, "event_id", _identifier)
    occurred_at = _take(raw, "occurred_at", _time)
    source = _take(raw, "source", _identifier, DEFAULT_SOURCE)
    member_id = _take(raw, "member_id", _member_id, None)
    historical = _take(raw, "historical", _boolean, default=False)
    body = _record(_READERS[event_type.name], raw, owner=event_type.name, names_besides=("log", *HEADER))
    key = event_key(event_type.name, member_id, body) if position is None else position.key
    if key is None:
        raise _Unfit(
            "expected something that says whose event it is: a member id, visitor, card, phone, e-mail or receipt",
            "member_id" if position is None else "log.key",
        )
    return Event(
        event_id=event_id,
        type=event_type.name,
        occurred_at=occurred_at,
        source=source,
        key=key,
        member_id=member_id,
        historical=historical,
        body=body,
    )


def _log_only_record(name: str, raw: dict[str, Any]) -> LogRecord:
    occurred_at = _take(raw, "occurred_at", _time)
    record: LogRecord
    if name == "tick":
        clock = _take(raw, "clock", partial(_enum, ("wall", "event")))
        record = Tick(occurred_at=occurred_at, wall=clock == "wall")
    elif name == "programme_applied":
        record = ProgrammeApplied(occurred_at=occurred_at, programme=_take(raw, "programme", _whole))
    elif name == "state_moved":
        record = StateMoved(
            occurred_at=occurred_at,
            move_id=_take(raw, "move_id", _identifier),
            gone=_take(raw, "gone", _identifier),
            into=_take(raw, "into", _identifier, None),
            historical=_take(raw, "historical", _boolean, default=False),
            erased=_take(raw, "erased", _boolean, default=False),
        )
    else:
        record = StateHandedOver(
            occurred_at=occurred_at,
            move_id=_take(raw, "move_id", _identifier),
            gone=_take(raw, "gone", _identifier),
            into=_take(raw, "into", _identifier),
            historical=_take(raw, "historical", _boolean, default=False),
            state=_take(raw, "state", _base64, None),
        )
    if raw:
        raise _Unfit(f"`{name}` has no such field", next(iter(raw)))
    return record


def _log_position(raw: Any) -> LogPosition:
    if not isinstance(raw, dict):
        raise _expected("an object with partition, offset and key", raw)
    position = LogPosition(
        partition=_take(raw, "partition", _whole),
        offset=_take(raw, "offset", _whole),
        key=_take(raw, "key", _identifier, None),
    )
    if raw:
        raise _Unfit("`log` has partition, offset and key", next(iter(raw)))
    return position


_REQUIRED: Any = object()


def _take(raw: dict[str, Any], name: str, reader: Callable[[Any], Any], default: Any = _REQUIRED) -> Any:
    """Remove a field and read it; a missing or null one is its default."""
    value = raw.pop(name, None)
    if value is None:
        if default is _REQUIRED:
            raise _Unfit("expected, and missing", name)
        return default
    return _at(name, reader, value)


def _at(path: str, reader: Callable[[Any], Any], value: Any) -> Any:
    try:
        return reader(value)
    except _Unfit as unfit:
        raise unfit.inside(path) from None


def _record(
    readers: Mapping[str, tuple[Callable[[Any], Any], Any]],
    raw: Any,
    owner: str = "a line",
    names_besides: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Read an object's fields in the order of the schema; null and absent ones are their default or left out."""
    if not isinstance(raw, dict):
        raise _expected("an object", raw)
    if not raw.keys() <= readers.keys():
        unknown = next(name for name in raw if name not in readers)
        raise _Unfit(f"{owner} has no such field{_did_you_mean(unknown, (*readers, *names_besides))}", unknown)
    found = {}
    name = ""
    try:
        for name, (reader, default) in readers.items():
            value = raw.get(name)
            if value is not None:
                found[name] = reader(value)
            elif default is not None:
                found[name] = default
    except _Unfit as unfit:
        raise unfit.inside(name) from None
    return found


def _records(readers: Mapping[str, tuple[Callable[[Any], Any], Any]], raw: Any) -> list[dict[str, Any]]:
    if not isinstance(raw, list):
        raise _expected("a list of objects", raw)
    return [_at(f"[{index}]", partial(_record, readers), each) for index, each in enumerate(raw)]


def _attributes(raw: Any) -> dict[str, Any]:
    """Read a map; an entry that is null changes nothing and is left out."""
    if not isinstance(raw, dict):
        raise _expected("an object", raw)
    return {_string(name): _at(name, _attribute, value) for name, value in raw.items() if value is not None}


def _attribute(raw: Any) -> Any:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        return _string(raw)
    if isinstance(raw, Decimal):
        return _decimal(raw)
    raise _expected("a text, a number, true or false", raw)


def _string(raw: Any) -> str:
    if not isinstance(raw, str):
        raise _expected("a text", raw)
    if not raw.isascii():
        try:
            raw.encode()
        except UnicodeEncodeError:
            raise _Unfit("expected a text in UTF-8") from None
    return raw


def _identifier(raw: Any) -> str:
    text = _string(raw)
    if not text:
        raise _expected("a text that isn't empty", raw)
    return text


def _part_of_key(raw: Any) -> str:
    text = _string(raw)
    if UNFIT_FOR_KEYS in text:
        raise _expected("a text without a zero byte", raw)
    return text


def _member_id(raw: Any) -> str:
    return _part_of_key(_identifier(raw))


def _boolean(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise _expected("true or false", raw)
    return raw


def _decimal(raw: Any) -> Decimal:
    if not isinstance(raw, Decimal):
        raise _expected("a number", raw)
    try:
        return exact(raw)
    except ValueError as error:
        raise _expected(str(error), raw) from None


def _whole(raw: Any) -> int:
    if not isinstance(raw, Decimal) or not 0 <= raw <= _OFFSET_MAX or raw != raw.to_integral_value():
        raise _expected("a whole number, 0 or more", raw)
    return int(raw)


def _time(raw: Any) -> int:
    if not isinstance(raw, str):
        raise _expected("a time in ISO 8601 with offset", raw)
    try:
        return parse_time(raw)
    except ValueError as error:
        raise _expected(str(error), raw) from None


def _base64(raw: Any) -> bytes:
    try:
        return base64.b64decode(_string(raw), validate=True)
    except binascii.Error:
        raise _expected("bytes in base64", raw) from None


def _timestamp(raw: Any) -> datetime:
    return datetime_from_ms(_time(raw))


def _date(raw: Any) -> date:
    try:
        return date.fromisoformat(raw)
    except (ValueError, TypeError):
        raise _expected("a date such as 1990-05-17", raw) from None


def _enum(symbols: tuple[str, ...], raw: Any) -> str:
    if raw not in symbols:
        raise _expected(f"{', '.join(symbols[:-1])} or {symbols[-1]}", raw)
    return str(raw)


def _reader(field: FieldType) -> Callable[[Any], Any]:
    if field.kind == "records":
        return partial(_records, _readers(field.fields))
    if field.kind == "enum":
        return partial(_enum, field.symbols)
    return _SIMPLE_READERS[field.kind]


def _readers(fields: Mapping[str, FieldType]) -> Mapping[str, tuple[Callable[[Any], Any], Any]]:
    return {name: (_reader(field), field.default) for name, field in fields.items()}


_SIMPLE_READERS: Mapping[str, Callable[[Any], Any]] = {
    "string": _string,
    "boolean": _boolean,
    "integer": _whole,
    "decimal": _decimal,
    "timestamp": _timestamp,
    "date": _date,
    "map": _attributes,
}
_READERS = {
    event_type.name: {
        name: (_part_of_key if name in KEY_FIELDS else reader, default)
        for name, (reader, default) in _readers(event_type.fields).items()
    }
    for event_type in EVENT_TYPES.values()
}


def _expected(what: str, got: Any) -> _Unfit:
    return _Unfit(f"expected {what}, got {_show(got)}")


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}…"


_SHOWN_CHARACTERS_MAX = 60


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


_TO_JSON = msgspec.json.Encoder(decimal_format="number").encode


def format_record(record: LogRecord, *, log: LogPosition | None) -> str:
    """Write a record as one line, without the line feed; `read_events` reads the same record from it."""
    flat: dict[str, Any]
    if isinstance(record, Event):
        flat = {
            "event_id": record.event_id,
            "type": record.type,
            "occurred_at": format_time(record.occurred_at),
            "source": record.source,
        }
        if record.member_id is not None:
            flat["member_id"] = record.member_id
        if record.historical:
            flat["historical"] = True
        for name, value in record.body.items():
            flat[name] = format_time(ms_from_datetime(value)) if isinstance(value, datetime) else value
    elif isinstance(record, Tick):
        clock = "wall" if record.wall else "event"
        flat = {"type": "tick", "occurred_at": format_time(record.occurred_at), "clock": clock}
    elif isinstance(record, ProgrammeApplied):
        occurred_at = format_time(record.occurred_at)
        flat = {"type": "programme_applied", "occurred_at": occurred_at, "programme": record.programme}
    else:
        name = "state_moved" if isinstance(record, StateMoved) else "state_handed_over"
        flat = {"type": name, **msgspec.structs.asdict(record), "occurred_at": format_time(record.occurred_at)}
    if log is not None:
        flat["log"] = {"partition": log.partition, "offset": log.offset, "key": log.key}
    return _TO_JSON(flat).decode()
