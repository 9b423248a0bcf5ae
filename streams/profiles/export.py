"""Everything that is held about a member, as one JSON document: for whoever asks what we know of them.

It is every row, of every table of ClickHouse that has a column for a member, under the member's id and the ids of those
who were merged into them; and the profile's record as it stands in `member.profiles`. It is written table by table: no
more than the rows of one are held.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.codec import BadRecord, Codec
from schemas.registry import Registry
from sinks.clickhouse.connect import Client
from sinks.clickhouse.rows import tables
from streams.engine.events import Event
from streams.errors import RekindleError
from streams.kafka import consumer_config
from streams.profiles.look_up import Found, rows, theirs
from streams.settings import Settings
from streams.topics import MEMBER_PROFILES

READ_SECONDS = 15.0
_OWNERS = ("member_id", "key", "into")
_OF_EVENTS = frozenset(table.name for table in tables() if table.takes is Event)
_to_json = msgspec.json.Encoder(decimal_format="number").encode


def export(client: Client, settings: Settings, found: Found) -> Iterator[str]:
    """The document, in pieces. Raises `ClickHouseError`, and `RekindleError` when the record can't be read."""
    head = {"member_id": found.member_id, "merged_into_them": found.keys[1:], "record": profile_record(settings, found)}
    yield _to_json(head).decode()[:-1] + ',"tables":{'
    for number, (table, columns) in enumerate(tables_of_members(client).items()):
        yield f"{',' if number else ''}\n{_to_json(table).decode()}:["
        yield from _rows(client, table, columns, found)
        yield "]"
    yield "}}\n"


def tables_of_members(client: Client) -> dict[str, list[str]]:
    """Every table that has a column saying whose a row is, and those columns; views aren't among them."""
    found = rows(
        client,
        "SELECT table, groupArray(name) AS columns FROM system.columns WHERE database = currentDatabase() "
        "AND name IN %(owners)s AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() "
        "AND endsWith(engine, 'MergeTree')) GROUP BY table ORDER BY table",
        owners=list(_OWNERS),
    )
    return {row["table"]: row["columns"] for row in found}


def _rows(client: Client, table: str, columns: list[str], found: Found) -> Iterator[str]:
    mine = " OR ".join(f"{column} IN %(keys)s" for column in columns)
    if table in _OF_EVENTS:
        mine = f"({mine}) AND {theirs('key' if 'key' in columns else 'member_id')}"
    query = f"SELECT * FROM {table} WHERE {mine}"  # noqa: S608 - names of our own tables
    for number, row in enumerate(rows(client, query, keys=found.keys, ends=found.ends, sent_on=found.sent_on)):
        yield f"{',' if number else ''}\n{_to_json(row).decode()}"


def profile_record(settings: Settings, found: Found) -> dict[str, Any] | None:
    """The record that the row was made of; None if a newer one has taken its place meanwhile, or Kafka lost it."""
    consumer = Consumer(consumer_config(settings, f"{settings.group_prefix}-export"))
    try:
        consumer.assign([TopicPartition(MEMBER_PROFILES, found.profile["_partition"], found.profile["_offset"])])
        message = consumer.poll(READ_SECONDS)
        if message is None or message.error() is not None or message.offset() != found.profile["_offset"]:
            return None
        (record,) = Codec(Registry.from_settings(settings)).decode_profiles([message.value() or b""])
    except KafkaException as error:
        raise RekindleError(f"{MEMBER_PROFILES} cannot be read: {error.args[0].str()}") from error
    finally:
        consumer.close()
    return None if isinstance(record, BadRecord) else msgspec.structs.asdict(record)
