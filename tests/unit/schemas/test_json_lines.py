"""Events in files: what is read, what is refused, and with which words."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import VALUE_BYTES_MAX, Codec
from schemas.json_lines import LogPosition, format_record, read_events, read_file
from schemas.registry import CommittedSchemas
from streams.engine.events import Event, LogRecord, ProgrammeApplied, StateHandedOver, Tick
from streams.errors import InputError
from tests.unit.schemas.strategies import events, moments

PURCHASE = {
    "event_id": "e1",
    "type": "purchase_completed",
    "occurred_at": "2026-03-01T10:00:00+03:00",
    "source": "till",
    "member_id": "m1",
}

CODEC = Codec(CommittedSchemas())


def line(**changes: Any) -> str:
    return json.dumps({name: value for name, value in (PURCHASE | changes).items() if value is not ...})


def read_one(text: str) -> tuple[LogRecord, LogPosition | None]:
    (found,) = read_events([text], "f.jsonl")
    return found


def refusal(text: str, **options: bool) -> str:
    with pytest.raises(InputError) as raised:
        list(read_events(["", text], "f.jsonl", **options))
    message = str(raised.value)
    assert message.startswith("f.jsonl:2: "), "the line is counted from 1, blank ones too"
    return message.removeprefix("f.jsonl:2: ")


def test_absent_and_null_fields_count_as_their_default_or_are_missing() -> None:
    record, position = read_one(line(total=None, lines=[{"sku": "a", "price": 1.10, "discount": None}]))
    assert position is None
    assert isinstance(record, Event)
    assert (record.key, record.occurred_at, record.historical) == ("m1", 1_772_348_400_000, False)
    assert {name: str(value) for name, value in record.body.items() if name != "lines"} == {
        "discount": "0",
        "bonus_paid": "0",
    }
    assert [{name: str(value) for name, value in each.items()} for each in record.body["lines"]] == [
        {"sku": "a", "price": "1.1", "discount": "0"}
    ]


def test_a_null_attribute_says_nothing() -> None:
    record, _ = read_one(line(type="profile_updated", attributes={"a": None, "b": 1.50, "c": False}))
    assert isinstance(record, Event)
    assert str(record.body["attributes"]) == "{'b': Decimal('1.5'), 'c': False}"


def test_the_source_may_be_left_out() -> None:
    record, _ = read_one(line(source=...))
    assert isinstance(record, Event)
    assert record.source == "file"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"visitor_id": "v", "card_number": "c"}, "visitor:v"),
        ({"card_number": "c", "phone": "+7"}, "card:c"),
        ({"phone": "+7", "email": "a@b"}, "phone:+7"),
        ({"email": "a@b", "receipt_id": "r"}, "email:a@b"),
        ({"receipt_id": "r"}, "receipt:r"),
        ({"type": "members_merged", "from_id": "a", "into_id": "b"}, "b"),
    ],
)
def test_a_strangers_event_belongs_to_what_identifies_it(changes: dict[str, Any], key: str) -> None:
    record, _ = read_one(line(member_id=None, **changes))
    assert isinstance(record, Event)
    assert record.key == key


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"totl": 1}, "field `totl`: purchase_completed has no such field; did you mean `total`?"),
        ({"ocurred_at": 1}, "field `ocurred_at`: purchase_completed has no such field; did you mean `occurred_at`?"),
        ({"url": "x"}, "field `url`: purchase_completed has no such field"),
        ({"type": "purchase_complete"}, "unknown event type `purchase_complete`; did you mean `purchase_completed`?"),
        ({"type": "segment_left"}, "`segment_left` is derived by the pipeline and cannot be given"),
        ({"type": 5}, "field `type`: expected a text, got 5"),
        ({"type": ...}, "field `type`: expected, and missing"),
        ({"event_id": ...}, "field `event_id`: expected, and missing"),
        ({"event_id": ""}, "field `event_id`: expected a text that isn't empty"),
        ({"member_id": ""}, "field `member_id`: expected a text that isn't empty"),
        ({"member_id": 17}, "field `member_id`: expected a text, got 17"),
        (
            {"member_id": "\0programme"},
            'field `member_id`: expected a text without a zero byte, got "\\u0000programme"',
        ),
        ({"receipt_id": "r\0"}, "field `receipt_id`: expected a text without a zero byte"),
        ({"visitor_id": "\0"}, "field `visitor_id`: expected a text without a zero byte"),
        ({"card_number": "\0"}, "field `card_number`: expected a text without a zero byte"),
        ({"type": "members_merged", "from_id": "\0"}, "field `from_id`: expected a text without a zero byte"),
        ({"type": "members_merged", "into_id": "\0"}, "field `into_id`: expected a text without a zero byte"),
        ({"type": "profile_updated", "referrer_id": "\0"}, "field `referrer_id`: expected a text without a zero byte"),
        ({"occurred_at": "2026-03-01T10:00:00"}, "field `occurred_at`: expected a time in ISO 8601 with offset"),
        ({"occurred_at": 1_772_348_400_000}, "field `occurred_at`: expected a time in ISO 8601 with offset"),
        ({"historical": "no"}, 'field `historical`: expected true or false, got "no"'),
        ({"total": "1"}, 'field `total`: expected a number, got "1"'),
        ({"total": True}, "field `total`: expected a number, got true"),
        ({"total": 1e12}, "field `total`: expected a number of at most 12 digits before the point"),
        ({"lines": {}}, "field `lines`: expected a list of objects, got an object"),
        ({"lines": [1]}, "field `lines[0]`: expected an object, got 1"),
        ({"lines": [{}, {"price": "x"}]}, 'field `lines[1].price`: expected a number, got "x"'),
        ({"lines": [{"skuu": "a"}]}, "field `lines[0].skuu`: a line has no such field; did you mean `sku`?"),
        ({"store_id": "\ud800"}, "field `store_id`: expected a text in UTF-8"),
        ({"member_id": ...}, "field `member_id`: expected something that says whose event it is"),
        (
            {"type": "profile_updated", "birth_date": "17.05.1990"},
            'field `birth_date`: expected a date such as 1990-05-17, got "17.05.1990"',
        ),
        (
            {"type": "profile_updated", "attributes": {"a": [1]}},
            "field `attributes.a`: expected a text, a number, true or false, got a list",
        ),
        (
            {"type": "social_activity", "action": "share"},
            'field `action`: expected comment, repost or like, got "share"',
        ),
        ({"log": 5}, "field `log`: expected an object with partition, offset and key, got 5"),
        ({"log": {"partition": 0, "offset": -1}}, "field `log.offset`: expected a whole number, 0 or more, got -1"),
        ({"log": {"partition": 0, "offset": 1}}, "field `log.key`: expected something that says whose event it is"),
    ],
)
def test_a_mistake_is_named_with_its_field_and_what_was_expected(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(line(**changes))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "expected a JSON object"),
        ("purchase", "expected a JSON object: Expecting value, column 1"),
        ("[1]", "expected a JSON object, got a list"),
        ('{"total": NaN}', "expected JSON, which has no NaN"),
        ('{"total": -Infinity}', "expected JSON, which has no -Infinity"),
        ('{"total": 1, "total": 2}', "field `total`: expected once, it stands here twice"),
        ("[" * 100_000, "nested too deeply"),
        ('"' + "x" * 200_000 + '"', "expected at most 200000 characters, got 200002"),
        ('{"type": "tick", "occurred_at": "2026-03-01T10:00:00Z"}', "field `clock`: expected, and missing"),
        (
            '{"type": "tick", "occurred_at": "2026-03-01T10:00:00Z", "clock": "wall", "x": 1}',
            "field `x`: `tick` has no such field",
        ),
    ],
)
def test_a_line_that_is_no_event_is_named(text: str, words: str) -> None:
    assert words in refusal(text)


def test_where_only_events_are_wanted_a_tick_is_refused() -> None:
    tick = format_record(Tick(occurred_at=0, wall=True), log=None)
    assert "field `type`: expected an event" in refusal(tick, events_only=True)


@given(
    events,
    st.none() | st.builds(LogPosition, partition=st.integers(0, 9), offset=st.integers(0, 2**63 - 1), key=st.just("k")),
)
def test_an_event_is_read_as_it_was_written(event: Event, position: LogPosition | None) -> None:
    if position is not None:
        event.key = "k"
    written = format_record(event, log=position)
    assert "\n" not in written
    record, read_position = read_one(written)
    assert record == event
    assert read_position == position
    assert format_record(record, log=read_position) == written


def largest(make: Callable[[int], LogRecord]) -> LogRecord:
    """Make the record of as many parts as a value on the wire has room for."""
    few, more = (len(CODEC.encode(make(count))) for count in (1000, 2000))
    record = make((VALUE_BYTES_MAX - 100) * 1000 // (more - few))
    assert VALUE_BYTES_MAX * 0.99 < len(CODEC.encode(record)) <= VALUE_BYTES_MAX
    return record


def event_of(body: dict[str, Any], key: str = "k", name: str = "purchase_completed") -> Event:
    return Event(
        event_id="e", type=name, occurred_at=0, source="till", key=key, member_id=key, historical=False, body=body
    )


SMALLEST = Decimal("0.000001")
NO_DISCOUNT = {"discount": Decimal(0), "bonus_paid": Decimal(0)}


@pytest.mark.parametrize(
    "make",
    [
        lambda count: event_of({"last_name": "x" * count}, name="profile_updated"),
        lambda count: event_of({"last_name": "\x01" * count}, name="profile_updated"),
        lambda count: event_of({**NO_DISCOUNT}, key="\x01" * count),
        lambda count: event_of(
            {"lines": [dict.fromkeys(("quantity", "price", "discount"), SMALLEST)] * count, **NO_DISCOUNT}
        ),
        lambda count: event_of(
            {"attributes": {f"{number:06}": False for number in range(count)}}, name="profile_updated"
        ),
        lambda count: StateHandedOver(
            occurred_at=0, move_id="m", gone="visitor:v", into="k", historical=False, state=b"\xff" * count
        ),
    ],
    ids=["a long name", "escapes", "escapes in the key", "lines", "attributes", "a state"],
)
def test_the_largest_record_of_the_log_is_read_as_it_was_exported(make: Callable[[int], LogRecord]) -> None:
    record = largest(make)
    position = LogPosition(partition=0, offset=1, key=record.key if isinstance(record, Event) else "k")
    assert read_one(format_record(record, log=position)) == (record, position)


def test_an_event_of_a_file_is_not_as_large_as_one_of_the_log() -> None:
    event = event_of({"last_name": "x" * 200_000}, name="profile_updated")
    assert "expected at most 200000 characters" in refusal(format_record(event, log=None))
    exported = format_record(event, log=LogPosition(partition=0, offset=1, key="k"))
    assert "expected at most 200000 characters" in refusal(exported, events_only=True)


@given(
    st.one_of(
        st.builds(Tick, occurred_at=moments, wall=st.booleans()),
        st.builds(ProgrammeApplied, occurred_at=moments, programme=st.integers(1, 2**40)),
    )
)
def test_what_only_the_log_has_is_read_as_it_was_written(record: LogRecord) -> None:
    position = LogPosition(partition=3, offset=7, key=None)
    assert read_one(format_record(record, log=position)) == (record, position)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl: cannot be read: No such file"):
        list(read_file(tmp_path / "none.jsonl"))


def test_a_file_may_start_with_a_byte_order_mark_and_end_without_a_line_feed(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + line().encode() + b"\r\n\n" + line(event_id="e2").encode())
    assert [record.event_id for record, _ in read_file(file) if isinstance(record, Event)] == ["e1", "e2"]


def test_a_text_that_is_no_utf_8_is_an_error_of_its_field(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(line(store_id="caf?").encode().replace(b"caf?", b"caf\xe9"))
    with pytest.raises(InputError, match=r"events\.jsonl:1: field `store_id`: expected a text in UTF-8"):
        list(read_file(file))
