"""`rekindle sink` while ClickHouse is away or its answers get lost: it waits, within bounds, and repeats nothing."""

import re
import urllib.request
from collections import Counter
from urllib.parse import urlsplit

import pytest

from sinks.clickhouse.connect import connect
from tests.integration.sinks.flaky import FlakyWay
from tests.integration.sinks.support import codec_of, produce, purchases, read_all
from tests.support import run_rekindle

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics", "fresh_database")]

SOON_S = 60


@pytest.fixture
def client(settings):
    with connect(settings.clickhouse_dsn) as client:
        yield client


@pytest.fixture
def way(settings):
    made = FlakyWay(urlsplit(settings.clickhouse_dsn).port)
    yield made
    made.close()


@pytest.fixture
def by_way(settings, way):
    """Small batches over the flaky way."""
    return {
        "REKINDLE_CLICKHOUSE_DSN": f"http://127.0.0.1:{way.port}{urlsplit(settings.clickhouse_dsn).path}",
        "REKINDLE_SINK_BATCH_RECORDS": "50",
        "REKINDLE_SINK_LINGER_MS": "1",
        "REKINDLE_INSTANCE": "a",
    }


def count(client):
    return client.command("SELECT count() FROM events") if client.command("EXISTS TABLE events") else 0


def metric(sink, name):
    port = re.search(r"metrics on http://127\.0\.0\.1:(\d+)/metrics", sink.output).group(1)
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def assert_each_once(settings, client, records):
    places = Counter((partition, offset) for partition, offset, *_ in read_all(settings, "member.events"))
    assert len(places) == records
    assert Counter(client.query("SELECT _partition, _offset FROM events").result_rows) == places
    assert Counter(client.query("SELECT _partition, _offset FROM purchases").result_rows) == places
    lines = sum(number % 3 for number in range(records))
    assert client.command("SELECT count() FROM purchase_lines") == lines
    assert client.command("SELECT sum(events) FROM daily_events") == records
    assert client.command("SELECT sum(receipts) FROM daily_purchases") == records


def test_answers_that_get_lost_repeat_nothing(settings, client, way, by_way, process):
    """The server did what it was asked, and the sink doesn't know: one answer in eight."""
    produce(settings, codec_of(settings), "member.events", purchases(2_000))
    sink = process("sink", env=by_way)
    sink.until(lambda: "assigned" in sink.output, SOON_S, "its partitions")
    way.lose = 0.125
    sink.until(lambda: count(client) >= 2_000, 120, "all rows")
    way.lose = 0.0
    assert way.lost > 5
    assert sink.terminate() == 0
    assert_each_once(settings, client, 2_000)


def test_while_clickhouse_is_away_it_reads_no_more_than_it_may_hold(settings, client, way, by_way, process):
    codec = codec_of(settings)
    produce(settings, codec, "member.events", purchases(50))
    sink = process("sink", env=by_way)
    sink.until(lambda: count(client) == 50, SOON_S, "the first rows")
    way.cut()
    produce(settings, codec, "member.events", purchases(5_950, start=50))
    sink.until(lambda: metric(sink, "rekindle_sink_paused_partitions") == settings.partitions, SOON_S, "the pause")
    assert metric(sink, "rekindle_records_in_total") < 6_000
    sink.until(lambda: metric(sink, "rekindle_sink_retries_total") > 0, SOON_S, "an attempt that failed")
    assert count(client) <= 50
    way.down = False
    sink.until(lambda: count(client) >= 6_000, SOON_S, "all rows")
    assert metric(sink, "rekindle_sink_paused_partitions") == 0
    assert sink.terminate() == 0
    assert_each_once(settings, client, 6_000)


def test_asked_to_end_while_clickhouse_is_away_it_ends(settings, client, way, by_way, process):
    produce(settings, codec_of(settings), "member.events", purchases(500))
    sink = process("sink", env=by_way)
    sink.until(lambda: count(client) > 0, SOON_S, "the first rows")
    way.cut()
    sink.until(lambda: "trying again soon" in sink.output, SOON_S, "a failed attempt")
    assert sink.terminate() == 0


def test_a_wrong_address_is_said_at_once(environment):
    wrong = run_rekindle("sink", env=environment | {"REKINDLE_CLICKHOUSE_DSN": "clickhouse://somewhere"})
    assert wrong.returncode == 1
    assert "REKINDLE_CLICKHOUSE_DSN: expected http(s)://[user[:password]@]host:port/database" in wrong.stderr
    assert "Traceback" not in wrong.stderr
