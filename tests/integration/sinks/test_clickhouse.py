"""What the sink asks of ClickHouse, on the real engine: migrations, agreed batches, inserts that can be repeated."""

import threading
from collections.abc import Callable

import pytest

from sinks.clickhouse import write as write_module
from sinks.clickhouse.batch import Batch, Stored
from sinks.clickhouse.batches import Range, complete, decide, last_batches
from sinks.clickhouse.connect import connect
from sinks.clickhouse.migrate import Migration, migrate, read_migrations
from sinks.clickhouse.run import migrate_database
from sinks.clickhouse.write import write
from streams.engine.events import Event
from streams.errors import RekindleError

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_database")]

RECORDS = 40


def decode(_topic, _partition, records):
    return [
        Event(
            event_id=f"e{record.offset}",
            type="purchase_completed",
            occurred_at=1_500_000_000_000 + record.offset,
            source="pos",
            key="m1",
            body={"receipt_id": "r", "lines": [{"sku": "a"}, {"sku": "b"}]},
        )
        for record in records
    ]


def batch(first, last, *, decided=False, suspect=False):
    records = tuple(Stored(offset, 0, b"m1", b"") for offset in range(first, last + 1))
    return Batch("member.events", 0, first, last, records, decided, suspect)


def at_once(work: Callable[[int], object], threads: int) -> list[object]:
    barrier, results = threading.Barrier(threads), [None] * threads

    def run(number):
        barrier.wait()
        try:
            results[number] = work(number)
        except Exception as error:  # noqa: BLE001 - judged by the test
            results[number] = error

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return results


@pytest.fixture
def client(settings):
    migrate_database(settings)
    with connect(settings.clickhouse_dsn) as client:
        yield client


def counts(client):
    tables = ("events", "purchases", "purchase_lines")
    return {
        **{table: client.command(f"SELECT count() FROM {table}") for table in tables},
        "offsets": client.command("SELECT uniqExact(_offset) FROM events"),
        "daily": client.command("SELECT sum(events) FROM daily_events"),
        "receipts": client.command("SELECT sum(receipts) FROM daily_purchases"),
    }


def expected(records):
    return {
        "events": records,
        "purchases": records,
        "purchase_lines": 2 * records,
        "offsets": records,
        "daily": records,
        "receipts": records,
    }


def test_sinks_that_start_at_once_apply_each_migration_once(settings):
    def start(_number):
        with connect(settings.clickhouse_dsn) as client:
            return [migration.number for migration in migrate(client)]

    applied = at_once(start, 4)
    assert sorted(number for numbers in applied for number in numbers) == [each.number for each in read_migrations()]
    with connect(settings.clickhouse_dsn) as client:
        assert client.command("SELECT count() FROM schema_migrations") == len(read_migrations())


def test_a_migration_whose_claimant_died_is_taken_over(settings):
    slow = Migration(1, "slow", "CREATE TABLE IF NOT EXISTS taken_over (a Int8) ENGINE = MergeTree ORDER BY a;")
    with connect(settings.clickhouse_dsn) as client:
        migrate(client, [])
        client.insert(
            "schema_migration_claims",
            [[1, 0, "dead"]],
            column_names=["number", "attempt", "claimant"],
            settings={"insert_deduplication_token": "claim/1/0"},
        )
        assert migrate(client, [slow], lease_s=0.2) == [slow]
        assert client.command("EXISTS TABLE taken_over") == 1
        claims = client.query("SELECT attempt, claimant = 'dead' FROM schema_migration_claims ORDER BY attempt")
        assert claims.result_rows == [(0, 1), (1, 0)]


def test_a_migration_that_was_changed_is_refused(client):
    changed = [Migration(each.number, each.name, each.text + "\n-- more") for each in read_migrations()]
    with pytest.raises(RekindleError, match="0001_tables was changed"):
        migrate(client, changed)


def test_a_database_of_a_newer_version_is_refused(client):
    with pytest.raises(RekindleError, match="0003_funnel, which this version doesn't know"):
        migrate(client, read_migrations()[:2])


def test_every_migration_can_be_repeated(client):
    for migration in read_migrations():
        for statement in migration.statements():
            client.command(statement)


def test_of_several_ends_of_a_batch_the_first_holds_for_all(settings, client):
    def propose(number):
        with connect(settings.clickhouse_dsn) as own:
            return [decide(own, "t", 0, first, first + number) for first in range(0, 100, 10)]

    ends = at_once(propose, 4)
    assert all(found == ends[0] for found in ends)
    assert last_batches(client) == {("t", 0): Range(90, ends[0][-1])}


def test_a_decision_that_the_server_lost_after_noting_its_token_is_made_again(client):
    decide(client, "t", 0, 0, 4)
    client.command("ALTER TABLE sink_batches DELETE WHERE 1 SETTINGS mutations_sync = 2")
    assert decide(client, "t", 0, 0, 6) == 6
    assert decide(client, "t", 0, 0, 8) == 6, "also that one is made once"


def test_a_batch_is_known_to_be_complete_once_a_later_one_is_decided(client):
    decide(client, "t", 0, 0, 4)
    assert complete(client, "t", 0, 0) is None
    decide(client, "t", 0, 5, 9)
    assert (complete(client, "t", 0, 0), complete(client, "t", 0, 5), complete(client, "t", 1, 0)) == (4, None, None)


def test_a_batch_is_written_once_however_often_it_comes(client):
    assert write(client, batch(0, 9), decode) == 9
    assert write(client, batch(0, 9, suspect=True), decode) == 9
    assert write(client, batch(0, 9, decided=True, suspect=True), decode) == 9
    assert counts(client) == expected(10)


def test_one_batch_is_one_part_of_each_table(client):
    many = batch(0, 19_999)
    write(client, many, decode)
    parts = client.query(
        "SELECT table, count() FROM system.parts WHERE active AND database = currentDatabase() AND table IN "
        "('events', 'purchases', 'purchase_lines') AND level = 0 GROUP BY table ORDER BY table"
    ).result_rows
    assert parts == [("events", 1), ("purchase_lines", 1), ("purchases", 1)]


def test_a_batch_with_another_end_follows_the_first_decision(client):
    write(client, batch(0, 9), decode)
    assert write(client, batch(0, 19), decode) == 9
    assert write(client, batch(0, 4), decode) == 9
    assert counts(client) == expected(10)


def test_a_sink_that_wakes_up_late_repeats_nothing(client):
    for first in range(0, 30, 10):
        write(client, batch(first, first + 9), decode)
    assert write(client, batch(0, 14, suspect=True), decode) == 9
    assert counts(client) == expected(30)


@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_crash_between_two_tables_is_made_good(client, monkeypatch, done):
    """The sink dies after so many tables of a batch; whoever takes over finds the decision and completes it."""
    with monkeypatch.context() as patched:
        real, left = write_module.insert, iter([True] * done)

        def insert(*args):
            if not next(left, False):
                raise KeyboardInterrupt
            real(*args)

        patched.setattr(write_module, "insert", insert)
        with pytest.raises(KeyboardInterrupt):
            write(client, batch(0, 9), decode)
    last = last_batches(client)["member.events", 0]
    assert write(client, batch(last.first, last.last, decided=True, suspect=True), decode) == 9
    assert write(client, batch(10, 19), decode) == 19
    assert counts(client) == expected(20)


def test_views_that_missed_an_insert_are_brought_up_to_date(client):
    write(client, batch(0, 9), decode)
    client.command("TRUNCATE TABLE daily_events")
    write(client, batch(0, 9, decided=True, suspect=True), decode)
    assert counts(client) == expected(10)


def test_rows_that_the_server_lost_after_noting_their_token_are_inserted_again(client):
    write(client, batch(0, 9), decode)
    client.command("ALTER TABLE purchases DELETE WHERE 1 SETTINGS mutations_sync = 2")
    write(client, batch(0, 9, decided=True, suspect=True), decode)
    assert client.command("SELECT count() FROM purchases") == 10


def test_sinks_that_write_the_same_partition_at_once_agree(settings, client):
    """As after a rebalance with a sink that doesn't know of it yet; each cuts other batches."""

    def run(number):
        first = 0
        with connect(settings.clickhouse_dsn) as own:
            while first < RECORDS:
                last = min(first + 2 + 3 * number, RECORDS - 1)
                end = write(own, batch(first, last), decode)
                if end > last:
                    end = write(own, batch(first, end, decided=True, suspect=True), decode)
                first = end + 1

    assert at_once(run, 3) == [None] * 3
    assert counts(client) == expected(RECORDS)


def test_the_funnel_counts_each_dispatch_once(client):
    client.insert(
        "dispatches",
        [[1_500_000_000_000, f"d{number}", "c", "sms"] for number in range(5)],
        column_names=["at", "dispatch_id", "campaign", "channel"],
    )
    statuses = [("d0", "message_sent"), ("d0", "message_opened"), ("d0", "message_clicked"), ("d1", "message_sent")]
    statuses += [("d1", "message_sent"), ("d2", "message_failed")]
    client.insert("delivery_statuses", statuses, column_names=["dispatch_id", "status"])
    (row,) = client.query(
        "SELECT campaign, channel, dispatched, sent, delivered, opened, clicked, failed FROM dispatch_funnel"
    ).result_rows
    assert row == ("c", "sms", 5, 2, 1, 1, 1, 1)
