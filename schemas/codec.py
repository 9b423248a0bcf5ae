"""Records to bytes and back, in the registry's wire format: a zero, the schema's id in four bytes, plain Avro.

Decoding groups a batch by the writer's schema id, so that old and new producers mix, and never fails as a whole: what
doesn't decode comes out as a `BadRecord` in its place, with the reason.
"""

import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from schemas.avro_decode import Decode, FieldPlan, compile_decoder, plan_fields
from schemas.avro_encode import compile_encoder, compile_struct_encoder
from schemas.catalogue import EVENT_TYPES, HEADER, IDENTIFIERS, PERSONAL_IDENTIFIERS
from schemas.dead_letters import DeadLetter
from schemas.declarations import avro_schemas, topic_declarations
from schemas.erasure import Erasure
from schemas.keys import KEY_FIELDS, UNFIT_FOR_KEYS, event_key
from schemas.profiles import MemberProfile
from schemas.registry import SchemaSource, UnknownSchemaError
from schemas.wire.read import UndecodableError
from streams.engine.commands import Attribution, Award, Command, Decision, Dispatch, ProfileCheck, Webhook
from streams.engine.events import Event, LogRecord, ProgrammeApplied, StateHandedOver, StateMoved, Tick

VALUE_BYTES_MAX = 1_048_576
"""A record's value at most: what Kafka itself takes by default."""
HANDED_OVER_BYTES_MAX = 4 * 1_048_576
"""Of a state on its way to another partition, which nobody would have any more if it wasn't read: what producers send
(`streams.kafka.MESSAGE_BYTES_MAX`)."""

_PREFIX = struct.Struct(">bI")
_HEAD_BYTES = _PREFIX.size
_RECORD_OF_EVENT = {event_type.name: event_type.record for event_type in EVENT_TYPES.values()}
_EVENT_OF_RECORD = {record: name for name, record in _RECORD_OF_EVENT.items()}
_HANDED_OVER = "rekindle.log.StateHandedOver"
_LOG_RECORDS = frozenset(
    {
        *_EVENT_OF_RECORD,
        "rekindle.log.Tick",
        "rekindle.log.ProgrammeApplied",
        "rekindle.log.StateMoved",
        _HANDED_OVER,
    }
)
_STRUCTS: Mapping[
    str, type[Command | DeadLetter | Erasure | MemberProfile | ProgrammeApplied | StateMoved | StateHandedOver]
] = {
    "rekindle.commands.Dispatch": Dispatch,
    "rekindle.commands.Award": Award,
    "rekindle.commands.Decision": Decision,
    "rekindle.commands.Webhook": Webhook,
    "rekindle.commands.Attribution": Attribution,
    "rekindle.commands.ProfileCheck": ProfileCheck,
    "rekindle.members.Profile": MemberProfile,
    "rekindle.log.Erasure": Erasure,
    "rekindle.log.DeadLetter": DeadLetter,
    "rekindle.log.ProgrammeApplied": ProgrammeApplied,
    "rekindle.log.StateMoved": StateMoved,
    _HANDED_OVER: StateHandedOver,
}
_NAME_OF_STRUCT: Mapping[type[Any], str] = {each: name for name, each in _STRUCTS.items()}
_PLAIN_STRUCTS = frozenset(_NAME_OF_STRUCT) - {Webhook}  # what their fields hold is what is written
_COMMANDS = frozenset(name for name in _STRUCTS if name.startswith("rekindle.commands."))
_REPEATED = frozenset({"campaign", "version", "action", "channel", "outcome", "reason", "messaging_type"})
"""Fields of commands that say where in a programme it was decided, and how: they have few values."""
_TO_JSON = msgspec.json.Encoder(decimal_format="number").encode
_FROM_JSON = msgspec.json.Decoder(float_hook=Decimal).decode


class Header(msgspec.Struct, kw_only=True):
    """What ingest needs of an event, whose payload is known to decode. `occurred_at` is in milliseconds.

    `key` is whose state it belongs to as far as the event itself says: the member id, else the stranger's key.
    `personal`: it carries personal data, and is sealed on its way into the log. `body` has the fields that identify.
    """

    type: str
    occurred_at: int
    member_id: str | None
    source: str
    event_id: str
    historical: bool
    key: str
    personal: bool
    body: dict[str, Any] = {}


class BadRecord(msgspec.Struct):
    """A record that doesn't decode: why, and its bytes."""

    reason: str
    value: bytes


Row = dict[str, Any] | str
"""What a payload says, null and absent fields left out; a text says why it doesn't decode."""


class _Decoder:
    """Reads one writer schema. Raises what composing its reader raises."""

    def __init__(self, record: str, writer: Mapping[str, Any], plans: Sequence[FieldPlan]) -> None:
        self.record = record
        self.plain_fields = frozenset(plan.name for plan in plans if plan.kind != "records")
        self._writer = writer
        self._plans = plans
        self._decode: dict[Collection[str] | None, Decode] = {}
        self._compose(None)

    def read(self, values: Sequence[bytes], wanted: frozenset[str] | None) -> list[Row]:
        """Read records behind their prefixes; with `wanted`, other fields need only be sound."""
        decode = self._decode.get(wanted) or self._compose(wanted)
        rows: list[Row] = []
        for value in values:
            try:
                rows.append(decode(value, _HEAD_BYTES))
            except UndecodableError as error:
                rows.append(f"{self.record} doesn't decode: {error}")
        return rows

    def _compose(self, wanted: frozenset[str] | None) -> Decode:
        made = compile_decoder(self._writer, avro_schemas()[self.record], self._plans, wanted)
        self._decode[wanted] = made
        return made


Build = Callable[[str, Sequence[Row], Sequence[int]], list[Any]]
"""Makes results of the rows of one record type; a text is the reason for a bad one."""


class Codec:
    """Encodes and decodes with the schemas of one registry."""

    def __init__(self, registry: SchemaSource) -> None:
        self._registry = registry
        self._writers: dict[type[Any], Callable[[Any], bytes]] = {}
        self._encoders: dict[str, Callable[[Mapping[str, Any]], bytes]] = {}
        self._prefixes: dict[str, bytes] = {}
        self._decoders: dict[int, _Decoder | str] = {}

    def encode(self, record: LogRecord | Command | MemberProfile | DeadLetter | Erasure) -> bytes:
        """Encode one record. Raises `ValueError` naming an unfit field, and what the registry raises."""
        kind = type(record)
        write = self._writers.get(kind)
        if write is not None:
            return write(record)
        if kind in _PLAIN_STRUCTS:
            name = _NAME_OF_STRUCT[kind]
            prefix = _PREFIX.pack(0, self._registry.id_of(name))
            write = self._writers[kind] = compile_struct_encoder(avro_schemas()[name], _REPEATED, prefix)
            return write(record)
        name, values = _values(record)
        encoder = self._encoders.get(name)
        if encoder is None:
            encoder = self._encoders[name] = compile_encoder(avro_schemas()[name])
            self._prefixes[name] = _PREFIX.pack(0, self._registry.id_of(name))
        return self._prefixes[name] + encoder(values)

    def decode_log(
        self,
        values: Sequence[bytes],
        keys: Sequence[bytes | None],
        *,
        without_records: Collection[str] = (),
    ) -> list[LogRecord | BadRecord]:
        """Decode `member.events`, in order. `keys` are the records' Kafka keys; without one the event says whose.

        Events of the types `without_records` may come without their lists of records, of which it is proved that they
        decode: making them is most of the work.
        """
        plain = frozenset(_RECORD_OF_EVENT[each] for each in without_records)
        return self._decode(values, _LOG_RECORDS, _log_builder(keys), plain=plain)

    def decode_headers(self, values: Sequence[bytes], topic: str | None = None) -> list[Header | BadRecord]:
        """Decode events as far as ingest needs them, and prove that the rest decodes.

        A type that the topic's declaration doesn't list is a `BadRecord`; without a topic, every event type will do.
        """
        wanted = frozenset(_EVENT_OF_RECORD)
        if topic is not None:
            wanted &= frozenset(topic_declarations()[topic].schemas)
        return self._decode(values, wanted, _headers, _HEADER_FIELDS)

    def decode_commands(self, values: Sequence[bytes]) -> list[Command | BadRecord]:
        """Decode dispatches, awards, decisions, webhooks and attributions, in order."""
        return self._decode(values, _COMMANDS, _structs)

    def decode_profiles(self, values: Sequence[bytes]) -> list[MemberProfile | BadRecord]:
        """Decode members' profiles, in order."""
        return self._decode(values, frozenset({"rekindle.members.Profile"}), _structs)

    def decode_erasures(self, values: Sequence[bytes]) -> list[Erasure | BadRecord]:
        """Decode erasures, in order."""
        return self._decode(values, frozenset({"rekindle.log.Erasure"}), _structs)

    def decode_dead_letters(self, values: Sequence[bytes]) -> list[DeadLetter | BadRecord]:
        """Decode dead letters, in order."""
        return self._decode(values, frozenset({"rekindle.log.DeadLetter"}), _structs)

    def _decode(
        self,
        values: Sequence[bytes | None],
        wanted: Collection[str],
        build: Build,
        fields: frozenset[str] | None = None,
        plain: Collection[str] = (),
    ) -> list[Any]:
        results: list[Any] = [None] * len(values)
        by_head: dict[bytes, list[int]] = {}
        for index, value in enumerate(values):
            if (
                value is None
                or len(value) < _HEAD_BYTES
                or value[0] != 0
                or (len(value) > VALUE_BYTES_MAX and self._is_too_long(value))
            ):
                results[index] = BadRecord(_refusal(value), value or b"")
                continue
            head = value[:_HEAD_BYTES]
            if head in by_head:
                by_head[head].append(index)
            else:
                by_head[head] = [index]
        for head, indexes in by_head.items():
            decoder = self._decoder(int.from_bytes(head[1:], "big"))
            group: list[Any]
            if isinstance(decoder, str):
                group = [decoder] * len(indexes)
            elif decoder.record not in wanted:
                group = [f"{decoder.record} doesn't belong here"] * len(indexes)
            else:
                asked = decoder.plain_fields if decoder.record in plain else fields
                rows = decoder.read([values[index] or b"" for index in indexes], asked)
                group = build(decoder.record, rows, indexes)
            if len(indexes) == len(values) and str not in set(map(type, group)):
                return group
            for index, result in zip(indexes, group, strict=True):
                results[index] = BadRecord(result, values[index] or b"") if isinstance(result, str) else result
        return results

    def _is_too_long(self, value: bytes) -> bool:
        decoder = self._decoder(int.from_bytes(value[1:_HEAD_BYTES], "big"))
        is_handed_over = isinstance(decoder, _Decoder) and decoder.record == _HANDED_OVER
        return len(value) > HANDED_OVER_BYTES_MAX or not is_handed_over

    def _decoder(self, schema_id: int) -> _Decoder | str:
        """Compose the decoder of a writer schema, once; a text says why there is none.

        An id without a schema may get one: how often it is asked for is the registry's client's business.
        """
        found = self._decoders.get(schema_id)
        if found is None:
            try:
                writer = self._registry.schema(schema_id)
            except UnknownSchemaError as error:
                return str(error)
            if len(self._decoders) >= _DECODERS_MAX:
                self._decoders.clear()
            found = self._decoders[schema_id] = self._compose(schema_id, writer)
        return found

    def _compose(self, schema_id: int, writer: Mapping[str, Any]) -> _Decoder | str:
        record = f"{writer.get('namespace', '')}.{writer.get('name')}".lstrip(".")
        reader = avro_schemas().get(record)
        if reader is None:
            return f"schema id {schema_id} is of {record}, which is no record of this pipeline"
        try:
            return _Decoder(record, writer, plan_fields(reader))
        except Exception as error:  # noqa: BLE001 - an odd schema leads to odd errors, and must not end the process
            return f"schema id {schema_id} of {record} cannot be resolved to ours: {error}"


_DECODERS_MAX = 10_000


def _refusal(value: bytes | None) -> str:
    """Say why a value isn't read."""
    if value is None:
        return "no value"
    if len(value) > VALUE_BYTES_MAX:
        return f"a value of {len(value)} bytes, at most {VALUE_BYTES_MAX} are read"
    return "not in the registry's wire format: a zero byte, the schema's id in four, then Avro"


def _values(record: LogRecord | Command | MemberProfile | DeadLetter | Erasure) -> tuple[str, Mapping[str, Any]]:
    """Name the record schema and list its values."""
    if isinstance(record, Event):
        name = _RECORD_OF_EVENT.get(record.type)
        if name is None:
            raise ValueError(f"unknown event type {record.type!r}")
        header = {
            "event_id": record.event_id,
            "type": record.type,
            "occurred_at": record.occurred_at,
            "source": record.source,
            "member_id": record.member_id,
            "historical": record.historical,
        }
        return name, header | record.body
    if isinstance(record, Tick):
        return "rekindle.log.Tick", {"occurred_at": record.occurred_at, "clock": "wall" if record.wall else "event"}
    values = msgspec.structs.asdict(record)
    if isinstance(record, Webhook):
        values["body"] = _TO_JSON(record.body).decode()
    return _NAME_OF_STRUCT[type(record)], values


def _facts(record: str, rows: Sequence[Row]) -> Iterator[tuple[Any, ...] | str]:
    """Take events apart: event_id, occurred_at, source, member_id, historical, body; a text for a bad one."""
    name = _EVENT_OF_RECORD[record]
    return (
        row if isinstance(row, str) else _checked(name, (*[row.pop(each, None) for each in HEADER], row))
        for row in rows
    )


def _checked(name: str, fact: tuple[Any, ...]) -> tuple[Any, ...] | str:
    event_id, event_type, occurred_at, source, member_id, historical, body = fact
    if event_type != name:
        return f"a {name} that says it is {event_type!r}"
    if not event_id or not source or member_id == "":
        return f"a {name} with an empty event_id, source or member_id"
    if member_id is not None and UNFIT_FOR_KEYS in member_id:
        return _unfit_for_keys(name, "member_id")
    for field in _KEY_FIELDS[name]:
        if field in body and UNFIT_FOR_KEYS in body[field]:
            return _unfit_for_keys(name, field)
    return event_id, occurred_at, source, member_id, historical, body


_KEY_FIELDS = {
    event_type.name: tuple(each for each in KEY_FIELDS if each in event_type.fields)
    for event_type in EVENT_TYPES.values()
}


def _unfit_for_keys(name: str, field: str) -> str:
    return f"a {name} whose {field} has a zero byte: expected a text without"


def _headers(record: str, rows: Sequence[Row], _indexes: Sequence[int]) -> list[Header | str]:
    name = _EVENT_OF_RECORD[record]
    is_personal = EVENT_TYPES[name].is_personal
    found: list[Header | str] = []
    for fact in _facts(record, rows):
        if isinstance(fact, str):
            found.append(fact)
            continue
        event_id, occurred_at, source, member_id, historical, body = fact
        key = member_id or event_key(name, None, body)
        found.append(
            _nobodys(name)
            if key is None
            else Header(
                type=name,
                occurred_at=occurred_at,
                member_id=member_id,
                source=source,
                event_id=event_id,
                historical=historical,
                key=key,
                personal=is_personal or any(body.get(each) for each in PERSONAL_IDENTIFIERS),
                body=body,
            )
        )
    return found


_HEADER_FIELDS = frozenset({*HEADER, *IDENTIFIERS, *KEY_FIELDS})


def _nobodys(name: str) -> str:
    return f"a {name} that says of nobody: no member id, visitor, card, phone, e-mail or receipt"


def _log_builder(keys: Sequence[bytes | None]) -> Build:
    def build(record: str, rows: Sequence[Row], indexes: Sequence[int]) -> list[Any]:
        name = _EVENT_OF_RECORD.get(record)
        if name is None:
            return _structs(record, rows, indexes)
        found: list[Event | str] = []
        for index, fact in zip(indexes, _facts(record, rows), strict=True):
            if isinstance(fact, str):
                found.append(fact)
                continue
            event_id, occurred_at, source, member_id, historical, body = fact
            try:
                raw = keys[index]
                key = raw.decode() if raw else event_key(name, member_id, body)
            except UnicodeDecodeError:
                found.append(f"a {name} whose key is no UTF-8")
                continue
            found.append(
                _nobodys(name)
                if key is None
                else Event(
                    event_id=event_id,
                    type=name,
                    occurred_at=occurred_at,
                    source=source,
                    key=key,
                    member_id=member_id,
                    historical=historical,
                    body=body,
                )
            )
        return found

    return build


def _structs(record: str, rows: Sequence[Row], _indexes: Sequence[int]) -> list[Any]:
    return [row if isinstance(row, str) else _struct(record, row) for row in rows]


def _struct(record: str, row: dict[str, Any]) -> Any:
    if record == "rekindle.log.Tick":
        return Tick(occurred_at=row["occurred_at"], wall=row["clock"] == "wall")
    if record == "rekindle.commands.Webhook":
        try:
            row["body"] = _FROM_JSON(row["body"])
        except (msgspec.DecodeError, RecursionError) as error:
            return f"{record} doesn't decode: body is no JSON: {error}"
    return _STRUCTS[record](**(_NULLABLE[record] | row))


_NULLABLE = {
    record: {field.name: None for field in msgspec.structs.fields(made) if field.required}
    for record, made in _STRUCTS.items()
}
