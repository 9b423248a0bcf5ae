"""The declarations fit together: files, topics, the contract's table, and everything derived from them."""

import json
import re

import fastavro
import pytest

from schemas.catalogue import EVENT_TYPES, HEADER, IDENTIFIERS, SOURCE_TOPICS
from schemas.codec import VALUE_BYTES_MAX
from schemas.declarations import FOLDER, RECORD_BYTES_MAX, avro_schemas, topic_declarations
from schemas.topics import topic_config
from streams.engine.decision import OUTCOMES, REASONS
from streams.kafka import MESSAGE_BYTES_MAX
from streams.settings import Settings

RECEIPT = "receipt_id store_id pos_id"
PROFILE = "first_name middle_name last_name phone email birth_date gender city address time_zone referrer_id attributes"
PURCHASE = f"{RECEIPT} total discount bonus_paid lines"
CONTRACT = {
    "pos.receipts": {
        "discount_calculated": f"{RECEIPT} discount lines",
        "bonus_calculated": f"{RECEIPT} amount currency",
        "bonus_paid": f"{RECEIPT} amount currency",
        "balance_inquired": RECEIPT,
        "card_issued": f"{RECEIPT} card_number",
        "purchase_completed": PURCHASE,
        "purchase_returned": f"{RECEIPT} total lines",
        "friend_purchase_completed": f"{PURCHASE} friend_id",
    },
    "members.registrations": {
        "registration_completed": PROFILE,
        "profile_updated": PROFILE,
        "card_activated": "",
        "application_form_updated": "section",
        "application_form_completed": "section",
        "phone_bound": "phone",
        "email_bound": "email",
        "app_installed": "platform push_token",
        "social_profile_linked": "network profile_id",
        "social_group_joined": "network group",
        "social_group_left": "network group",
        "social_activity": "network action",
        "social_activity_removed": "network action",
        "friend_invited": "referral_id",
        "status_changed": "previous status",
        "status_calculated": "status",
        "subscription_changed": "channel messaging_type subscribed",
        "members_merged": "from_id into_id",
        "segment_assigned": "segment",
        "segment_removed": "segment",
        "member_erased": "",
    },
    "web.behaviour": {
        "site_visited": "url",
        "section_visited": "section",
        "product_viewed": "sku name category url image",
        "cart_item_added": "sku name category quantity price url image",
        "cart_item_removed": "sku name category quantity price url image",
        "order_placed": "order_id total lines",
        "order_cancelled": "order_id",
        "feedback_received": "text",
        "poll_answered": "poll question answer",
    },
    "bonus.ledger": {
        "bonus_accrued": "accrual_id amount currency activates_at expires_at award_id",
        "bonus_activated": "accrual_id",
        "bonus_expired": "accrual_id",
        "bonus_cancelled": "accrual_id",
    },
    "delivery.statuses": {
        "message_sent": "dispatch_id channel",
        "message_delivered": "dispatch_id channel",
        "message_opened": "dispatch_id channel",
        "message_clicked": "dispatch_id channel link",
        "message_failed": "dispatch_id channel reason",
        "message_complained": "dispatch_id channel",
        "member_unsubscribed": "dispatch_id channel",
    },
    None: {"segment_entered": "segment", "segment_left": "segment"},
}


def test_the_catalogue_is_the_contracts_table() -> None:
    expected = [
        (topic, name, {*body.split(), *IDENTIFIERS})
        for topic, types in CONTRACT.items()
        for name, body in types.items()
    ]
    assert [(each.topic, name, set(each.fields)) for name, each in EVENT_TYPES.items()] == expected


def test_only_discounts_and_payments_with_points_count_as_zero_when_absent() -> None:
    defaults = {
        name
        for event_type in EVENT_TYPES.values()
        for fields in (event_type.fields, *(field.fields for field in event_type.fields.values()))
        for name, field in fields.items()
        if field.default is not None
    }
    assert defaults == {"discount", "bonus_paid"}


def test_every_event_has_the_same_header() -> None:
    headers = set()
    for event_type in EVENT_TYPES.values():
        fields = avro_schemas()[event_type.record]["fields"]
        header = [dict(field) for field in fields[: len(HEADER) + len(IDENTIFIERS)]]
        assert next(field for field in header if field["name"] == "type").pop("default") == event_type.name
        assert [field["name"] for field in header] == [*HEADER, *IDENTIFIERS]
        headers.add(json.dumps(header))
    assert len(headers) == 1


@pytest.mark.parametrize("record", avro_schemas())
def test_a_file_is_named_after_its_record_and_documents_everything(record: str) -> None:
    schema = avro_schemas()[record]
    file = re.sub(r"(?<!^)([A-Z])", r"_\1", schema["name"]).lower()
    assert (FOLDER / "avro" / f"{file}.avsc").exists()
    if schema["namespace"] == "rekindle.events":
        assert EVENT_TYPES[file].record == record
    assert [name for name, described in _described(schema) if not described] == []
    fastavro.parse_schema(json.loads(json.dumps(schema)), named_schemas={})


def _described(schema: object) -> list[tuple[str, bool]]:
    """Every named thing in a schema (records, enums, fields) and whether it is described by a sentence."""
    if isinstance(schema, list):
        return [found for each in schema for found in _described(each)]
    if not isinstance(schema, dict):
        return []
    own = [(schema["name"], str(schema.get("doc", "")).endswith("."))] if "name" in schema else []
    return own + [found for value in schema.values() for found in _described(value)]


def test_enums_have_a_default_for_what_is_newer_than_the_reader() -> None:
    def enums(schema: object) -> list[dict[str, object]]:
        if isinstance(schema, list):
            return [found for each in schema for found in enums(each)]
        if not isinstance(schema, dict):
            return []
        inner = [found for value in schema.values() for found in enums(value)]
        return [schema, *inner] if schema.get("type") == "enum" else inner

    found = enums([dict(schema) for schema in avro_schemas().values()])
    assert found
    assert {each.get("default") for each in found} == {"unknown"}


def test_every_schema_has_a_topic_and_every_topic_known_schemas() -> None:
    declared = {record for topic in topic_declarations().values() for record in topic.schemas}
    engine_only = {each.record for each in EVENT_TYPES.values() if each.topic is None}
    assert declared == avro_schemas().keys() - engine_only


@pytest.mark.parametrize("name", topic_declarations())
def test_a_topic_file_is_complete(name: str) -> None:
    topic = topic_declarations()[name]
    assert (FOLDER / "topics" / f"{name}.yaml").exists()
    assert topic.owner
    assert topic.key
    assert topic.doc.endswith(".")
    assert bool(topic.schemas) != bool(topic.value), "either schemas, or a sentence on the value"
    assert topic.retention_ms == -1 or topic.retention_ms >= 86_400_000
    assert topic.cleanup in {"delete", "compact"}
    assert topic.dead_letters in {None, "dead.letters"}
    assert topic.partitions in {None, 1}


@pytest.mark.parametrize("profile", ["replay", "production"])
def test_topics_take_what_producers_send(profile: str) -> None:
    settings = Settings(topic_profile=profile)  # type: ignore[arg-type]
    taken = {topic_config(each, settings)["max.message.bytes"] for each in topic_declarations().values()}
    assert taken == {str(RECORD_BYTES_MAX)}
    # a batch of them has a producer's `batch.size`, 1 MB, or is one record
    assert VALUE_BYTES_MAX * 2 < MESSAGE_BYTES_MAX < RECORD_BYTES_MAX - 1_000_000
    broker = (FOLDER.parent / "infra/settings/kafka.properties").read_text(encoding="utf-8").splitlines()
    assert f"message.max.bytes={RECORD_BYTES_MAX}" in broker


def test_the_log_takes_every_event_that_a_source_gives() -> None:
    sources = {record for topic in SOURCE_TOPICS for record in topic_declarations()[topic].schemas}
    log = set(topic_declarations()["member.events"].schemas)
    assert log == sources | set(topic_declarations()["control"].schemas)


def test_outcomes_and_reasons_are_those_of_the_engine() -> None:
    fields = {field["name"]: field["type"] for field in avro_schemas()["rekindle.commands.Decision"]["fields"]}
    assert fields["outcome"]["symbols"] == ["unknown", *OUTCOMES]
    assert fields["reason"]["symbols"] == ["unknown", *REASONS]
