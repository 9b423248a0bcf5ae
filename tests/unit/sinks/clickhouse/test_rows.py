"""How records become rows: one value per column, nothing lost, money as decimals."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest

from schemas.codec import Codec
from schemas.dead_letters import DeadLetter
from schemas.declarations import FOLDER
from schemas.erasure import Erasure
from schemas.profiles import MemberProfile
from schemas.registry import CommittedSchemas
from sinks.clickhouse.batch import Batch, Stored
from sinks.clickhouse.decode import SentOn, make_decoder
from sinks.clickhouse.rows import as_json, tables
from sinks.clickhouse.write import make_blocks
from streams.engine.commands import Attribution, Award, Decision, Dispatch, ProfileCheck, Webhook
from streams.engine.events import Event, ProgrammeApplied, StateMoved, Tick

COMMON = {"at": 5, "member_id": "m1", "campaign": "c", "version": 2, "action": "actions[0]"}
PURCHASE = Event(
    event_id="e1",
    type="purchase_completed",
    occurred_at=1_500_000_000_123,
    source="pos",
    key="m1",
    member_id="m1",
    body={
        "receipt_id": "r1",
        "store_id": "s1",
        "total": Decimal("12.500000"),
        "discount": Decimal(0),
        "lines": [{"sku": "a", "price": Decimal("2.5"), "quantity": Decimal(1)}, {"sku": "b", "category": "tea"}],
    },
)


CHECK = ProfileCheck(
    at=1,
    member_id="m1",
    source="crm",
    event="registration_completed",
    event_id="r1",
    occurred_at=1,
    findings=[{"field": "city", "outcome": "missing"}, {"field": "phone", "outcome": "valid", "detail": "mobile"}],
)


def blocks_of(*records, topic="member.events"):
    stored = tuple(Stored(offset, 0, None, b"") for offset in range(len(records)))
    batch = Batch(topic, 3, 0, len(records) - 1, stored, decided=True, suspect=False)
    made = make_blocks(batch, lambda _topic, _partition, _stored: records)
    return {
        block.table.name: [
            dict(zip([*block.table.columns, "_topic", "_partition", "_offset"], row, strict=True))
            for row in zip(*block.columns, strict=True)
        ]
        for block in made
    }


def test_every_table_has_a_file_and_a_value_per_column():
    samples = {
        Event: PURCHASE,
        Dispatch: Dispatch(**COMMON, dispatch_id="d", channel="sms", to="+7", content={}, messaging_type="marketing"),
        Award: Award(**COMMON, award_id="a", amount=Decimal(5), currency="points"),
        Decision: Decision(**COMMON, outcome="suppressed", reason="no_address"),
        Webhook: Webhook(**COMMON, webhook_id="w", url="https://x", body={"n": Decimal("1.50")}),
        Attribution: Attribution(
            **COMMON,
            attribution_id="a",
            dispatch_id="d",
            channel="sms",
            event="purchase_completed",
            event_id="e",
            occurred_at=4,
            amount=Decimal(5),
            touch="sent",
            touched_at=1,
        ),
        ProfileCheck: CHECK,
        MemberProfile: MemberProfile(member_id="m1", at=5),
        StateMoved: StateMoved(occurred_at=5, move_id="x", gone="visitor:v", into="m1"),
        SentOn: SentOn(event_id="e", source="web", into="m1", occurred_at=5),
        Erasure: Erasure(at=5, member_id="m1", occurred_at=4),
        DeadLetter: DeadLetter(at=1, topic="t", partition=0, offset=9, key=b"\xff", value=b"\x00\xff", reason="bad"),
    }
    for table in tables():
        for row in table.rows(samples[table.takes]):
            assert len(row) == len(table.columns), table.name


def test_a_purchase_makes_an_event_a_receipt_and_its_lines():
    made = blocks_of(PURCHASE)
    assert set(made) == {"events", "purchases", "purchase_lines"}
    (receipt,) = made["purchases"]
    assert (receipt["total"], receipt["bonus_paid"], receipt["lines"]) == (Decimal("12.5"), None, 2)
    assert (receipt["_topic"], receipt["_partition"], receipt["_offset"]) == ("member.events", 3, 0)
    assert [(line["line"], line["sku"], line["category"]) for line in made["purchase_lines"]] == [
        (0, "a", None),
        (1, "b", "tea"),
    ]


def test_a_delivery_status_is_an_event_and_a_status():
    status = Event(
        event_id="s1",
        type="message_failed",
        occurred_at=7,
        source="sender.sms",
        key="m1",
        member_id="m1",
        body={"dispatch_id": "d1", "channel": "sms", "reason": "too_late"},
    )
    made = blocks_of(status)
    assert set(made) == {"events", "delivery_statuses"}
    assert made["delivery_statuses"][0]["reason"] == "too_late"


def test_what_only_orders_the_log_makes_no_rows():
    assert blocks_of(Tick(occurred_at=1, wall=True), ProgrammeApplied(occurred_at=1, programme=2)) == {}


def test_an_event_that_was_sent_on_is_a_note_to_whom_and_no_event_again():
    codec = Codec(CommittedSchemas())
    moved = StateMoved(occurred_at=5, move_id="x", gone="visitor:v", into="m1")
    values = [codec.encode(PURCHASE), codec.encode(moved), b"\x00broken"]
    records = [Stored(offset, 0, b"heir", value, sent_on=True) for offset, value in enumerate(values)]
    decoded = make_decoder(codec)("member.events", 3, [Stored(9, 0, b"m1", values[0]), *records])
    assert [type(each) for each in decoded] == [Event, SentOn, StateMoved, DeadLetter]
    made = blocks_of(decoded[1])
    assert set(made) == {"sent_on"}
    (row,) = made["sent_on"]
    assert (row["event_id"], row["source"], row["into"]) == ("e1", "pos", "heir")
    assert row["occurred_at"] == PURCHASE.occurred_at


def test_the_address_of_a_dispatch_is_its_recipient():
    dispatch = Dispatch(
        **COMMON, dispatch_id="d", channel="sms", to="+7900", content={"text": "Hi"}, messaging_type="service"
    )
    (row,) = blocks_of(dispatch, topic="send.sms")["dispatches"]
    assert (row["recipient"], json.loads(row["content"])) == ("+7900", {"text": "Hi"})


def test_a_dead_letter_keeps_its_bytes():
    letter = DeadLetter(at=1, topic="t", partition=0, offset=9, key=b"m\xff", value=None, reason="bad")
    (row,) = blocks_of(letter, topic="dead.letters")["dead_letters"]
    assert (row["key"], row["value"]) == ("m\\xff", b"")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"total": Decimal("1.500000")}, '{"total":1.500000}'),
        ({"at": datetime(2026, 1, 2, tzinfo=UTC)}, '{"at":"2026-01-02T00:00:00Z"}'),
        ({"birth_date": date(1990, 2, 28)}, '{"birth_date":"1990-02-28"}'),
    ],
)
def test_bodies_are_plain_json(value, text):
    assert as_json(value) == text


def test_a_check_of_a_profile_has_a_row_for_each_field():
    rows = blocks_of(CHECK, topic="profile.checks")["profile_checks"]
    found = [(row["source"], row["field"], row["outcome"], row["rule"], row["detail"]) for row in rows]
    assert found == [("crm", "city", "missing", None, None), ("crm", "phone", "valid", None, "mobile")]


def test_what_a_member_stated_is_kept_with_how_and_by_which_text():
    common = {"occurred_at": 7, "key": "m1", "member_id": "m1"}
    statements = [
        Event(
            event_id="s1",
            type="subscription_changed",
            source="site.checkout#terms-3",
            body={"messaging_type": "news", "subscribed": True},
            **common,
        ),
        Event(
            event_id="d1/confirm/news/9",
            type="subscription_changed",
            source="consent.link",
            body={"channel": "email", "messaging_type": "news", "subscribed": True},
            **common,
        ),
        Event(event_id="c1", type="message_complained", source="fbl", body={"channel": "email"}, **common),
    ]
    rows = blocks_of(*statements)["consents"]
    assert [(row["source"], row["subscribed"], row["text"], row["dispatch_id"]) for row in rows] == [
        ("site.checkout", True, "terms-3", None),
        ("consent.link", True, None, "d1"),
        ("fbl", False, None, None),
    ]


def test_a_profile_is_one_row_typed_for_conditions():
    example = json.loads((FOLDER / "examples" / "profile.json").read_text(encoding="utf-8"))
    (row,) = blocks_of(msgspec.convert(example, MemberProfile), topic="member.profiles")["profiles"]
    assert row["birth_date"] == date(1985, 2, 28)
    assert row["attribute_numbers"] == {"children": Decimal(2)}
    assert (row["attribute_texts"], row["attribute_truths"]) == ({"coffee": "arabica"}, {"vip": True})
    assert row["counter_numbers"][1] == ("spend_30d", "5f0c1a2b3c4d5e6f", 17532, Decimal("12.5"))
    assert row["counter_values"] == [("brands", "0a1b2c3d4e5f6071", 0, "acme")]
    assert row["accruals"][0][2:4] == (Decimal(500), Decimal("120.5"))
    assert (row["segments_assigned"], row["segments_inside"]) == ({"vip-list": True}, ["year-old"])
    assert row["statements"] == [("sms", None, False, 1_500_000_000_000)]
    assert (row["is_deleted"], row["member_id"]) == (0, "m-1001")


def test_a_number_larger_than_its_column_is_the_largest_there_is():
    profile = MemberProfile(member_id="m1", at=5, purchases_total="1" + "0" * 40)
    (row,) = blocks_of(profile, topic="member.profiles")["profiles"]
    assert row["purchases_total"] == Decimal("9" * 32 + ".999999")


def test_a_tombstone_is_a_profile_that_is_gone():
    decode = make_decoder(Codec(CommittedSchemas()))
    records = [Stored(0, 7, b"m1", None), Stored(1, 8, b"\xff", None), Stored(2, 9, b"m2", b"\x00broken")]
    gone, unnamed, broken = decode("member.profiles", 0, records)
    assert gone == MemberProfile(member_id="m1", at=7, gone=True)
    assert "no UTF-8" in unnamed.reason
    assert isinstance(broken, DeadLetter)
    (row,) = blocks_of(gone, topic="member.profiles")["profiles"]
    assert (row["member_id"], row["is_deleted"], row["phone"]) == ("m1", 1, None)


def test_every_table_says_what_goes_with_an_erased_member_or_why_it_stays() -> None:
    assert {table.name for table in tables() if table.erases is None} == {"consents", "erasures"}
    for table in tables():
        if table.erases is not None:
            named = {table.erases.member, table.erases.at, table.erases.unless} - {None}
            assert named <= table.columns.keys(), table.name
