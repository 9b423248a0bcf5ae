"""`rekindle sink` against Kafka, the registry and ClickHouse: every record once, whatever happens to the sink."""

import random
from collections import Counter
from decimal import Decimal

import pytest

from sinks.clickhouse.connect import connect
from streams.kafka import admin_client
from tests.integration.sinks.support import (
    awards,
    codec_of,
    decisions,
    dispatches,
    produce,
    purchases,
    read_all,
    ticks,
)
from tests.support import renew_topics, run_rekindle, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics", "fresh_database")]

SOON_S = 60
STATIC = {"REKINDLE_INSTANCE": "a"}


@pytest.fixture
def codec(settings):
    return codec_of(settings)


@pytest.fixture
def client(settings):
    with connect(settings.clickhouse_dsn) as client:
        yield client


def count(client, table):
    return client.command(f"SELECT count() FROM {table}") if client.command(f"EXISTS TABLE {table}") else 0


def origins(client, table):
    found = client.query(f"SELECT _topic, _partition, _offset FROM {table}").result_rows
    return Counter(found)


def places(settings, topic):
    return {(topic, partition, offset) for partition, offset, _, _ in read_all(settings, topic)}


def test_everything_arrives_in_its_table(settings, codec, client, process):
    produce(settings, codec, "member.events", purchases(30))
    produce(settings, codec, "member.events", ticks(5), partition=0)
    produce(settings, codec, "send.sms", dispatches(10), broken_every=5)
    produce(settings, codec, "bonus.awards", awards(4))
    produce(settings, codec, "decisions", decisions(6))
    sink = process("sink", env=STATIC)
    sink.until(lambda: count(client, "decisions") == 6 and count(client, "events") == 30, SOON_S, "the rows")
    sink.until(lambda: count(client, "dispatches") == 10 and count(client, "awards") == 4, SOON_S, "the rows")
    sink.until(lambda: count(client, "dead_letters") == 2, SOON_S, "what cannot be read")

    total, lines = client.query("SELECT sum(total), sum(lines) FROM purchases").result_rows[0]
    assert (total, lines) == (Decimal(sum(range(30))) / 4, sum(number % 3 for number in range(30)))
    assert count(client, "purchase_lines") == lines
    amounts = client.query("SELECT DISTINCT amount, currency FROM awards").result_rows
    assert amounts == [(Decimal("12.5"), "points")]
    reason, topic = client.query("SELECT DISTINCT reason, origin_topic FROM dead_letters").result_rows[0]
    assert reason.startswith("sink: ")
    assert topic == "send.sms"
    assert sink.terminate() == 0


def test_killed_again_and_again_it_writes_every_record_once(settings, codec, client, process):
    """Small batches, so that every kill hits some in the middle; one kill is of two sinks that share the work."""
    random.seed(3)
    produce(settings, codec, "member.events", purchases(6_000), broken_every=500)
    produce(settings, codec, "send.email", dispatches(2_000, channel="email", to="a@example.com"))
    quick = {"REKINDLE_SINK_LINGER_MS": "1", "REKINDLE_SINK_BATCH_RECORDS": "40", "REKINDLE_INSTANCE": "a"}
    for kill in range(4):
        sinks = [process("sink", env=quick)]
        if kill == 2:
            sinks.append(process("sink", env=quick | {"REKINDLE_INSTANCE": "b"}))
        written = count(client, "events")
        assert written < 6_000
        enough = written + random.randint(1, 700)
        for sink in sinks:
            sink.until(lambda enough=enough: count(client, "events") >= enough, SOON_S, "some rows")
            sink.until(lambda sink=sink: "assigned" in sink.output, SOON_S, "its partitions")
        for sink in sinks:
            sink.kill()
    last = process("sink", env=quick)
    last.until(lambda: count(client, "events") >= 6_000 and count(client, "dispatches") >= 2_000, SOON_S, "all rows")
    last.until(lambda: count(client, "dead_letters") >= 12, SOON_S, "all dead letters")
    assert last.terminate() == 0

    logged = places(settings, "member.events")
    assert len(logged) == 6_012
    assert origins(client, "events") + origins(client, "dead_letters") == Counter(logged)
    assert origins(client, "purchases") == origins(client, "events")
    assert count(client, "purchase_lines") == sum(number % 3 for number in range(6_000))
    assert origins(client, "dispatches") == Counter(places(settings, "send.email"))
    assert client.command("SELECT sum(events) FROM daily_events") == 6_000
    assert client.command("SELECT sum(receipts) FROM daily_purchases") == 6_000


def test_a_sink_that_ended_goes_on_behind_what_it_wrote(settings, codec, client, process):
    produce(settings, codec, "decisions", decisions(50))
    first = process("sink", env=STATIC)
    first.until(lambda: count(client, "decisions") == 50, SOON_S, "the first rows")
    assert first.terminate() == 0
    produce(settings, codec, "decisions", decisions(30))
    second = process("sink", env=STATIC)
    second.until(lambda: count(client, "decisions") == 80, SOON_S, "the next rows")
    assert second.terminate() == 0
    assert max(origins(client, "decisions").values()) == 1


def test_topics_that_were_made_anew_are_refused(settings, codec, client, process):
    produce(settings, codec, "decisions", decisions(50))
    first = process("sink", env=STATIC)
    first.until(lambda: count(client, "decisions") == 50, SOON_S, "the rows")
    assert first.terminate() == 0
    renew_topics(settings)
    second = process("sink", env=STATIC)
    until(lambda: second.returncode is not None, SOON_S, "its end")
    assert second.returncode == 1
    assert "it was made anew; give the sink an empty database" in second.output


def test_missing_topics_are_said_at_once(settings, environment):
    admin = admin_client(settings)
    admin.delete_topics(["decisions"])["decisions"].result()
    ended = run_rekindle("sink", env=environment)
    assert ended.returncode == 1
    assert "Kafka has no topic decisions: run `rekindle topics create` first" in ended.stderr
