"""Bytes and back: every record survives, a bad one never hurts its neighbours."""

import copy
import io
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import EVENT_TYPES
from schemas.codec import HANDED_OVER_BYTES_MAX, VALUE_BYTES_MAX, BadRecord, Codec
from schemas.dead_letters import DeadLetter, encode_dead_letter
from schemas.declarations import avro_schemas
from schemas.registry import CommittedSchemas
from schemas.values import MS_MAX
from streams.engine.commands import Command, Decision, Dispatch, Webhook
from streams.engine.events import Event, ProgrammeApplied, StateHandedOver, Tick
from tests.unit.schemas import strategies

PURCHASE = "rekindle.events.PurchaseCompleted"
WIRE_PREFIX_BYTES = 5
MANY = 40


def codec() -> Codec:
    return Codec(CommittedSchemas())


CODEC = codec()


def purchase(number: int = 0, **body: Any) -> Event:
    lines = [{"sku": f"s{number}", "price": Decimal("1.1"), "discount": Decimal(0)}]
    return Event(
        event_id=f"e{number}",
        type="purchase_completed",
        occurred_at=1_500_000_000_000 + number,
        source="till",
        key="m1",
        member_id="m1",
        body={"receipt_id": "r", "discount": Decimal(0), "bonus_paid": Decimal(0), "lines": lines, **body},
    )


def wire(schema: Mapping[str, Any], values: Mapping[str, Any], schema_id: int) -> bytes:
    """A record as a foreign producer's library would write it."""
    stream = io.BytesIO()
    parsed = fastavro.parse_schema(json.loads(json.dumps(schema)), named_schemas={})
    fastavro.schemaless_writer(stream, parsed, values)
    return b"\0" + schema_id.to_bytes(4, "big") + stream.getvalue()


def reasons(results: list[Any]) -> list[str]:
    return [result.reason for result in results if isinstance(result, BadRecord)]


@given(strategies.events)
def test_an_event_survives(event: Event) -> None:
    value = CODEC.encode(event)
    assert CODEC.decode_log([value], [event.key.encode()]) == [event]
    (header,) = CODEC.decode_headers([value], EVENT_TYPES[event.type].topic)
    assert not isinstance(header, BadRecord), header
    assert (header.type, header.occurred_at, header.member_id, header.source, header.event_id, header.historical) == (
        event.type,
        event.occurred_at,
        event.member_id,
        event.source,
        event.event_id,
        event.historical,
    )


@pytest.mark.parametrize("name", [each.name for each in EVENT_TYPES.values() if each.topic])
@settings(max_examples=5)
@given(data=st.data())
def test_a_batch_of_any_type_survives(name: str, data: st.DataObject) -> None:
    few = data.draw(st.lists(strategies.events_of(EVENT_TYPES[name]), min_size=1, max_size=6))
    events = [few[index % len(few)] for index in range(MANY + 1)]
    values = [CODEC.encode(event) for event in events]
    assert CODEC.decode_log(values, [event.key.encode() for event in events]) == events
    assert [header.event_id for header in CODEC.decode_headers(values) if not isinstance(header, BadRecord)] == [
        event.event_id for event in events
    ]
    plain = CODEC.decode_log(values, [event.key.encode() for event in events], without_records=[name])
    assert [each.body for each in plain if isinstance(each, Event)] == [
        {field: value for field, value in event.body.items() if not isinstance(value, list)} for event in events
    ]


@given(strategies.events)
def test_what_is_written_is_avro_for_everyone(event: Event) -> None:
    value = CODEC.encode(event)
    schema = avro_schemas()[EVENT_TYPES[event.type].record]
    parsed = fastavro.parse_schema(json.loads(json.dumps(schema)), named_schemas={})
    stream = io.BytesIO(value[WIRE_PREFIX_BYTES:])
    raw = fastavro.schemaless_reader(stream, parsed, None)
    assert stream.read() == b""
    assert raw["event_id"] == event.event_id
    for name, expected in event.body.items():
        if not isinstance(expected, list):
            assert raw[name] == expected


@given(st.lists(strategies.commands, min_size=1, max_size=4), st.sampled_from([1, MANY]))
@settings(max_examples=60)
def test_commands_survive(few: list[Command], times: int) -> None:
    commands = few * times
    assert CODEC.decode_commands([CODEC.encode(command) for command in commands]) == commands


def test_a_webhooks_numbers_stay_numbers() -> None:
    webhook = Webhook(
        at=0,
        webhook_id="w",
        member_id="m",
        campaign="c",
        version=1,
        action="a",
        url="u",
        body={"amount": Decimal("1.5")},
    )
    assert CODEC.decode_commands([CODEC.encode(webhook)]) == [webhook]


def test_ticks_and_programmes_survive_among_events() -> None:
    records = [Tick(occurred_at=5, wall=True), purchase(), ProgrammeApplied(occurred_at=6, programme=2**40)]
    values = [CODEC.encode(record) for record in records]
    assert CODEC.decode_log(values, [None, b"m1", None]) == records


def test_a_dead_letter_keeps_origin_reason_and_bytes() -> None:
    value = encode_dead_letter(
        CODEC, topic="pos.receipts", partition=1, offset=2**40, key=b"\xff", value=None, reason="x" * 5000, at=7
    )
    letter = DeadLetter(
        at=7, topic="pos.receipts", partition=1, offset=2**40, key=b"\xff", value=None, reason="x" * 2000
    )
    assert CODEC.decode_dead_letters([value]) == [letter]


def test_a_dead_letter_has_room_for_the_largest_record_and_says_what_is_left_out() -> None:
    origin: dict[str, Any] = {
        "topic": "t" * 249,
        "partition": 2**31 - 1,
        "offset": 2**62,
        "reason": "\U0001f4a5" * 5000,
    }
    value = encode_dead_letter(CODEC, **origin, key=b"k" * 2_000, value=b"v" * 8_000_000, at=7)
    (letter,) = CODEC.decode_dead_letters([value])
    assert isinstance(letter, DeadLetter)
    assert (letter.key, letter.value) == (b"k" * 1_024, b"v" * 1_032_192)
    assert letter.reason.endswith(
        " (kept: 1032192 of 8000000 bytes of the value) (kept: 1024 of 2000 bytes of the key)"
    )
    assert len(value) + len(letter.key or b"") < VALUE_BYTES_MAX


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("total", 1.5, r"PurchaseCompleted\.total: expected a Decimal, got 1\.5"),
        ("total", Decimal("1e12"), r"PurchaseCompleted\.total: a number of at most 12 digits"),
        ("store_id", 5, r"PurchaseCompleted\.store_id: unfit value 5"),
        ("lines", [{"price": "x"}], r"PurchaseCompleted\.lines: Line\.price: expected a Decimal"),
        ("lines", [{"colour": "x"}], r"PurchaseCompleted\.lines: Line has no field 'colour'"),
        ("colour", "red", r"PurchaseCompleted has no field 'colour'"),
    ],
)
def test_an_unfit_value_is_named_before_it_is_written(field: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CODEC.encode(purchase(**{field: value}))


def test_an_unlisted_reason_is_named_before_it_is_written() -> None:
    decision = Decision(at=0, member_id="m", campaign="c", version=1, action=None, outcome="ended", reason="bored")
    with pytest.raises(ValueError, match=r"Decision\.reason: unfit value 'bored'"):
        CODEC.encode(decision)


def test_a_number_where_bytes_belong_is_named_before_it_is_written() -> None:
    letter = DeadLetter(at=0, topic="t", partition=0, offset=0, key=5, value=None, reason="r")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"DeadLetter\.key: unfit value 5"):
        CODEC.encode(letter)


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_state_that_is_handed_over_may_be_as_large_as_producers_send(beyond: int) -> None:
    handed = StateHandedOver(occurred_at=0, move_id="m", gone="visitor:v", into="k", state=b"")
    handed.state = b"x" * (HANDED_OVER_BYTES_MAX - len(CODEC.encode(handed)) - 3 + beyond)
    value = CODEC.encode(handed)
    assert len(value) == HANDED_OVER_BYTES_MAX + beyond
    found = CODEC.decode_log([value, value[:-1]], [b"k", b"k"])
    assert found[0] == (handed if beyond == 0 else BadRecord(found[0].reason, value))
    assert isinstance(found[1], BadRecord)


def bad_values() -> dict[str, bytes]:
    good = CODEC.encode(purchase())
    prefix = good[:WIRE_PREFIX_BYTES]
    schema_id = int.from_bytes(prefix[1:], "big")
    values = {
        "event_id": "e",
        "type": "purchase_completed",
        "occurred_at": 0,
        "source": "s",
        "member_id": "m",
        "discount": Decimal(0),
        "bonus_paid": Decimal(0),
    }
    plain = copy.deepcopy(dict(avro_schemas()[PURCHASE]))
    plain["fields"][2]["type"] = "long"
    dispatch = Dispatch(
        at=0,
        dispatch_id="d",
        member_id="m",
        campaign="c",
        version=1,
        action="a",
        channel="sms",
        to="+7",
        content={"text": "x"},
        messaging_type="marketing",
    )
    return {
        "zero byte": b"\x01" + good[1:],
        "wire format": b"\0\0\0",
        "is unknown": b"\0\0\xff\xff\xff" + good[WIRE_PREFIX_BYTES:],
        "bytes follow": good + b"\0",
        "it ends before": good[:-3],
        "ends before the record does": prefix,
        "doesn't belong here": CODEC.encode(dispatch),
        "says it is 'purchase_returned'": wire(plain, {**values, "type": "purchase_returned"}, schema_id),
        "empty event_id": wire(plain, {**values, "event_id": ""}, schema_id),
        "occurred_at: expected a time": wire(plain, {**values, "occurred_at": MS_MAX + 1}, schema_id),
        "total: expected a number": wire(plain, {**values, "total": Decimal(10) ** 12}, schema_id),
        f"at most {VALUE_BYTES_MAX}": good + b"x" * VALUE_BYTES_MAX,
    }


@pytest.mark.parametrize("batch", [1, MANY * 3])
@pytest.mark.parametrize("words", bad_values())
def test_a_bad_record_is_named_and_the_rest_of_its_batch_goes_on(words: str, batch: int) -> None:
    bad = bad_values()[words]
    events = [purchase(number) for number in range(batch)]
    values = [CODEC.encode(event) for event in events]
    for place in {0, batch // 2, batch}:
        mixed = [*values[:place], bad, *values[place:]]
        results = CODEC.decode_log(mixed, [b"m1"] * len(mixed))
        assert words in "".join(reasons(results)), results[place]
        assert results[place] == BadRecord(results[place].reason, bad)
        assert [*results[:place], *results[place + 1 :]] == events
        headers = CODEC.decode_headers(mixed, "pos.receipts")
        assert reasons(headers) == reasons(results)


def test_a_missing_value_is_a_bad_record() -> None:
    assert CODEC.decode_log([None], [b"m1"]) == [BadRecord("no value", b"")]  # type: ignore[list-item]


def test_a_type_of_another_topic_is_a_bad_record() -> None:
    value = CODEC.encode(purchase())
    assert reasons(CODEC.decode_headers([value], "web.behaviour")) == [f"{PURCHASE} doesn't belong here"]
    assert reasons(CODEC.decode_headers([value], "member.events")) == []


def test_an_event_of_nobody_is_a_bad_record_unless_its_key_says_whose_it_is() -> None:
    event = purchase()
    event.member_id = None
    del event.body["receipt_id"]
    value = CODEC.encode(event)
    assert "says of nobody" in reasons(CODEC.decode_headers([value]))[0]
    assert "says of nobody" in reasons(CODEC.decode_log([value], [None]))[0]
    assert CODEC.decode_log([value], [b"m1"]) == [event]
    assert "key is no UTF-8" in reasons(CODEC.decode_log([value], [b"\xff"]))[0]


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *(("site_visited", each) for each in ("member_id", "visitor_id", "card_number")),
        ("purchase_completed", "receipt_id"),
        ("registration_completed", "referrer_id"),
        *(("members_merged", each) for each in ("from_id", "into_id")),
    ],
)
def test_an_id_with_a_zero_byte_is_a_bad_record_however_it_is_read(kind: str, field: str) -> None:
    """Keys that begin with one are the stages' own: as a member's, such an id overwrote what a stage keeps there."""
    fit = Event(event_id="e", type=kind, occurred_at=0, source="s", key="m", member_id="m", body={"from_id": "f"})
    if kind != "members_merged":
        fit.body.clear()
    for text in ("\0programme", "m\0", "\0"):
        unfit = msgspec.structs.replace(fit, body={**fit.body, field: text})
        if field == "member_id":
            unfit = msgspec.structs.replace(fit, member_id=text, key=text)
        values = [CODEC.encode(fit), CODEC.encode(unfit)]
        said = f"a {kind} whose {field} has a zero byte: expected a text without"
        for without in ((), (kind,)):
            assert reasons(CODEC.decode_log(values, [b"m", text.encode()], without_records=without)) == [said]
        assert reasons(CODEC.decode_headers(values)) == [said]


def evolved(**changes: Any) -> dict[str, Any]:
    schema = copy.deepcopy(dict(avro_schemas()[PURCHASE]))
    schema["fields"] = [
        changes.get(field["name"], field) for field in schema["fields"] if changes.get(field["name"], 0) is not None
    ]
    schema["fields"] += [field for name, field in changes.items() if name.startswith("new_")]
    return schema


OLDER_LINES = copy.deepcopy(next(field for field in avro_schemas()[PURCHASE]["fields"] if field["name"] == "lines"))
OLDER_LINES["type"][1]["items"]["fields"].pop()


@pytest.mark.parametrize("batch", [1, MANY])
@pytest.mark.parametrize(
    ("schema", "more"),
    [
        (evolved(pos_id=None, bonus_paid=None, historical=None), {}),
        (evolved(lines=OLDER_LINES), {}),
        (evolved(new_field={"name": "new_field", "type": ["null", "string"], "default": None}), {"new_field": "x"}),
        (
            evolved(new_field={"name": "new_field", "type": {"type": "map", "values": "double"}}),
            {"new_field": {"a": 1.5}},
        ),
        (
            evolved(
                total={
                    "name": "total",
                    "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}],
                }
            ),
            {},
        ),
    ],
    ids=["older", "older line", "newer", "newer, resolved", "another scale"],
)
def test_older_and_newer_writers_mix_in_one_batch(schema: dict[str, Any], more: dict[str, Any], batch: int) -> None:
    source = CommittedSchemas()
    mixed = Codec(source)
    foreign_id = source.add(schema)
    values = {
        "event_id": "f",
        "type": "purchase_completed",
        "occurred_at": 1_500_000_000_000,
        "source": "till",
        "member_id": "m1",
        "historical": False,
        "receipt_id": "r",
        "total": Decimal("12.50"),
        "discount": Decimal(0),
        "bonus_paid": Decimal(0),
        "lines": [{"sku": "a", "price": Decimal("1.10"), "discount": Decimal(0)}],
        **more,
    }
    foreign = wire(schema, values, foreign_id)
    own = mixed.encode(purchase())
    results = mixed.decode_log([foreign, own] * batch, [b"m1"] * batch * 2)
    assert results[1::2] == [purchase()] * batch
    expected = purchase(total=Decimal("12.5"))
    expected.event_id = "f"
    expected.body["lines"] = [{"sku": "a", "price": Decimal("1.1"), "discount": Decimal(0)}]
    assert results[::2] == [expected] * batch
    assert [str(result.body["total"]) for result in results[::2] if isinstance(result, Event)] == ["12.5"] * batch


def test_a_symbol_newer_than_this_program_reads_as_unknown() -> None:
    source = CommittedSchemas()
    mixed = Codec(source)
    schema = copy.deepcopy(dict(avro_schemas()["rekindle.events.SocialActivity"]))
    action = next(field for field in schema["fields"] if field["name"] == "action")
    action["type"][1]["symbols"].append("share")
    values = {
        "event_id": "f",
        "type": "social_activity",
        "occurred_at": 0,
        "source": "s",
        "member_id": "m",
        "action": "share",
    }
    (event,) = mixed.decode_log([wire(schema, values, source.add(schema))], [None])
    assert isinstance(event, Event)
    assert event.body == {"action": "unknown"}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "record", "name": "Other", "fields": []}, "is of Other, which is no record of this pipeline"),
        (
            {"type": "record", "name": "PurchaseCompleted", "namespace": "rekindle.events", "fields": []},
            "doesn't decode",
        ),
        (
            {
                "type": "record",
                "name": "PurchaseCompleted",
                "namespace": "rekindle.events",
                "fields": [{"name": "a", "type": "nonsense"}],
            },
            "cannot be resolved",
        ),
        ({"type": "record", "namespace": "rekindle.events"}, "is of rekindle.events.None, which is no record"),
        ({"type": "record", "name": PURCHASE, "fields": [{"name": "no type"}]}, "cannot be resolved"),
        ({"type": "record", "name": PURCHASE, "fields": 5}, "cannot be resolved"),
    ],
)
def test_a_foreign_schema_that_does_not_fit_is_named(schema: dict[str, Any], words: str) -> None:
    source = CommittedSchemas()
    number = source.add(schema)
    value = b"\0" + number.to_bytes(4, "big")
    assert words in reasons(Codec(source).decode_log([value], [b"m1"]))[0]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"type": "array", "items": "null"}, "an array of what takes no bytes"),
        (["null", {"type": "array", "items": {"type": "record", "name": "Nothing", "fields": []}}], "Nothing takes no"),
        ({"type": "map", "values": {"type": "fixed", "name": "Nothing", "size": 0}}, "Nothing takes no bytes"),
        (
            {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]},
            "rekindle.events.Node holds itself",
        ),
        (["null", PURCHASE], f"{PURCHASE} holds itself"),
    ],
)
def test_a_schema_by_which_few_bytes_say_without_end_is_refused(more: Any, words: str) -> None:
    """A record of such a schema hung its reader for good, or ended the process, at each start again."""
    ours = json.loads(json.dumps(avro_schemas()[PURCHASE]))
    source = CommittedSchemas()
    number = source.add({**ours, "fields": [*ours["fields"], {"name": "more", "type": more}]})
    value = b"\0" + number.to_bytes(4, "big")
    (reason,) = reasons(Codec(source).decode_log([value], [b"m1"]))
    assert "cannot be resolved to ours" in reason
    assert words in reason


def test_types_that_stand_in_a_schema_more_than_once_are_no_harm() -> None:
    ours = json.loads(json.dumps(avro_schemas()[PURCHASE]))
    money = {"type": "record", "name": "Money", "fields": [{"name": "amount", "type": "long"}]}
    more = {"type": "array", "items": money}, {"type": "map", "values": "Money"}, ["null", "Money"]
    added = [{"name": f"more{number}", "type": each} for number, each in enumerate(more)]
    source = CommittedSchemas()
    schema = {**ours, "fields": [*ours["fields"], *added]}
    values = {
        "event_id": "e",
        "type": "purchase_completed",
        "occurred_at": 0,
        "source": "s",
        "member_id": "m",
        "discount": Decimal(0),
        "bonus_paid": Decimal(0),
        "receipt_id": "r",
        "lines": [],
        "more0": [{"amount": 1}],
        "more1": {"a": {"amount": 2}},
        "more2": None,
    }
    (event,) = Codec(source).decode_log([wire(schema, values, source.add(schema))], [None])
    assert isinstance(event, Event)
    assert event.event_id == "e"


def test_an_unknown_id_is_asked_for_once_a_batch_until_it_is_known() -> None:
    asked = []

    class Counting(CommittedSchemas):
        def schema(self, schema_id: int) -> Mapping[str, Any]:
            asked.append(schema_id)
            return super().schema(schema_id)

    source = Counting()
    counted = Codec(source)
    own = CommittedSchemas().id_of(PURCHASE)
    number = len(avro_schemas()) + 1  # the next that will be given
    early = b"\0" + number.to_bytes(4, "big") + CODEC.encode(purchase())[WIRE_PREFIX_BYTES:]
    for _ in range(2):
        assert len(reasons(counted.decode_log([early] * 3, [None] * 3))) == 3
        assert reasons(counted.decode_log([CODEC.encode(purchase())] * 3, [None] * 3)) == []
    assert asked == [number, own, number]
    assert source.add(avro_schemas()[PURCHASE]) == number
    for _ in range(2):
        assert counted.decode_log([early], [None]) == CODEC.decode_log([CODEC.encode(purchase())], [None])
    assert asked == [number, own, number, number]


def test_a_header_of_a_stranger_says_whose_state_it_is() -> None:
    event = msgspec.structs.replace(purchase(), member_id=None)
    for count in (1, MANY):
        headers = CODEC.decode_headers([CODEC.encode(event)] * count)
        assert [(header.key, header.member_id) for header in headers if not isinstance(header, BadRecord)] == [
            ("receipt:r", None)
        ] * count
