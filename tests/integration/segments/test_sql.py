"""SQL segments: evaluated over ClickHouse on their schedule, published by their difference, whatever breaks off."""

import pytest

from sinks.clickhouse.connect import connect
from sinks.clickhouse.erase import sweep
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.traces import rows_left
from streams.segments.evaluate import RefusedSqlError, check
from tests.integration.segments.support import inside, segment_events
from tests.support import run_rekindle, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics", "fresh_database")]

SIGKILLED = -9
CAMPAIGN = "id: c\ntrigger: {segment_entered: fans}\nactions: [{send: {channel: in_app, template: a}}]\n"
FANS = "SELECT member_id FROM purchases WHERE total >= 100 -- 'big {a:1} %s baskets'"


@pytest.fixture
def client(settings):
    with connect(settings.clickhouse_dsn, create_database=True) as client:
        migrate(client)
        yield client


@pytest.fixture
def apply(environment, tmp_path):
    """Apply a programme with the segment `fans`."""

    def run(sql, when="every: PT1H"):
        for name, text in {
            "c.yaml": CAMPAIGN,
            "templates/a.yaml": "templates: [{id: a, text: Hello}]\n",
            "segments/fans.yaml": f"id: fans\nsql: |\n  {sql}\n{when}\n",
        }.items():
            path = tmp_path / "programme" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = run_rekindle("campaigns", "apply", tmp_path / "programme", env=environment)
        assert done.returncode == 0, done.stderr

    return run


def buy(client, **totals):
    rows = ", ".join(f"('{member}', '{member}', {total})" for member, total in totals.items())
    client.command(f"INSERT INTO purchases (key, member_id, total) VALUES {rows}")


def crowd(client, size):
    numbers = f"SELECT toString(number), toString(number), 100 FROM numbers({size})"
    client.command(f"INSERT INTO purchases (key, member_id, total) {numbers}")


def fans(settings):
    return {member for segment, member in inside(segment_events(settings)) if segment == "fans"}


def test_once_evaluates_now_and_publishes_the_difference(settings, environment, client, apply):
    buy(client, m1=100, m2=99, m3=250)
    client.command("INSERT INTO purchases (key, member_id, total) VALUES ('visitor:v', NULL, 500), ('', '', 500)")
    apply(FANS)
    once = ("segments", "run", "--once", "fans")
    done = run_rekindle(*once, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "fans: 2 members, 2 entered, 0 left\n"
    assert fans(settings) == {"m1", "m3"}
    assert {event.source for event in segment_events(settings)} == {"segments.sql"}
    client.command("TRUNCATE TABLE purchases")
    buy(client, m3=100, m4=100)
    assert run_rekindle(*once, env=environment).stdout == "fans: 2 members, 1 entered, 1 left\n"
    everything = run_rekindle(*once[:-1], env=environment)
    assert everything.stdout == "fans: 2 members, 0 entered, 0 left\nrfm: 0 members, 0 entered, 0 left\n"
    assert fans(settings) == {"m3", "m4"}
    assert len(segment_events(settings)) == 4
    unknown = run_rekindle("segments", "run", "--once", "nobody", env=environment)
    assert unknown.returncode == 1
    assert "evaluates no nobody: it has fans, rfm" in unknown.stderr


def move(client, gone, into, offset):
    client.insert("moves", [[gone, into, offset]], column_names=["gone", "into", "_offset"])


def test_what_a_member_did_as_a_stranger_is_theirs_in_the_views(settings, environment, client, apply):
    move(client, "visitor:v", "m1", 5)
    move(client, "m1", "m2", 9)
    places = [("visitor:v", 4), ("visitor:v", 6), ("visitor:w", 1), ("receipt:r", 1), ("m1", 8), ("m2", 20), ("m3", 1)]
    for table in ("events", "purchases", "purchase_lines"):
        client.insert(table, places, column_names=["key", "_offset"])
    client.insert("delivery_statuses", places, column_names=["member_id", "_offset"])
    client.insert("profiles", [["x", "m1"], ["y", "m2"]], column_names=["member_id", "referrer_id"])
    for table in ("events", "purchases", "purchase_lines", "delivery_statuses"):
        found = client.query(f"SELECT member_id, key, _offset FROM member_{table} ORDER BY 1, 3").result_rows
        assert found == [("m2", "visitor:v", 4), ("m2", "m1", 8), ("m2", "m2", 20), ("m3", "m3", 1)], table
        of_table, of_view = (
            {row[0] for row in client.query(f"DESCRIBE {each}{table}").result_rows} for each in ("", "member_")
        )
        assert of_view == of_table | {"key"}
    assert client.query("SELECT * FROM referral_habits").result_rows == [("m2", 2)]
    apply("SELECT member_id FROM member_purchases GROUP BY member_id HAVING count() = 3")
    done = run_rekindle("segments", "run", "--once", "fans", env=environment)
    assert done.stdout == "fans: 1 members, 1 entered, 0 left\n", done.stderr
    assert fans(settings) == {"m2"}


def test_a_kill_in_the_middle_of_publishing_leaves_no_trace(settings, environment, client, apply):
    crowd(client, 50_000)
    apply(FANS)
    once = ("segments", "run", "--once", "fans")
    killed = run_rekindle(*once, env={**environment, "REKINDLE_FAULT": "segments.produced:2"})
    assert killed.returncode == SIGKILLED, killed.stderr
    assert 0 < len(fans(settings)) < 50_000
    client.command("TRUNCATE TABLE purchases")  # what was decided is published whatever the tables say now
    crowd(client, 49_999)
    done = run_rekindle(*once, env=environment)
    assert done.stdout == "fans: 49999 members, 0 entered, 1 left\n"
    assert fans(settings) == {str(number) for number in range(49_999)}
    events = segment_events(settings)
    assert len({event.event_id for event in events}) == 50_001


def test_the_running_part_evaluates_what_is_due_and_what_was_edited(settings, client, apply, process):
    buy(client, m1=100, m2=50)
    apply(FANS)
    part = process("segments", "run", env={"REKINDLE_METRICS_PORT": "0"})
    part.until(lambda: fans(settings) == {"m1"}, 60, "the first evaluation")
    apply(FANS.replace("100", "50"))
    part.until(lambda: fans(settings) == {"m1", "m2"}, 60, "the evaluation of the edited SQL")
    apply("SELECT nothing AS member_id FROM purchases")
    part.until(lambda: "fans: not evaluated" in part.output, 60, "the failure")
    assert "ClickHouse says" in part.output
    apply(FANS, when="every: PT2H")
    part.until(lambda: fans(settings) == {"m1"}, 90, "the evaluation of the mended SQL")
    assert part.terminate() == 0


def test_a_run_that_another_process_left_is_taken_over(settings, environment, client, process, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("member_id\nm1\n")
    killed = run_rekindle("segments", "upload", "vip", path, env={**environment, "REKINDLE_FAULT": "segments.decided"})
    assert killed.returncode == SIGKILLED, killed.stderr
    assert segment_events(settings) == []
    client.command("ALTER TABLE segment_runs UPDATE decided_at = now64(3) - 61 WHERE true SETTINGS mutations_sync = 1")
    part = process("segments", "run", env={"REKINDLE_METRICS_PORT": "0"})
    part.until(lambda: inside(segment_events(settings)) == {("vip", "m1")}, 60, "the rest of the upload")
    until(lambda: client.query("SELECT count() FROM segment_changes").result_rows == [(0,)], 30, "the end of the run")
    assert part.terminate() == 0


def test_a_history_needs_its_moment(environment):
    history = {**environment, "REKINDLE_CLOCK": "event"}
    for command in (("segments", "run"), ("segments", "run", "--once")):
        done = run_rekindle(*command, env=history)
        assert done.returncode == 1
        assert "--at" in done.stderr


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT x AS member_id FROM nowhere", "ClickHouse says"),
        ("SELECT member_id, FROM", "ClickHouse says"),
        ("SELECT key FROM events", "expected a column `member_id`, not key"),
        ("SELECT now() AS member_id", "`member_id` is DateTime"),
        ("SELECT [key] AS member_id FROM events", "`member_id` is Array(String)"),
    ],
)
def test_what_clickhouse_would_not_take_is_said_before_anything_runs(client, sql, message):
    with pytest.raises(RefusedSqlError, match=r"^segment fans: sql: ") as refused:
        check(client, "fans", sql)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT key AS member_id FROM events",
        "SELECT toLowCardinality(toNullable(key)) AS member_id FROM events",
        "SELECT number AS member_id FROM numbers(3) -- the end",
        "WITH a AS (SELECT generateUUIDv4() AS member_id) SELECT member_id FROM a",
    ],
)
def test_what_selects_members_is_taken(client, sql):
    check(client, "fans", sql)


def test_whoever_is_erased_goes_out_of_every_list_until_they_come_back(client):
    client.command(
        "INSERT INTO segment_members (segment, member_id, inside, since, run, number) VALUES "
        "('fans', 'm1', true, '2020-01-01 00:00:00', 'a', 1), ('vip', 'm1', true, '2020-01-03 00:00:00', 'b', 1), "
        "('fans', 'm2', true, '2020-01-01 00:00:00', 'a', 1)"
    )
    client.command(
        "INSERT INTO segment_changes (run, member_id, segment, inside) VALUES ('c', 'm1', 'fans', false), "
        "('c', 'm2', 'fans', false)"
    )
    client.command("INSERT INTO rfm_values (run, member_id, segment) VALUES ('d', 'm1', 'lost'), ('d', 'm2', 'new')")
    client.command(
        "INSERT INTO segment_run_steps (run, step, published, member_id, segment) VALUES "
        "('c', 'published', 1, 'm1', 'fans'), ('c', 'published', 2, 'm2', 'fans'), ('c', 'recorded', 0, '', '')"
    )
    client.command(
        "INSERT INTO moves (gone, into, occurred_at) VALUES "
        "('m1-of-before', 'm1', '2020-01-01 00:00:00'), ('visitor:v', 'm1', '2020-01-03 00:00:00')"
    )
    client.command("INSERT INTO erasures (member_id, at) VALUES ('m1', '2020-01-02 00:00:00')")
    tables = ("moves", "mergers", "segment_members", "segment_changes", "segment_run_steps", "rfm_values")
    assert rows_left(client, "m1") == dict.fromkeys(tables, 1)
    sweep(client, 0)
    assert rows_left(client, "m1") == {}
    assert client.query("SELECT published FROM segment_run_steps ORDER BY published").result_rows == [(0,), (2,)]
    left = {
        table: client.query(f"SELECT segment, member_id FROM {table} ORDER BY segment").result_rows
        for table in ("segment_members", "segment_changes", "rfm_values")
    }
    assert left == {
        "segment_members": [("fans", "m2"), ("vip", "m1")],
        "segment_changes": [("fans", "m2")],
        "rfm_values": [("new", "m2")],
    }
