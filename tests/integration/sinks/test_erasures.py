"""What erased members leave in ClickHouse is deleted, and comes back by no way."""

from dataclasses import replace

import pytest

from schemas.dead_letters import DeadLetter
from schemas.erasure import Erasure
from schemas.profiles import MemberProfile
from sinks.clickhouse.batch import Batch, Stored
from sinks.clickhouse.connect import connect
from sinks.clickhouse.decode import SentOn
from sinks.clickhouse.erase import erased_tables, sweep
from sinks.clickhouse.erased import HEARD_MS, Erased
from sinks.clickhouse.rows import tables
from sinks.clickhouse.run import migrate_database
from sinks.clickhouse.traces import strangers_who_said
from sinks.clickhouse.write import write
from streams.engine.commands import Attribution, Award, Decision, Dispatch, ProfileCheck, Webhook
from streams.engine.events import Event, StateMoved

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_database")]

AT = 1_500_000_000_000
COMMON = {"campaign": "c", "version": 1, "action": "actions[0]"}
KEPT = {"consents": 1, "erasures": 1}


def of_a_member(name, at):
    """One record for every table."""
    event = {"occurred_at": at, "source": "web", "key": name, "member_id": name}
    line = {"sku": "a"}
    yield Event(event_id=f"p{at}", type="purchase_completed", body={"receipt_id": "r", "lines": [line]}, **event)
    yield Event(event_id=f"u{at}", type="member_unsubscribed", body={"channel": "sms", "dispatch_id": "d"}, **event)
    command = {"at": at, "member_id": name, **COMMON}
    content = {"text": f"Hello {name}"}
    yield Dispatch(
        **command, dispatch_id=f"d{at}", channel="sms", to=f"+7 {name}", content=content, messaging_type="marketing"
    )
    yield Award(**command, award_id="a", amount=5, currency="points")
    yield Decision(**command, outcome="suppressed", reason="no_address")
    yield Webhook(**command, webhook_id="w", url="https://x", body={"name": name})
    yield Attribution(
        **command,
        attribution_id="a",
        dispatch_id="d",
        channel="sms",
        event="purchase_completed",
        event_id="e",
        occurred_at=at,
        amount=5,
        touch="sent",
        touched_at=at,
    )
    yield ProfileCheck(
        at=at,
        member_id=name,
        source="crm",
        event="profile_updated",
        event_id="e",
        occurred_at=at,
        findings=[{"field": "phone", "outcome": "valid"}],
    )
    yield StateMoved(occurred_at=at, move_id="x", gone=f"visitor:{name}", into=name)
    yield StateMoved(occurred_at=at, move_id="y", gone=f"{name}-of-before", into=name)
    yield SentOn(event_id=f"p{at}", source="web", into=name, occurred_at=at)
    yield DeadLetter(at=AT * 2, topic="t", partition=0, offset=9, key=name.encode(), value=name.encode(), reason="bad")


@pytest.fixture
def client(settings):
    migrate_database(settings)
    with connect(settings.clickhouse_dsn) as client:
        yield client


class Batches:
    """Batches of records as the sink writes them, in a topic of their own."""

    def __init__(self, client):
        self.client = client
        self.records = []

    def put(self, records, erased=None, **changes):
        first = len(self.records)
        self.records += records
        stored = tuple(Stored(offset, 0, b"k", b"v") for offset in range(first, len(self.records)))
        batch = Batch("t", 0, first, len(self.records) - 1, stored, decided=False, suspect=False)
        self.write(replace(batch, **changes), erased)
        return batch

    def write(self, batch, erased=None):
        def decode(_topic, _partition, stored):
            return [self.records[each.offset] for each in stored]

        assert write(self.client, batch, decode, erased) == batch.last


def rows(client, name):
    """How many rows each table has of a member."""
    found = {}
    for table in tables():
        column = next(each for each in ("into", "key", "member_id") if each in table.columns)
        found[table.name] = client.command(f"SELECT count() FROM {table.name} WHERE {column} = '{name}'")
    return {table: count for table, count in found.items() if count}


def everything():
    return {table.name for table in tables()} - {"erasures", "profiles"}


def test_all_of_an_erased_member_goes_but_the_evidence_and_nobody_else_loses_a_row(client):
    batches = Batches(client)
    batches.put([*of_a_member("anna", AT), *of_a_member("boris", AT), *of_a_member("anna", AT + 1000)])
    batches.put([*of_a_member("anna", AT + 5000)])
    before = rows(client, "boris")
    assert set(before) == everything()
    batches.put([Erasure(at=AT + 1000, member_id="anna", occurred_at=AT)])
    since = sweep(client, 0)
    since_then = {table: count for table, count in before.items() if table != "dead_letters"}
    assert rows(client, "anna") == {**since_then, "consents": 3, "erasures": 1}
    assert rows(client, "boris") == before
    mergers = client.query("SELECT gone, count() FROM mergers GROUP BY gone ORDER BY gone").result_rows
    assert mergers == [("anna-of-before", 1), ("boris-of-before", 1)]
    assert since > 0
    assert sweep(client, since) >= since


def test_every_table_that_says_whose_a_row_is_takes_part(client):
    named = client.query(
        "SELECT DISTINCT table FROM system.columns WHERE database = currentDatabase() "
        "AND name IN ('member_id', 'into') AND table IN "
        "(SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree')"
    ).result_rows
    staged = {"segment_staged", "rfm_staged", "rfm_inherited"}  # gone with their run, after two days at most
    assert {table for (table,) in named} - set(erased_tables()) == staged | set(KEPT)


def test_nothing_of_an_erased_member_comes_in_later_by_whatever_way(client):
    batches, erased = Batches(client), Erased()
    first = batches.put([*of_a_member("anna", AT), *of_a_member("boris", AT)], erased)
    batches.put([Erasure(at=AT + 10, member_id="anna", occurred_at=AT)], erased)
    sweep(client, 0)
    of_boris = rows(client, "boris")
    erased.refresh(client, now=True)
    batches.put(list(of_a_member("anna", AT + 5)), erased)  # a partition that was behind
    batches.write(replace(first, decided=True), erased)  # the batch again
    batches.write(replace(first, decided=True, suspect=True), Erased())  # and by a sink that begins anew
    assert rows(client, "anna") == {**KEPT, "consents": 2}
    batches.put(list(of_a_member("anna", AT + 20)), erased)  # she is back
    assert set(rows(client, "anna")) == everything() - {"dead_letters"} | {"erasures"}
    assert {table: rows(client, "boris")[table] for table in of_boris} == of_boris


def test_a_batch_of_which_nothing_is_left_is_not_taken_for_lost(client):
    batches = Batches(client)
    batch = batches.put(list(of_a_member("anna", AT)))
    stale = Erased()
    stale.refresh(client)  # this sink hasn't heard of what follows
    batches.put([Erasure(at=AT, member_id="anna", occurred_at=AT)])
    sweep(client, 0)
    batches.write(replace(batch, decided=True, suspect=True), stale)
    assert rows(client, "anna") == KEPT


def test_an_erasure_is_looked_at_until_every_sink_has_heard_of_it(client):
    batches = Batches(client)
    deaf = Erased()
    deaf.refresh(client)
    batches.put([Erasure(at=AT, member_id="anna", occurred_at=AT)])
    since = sweep(client, 0)
    batches.put(list(of_a_member("anna", AT)), deaf)  # within its minute
    assert len(rows(client, "anna")) > 2
    since = sweep(client, since)
    assert rows(client, "anna") == KEPT
    assert since <= client.command("SELECT toUnixTimestamp64Milli(now64(3))") - HEARD_MS


def test_strangers_who_said_a_text_are_named(client):
    common = {"source": "web", "member_id": None, "occurred_at": AT, "type": "profile_updated"}
    said = {"email": "ann@x.org"}
    keys = ("visitor:v", "visitor:v", "card:~1", "visitor:other", "receipt:r")
    events = [Event(event_id=f"e{n}", key=key, body=said, **common) for n, key in enumerate(keys)]
    events[3].body = {"email": "bob@x.org"}
    events.append(Event(event_id="own", key="ann", body=said, **{**common, "member_id": "ann"}))
    Batches(client).put(events)
    assert strangers_who_said(client, ["ann@x.org", "+7"]) == {"card:~1": 1, "receipt:r": 1, "visitor:v": 2}


def test_many_are_erased_at_once(client):
    batches = Batches(client)
    batches.put([each for number in range(30) for each in of_a_member(f"m{number}", AT)])
    batches.put([Erasure(at=AT, member_id=f"m{number}", occurred_at=AT) for number in range(2500) if number != 7])
    sweep(client, 0)
    assert client.command("SELECT groupUniqArray(key) FROM events") == client.command("SELECT ['m7']")
    assert set(rows(client, "m7")) == everything()


def test_of_profiles_the_tombstone_stays(client):
    batches = Batches(client)
    batches.put([MemberProfile(member_id="anna", at=AT, first_name="Anna"), MemberProfile(member_id="boris", at=AT)])
    batches.put([Erasure(at=AT, member_id="anna", occurred_at=AT)])
    sweep(client, 0)
    assert client.command("SELECT count() FROM profiles WHERE first_name = 'Anna'") == 0
    assert client.command("SELECT count() FROM profiles WHERE member_id = 'boris'") == 1
