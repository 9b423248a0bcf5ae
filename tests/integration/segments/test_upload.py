"""`rekindle segments upload`: lists in Kafka, against lists that were uploaded before, whatever breaks off."""

import pytest

from sinks.clickhouse.connect import connect
from sinks.clickhouse.migrate import migrate
from streams.segments.runs import RUNS_KEPT
from tests.integration.segments.support import inside, segment_events
from tests.support import run_rekindle

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics", "fresh_database")]

SIGKILLED = -9
POINTS = ("decided:1", "produced:1", "produced:2", "committed:1")
SIZE = 12_500
"""Members of a list; the next has others, so that a run has more changes than one portion."""


@pytest.fixture
def upload(environment, tmp_path):
    """Upload members as a file; the finished command."""

    def run(members, *options, env=(), text=None):
        path = tmp_path / "list.csv"
        path.write_text(text if text is not None else "\n".join(["member_id", *members, ""]))
        return run_rekindle("segments", "upload", "vip", path, *options, env={**environment, **dict(env)})

    return run


def vips(settings):
    return {member for segment, member in inside(segment_events(settings)) if segment == "vip"}


def test_a_list_takes_the_place_of_the_one_before(settings, upload):
    done = upload(["m1", "m2", "m3"])
    assert done.returncode == 0, done.stderr
    assert done.stdout == "vip: 3 members, 3 entered, 0 left\n"
    assert "add segments/vip.yaml with `id: vip`" in done.stderr
    first = segment_events(settings)
    assert {(event.type, event.source, event.key, event.member_id) for event in first} == {
        ("segment_assigned", "segments.upload", member, member) for member in ("m1", "m2", "m3")
    }
    assert upload(["m2", "m3", "m4"]).stdout == "vip: 3 members, 1 entered, 1 left\n"
    assert vips(settings) == {"m2", "m3", "m4"}
    assert upload(["m4", "m3", "m2"]).stdout == "vip: 3 members, 0 entered, 0 left\n"
    assert len(segment_events(settings)) == 5
    assert upload(["m9", "m4"], "--add").stdout == "vip: 4 members, 1 entered, 0 left\n"
    assert upload(["m9", "m8"], "--remove").stdout == "vip: 3 members, 0 entered, 2 left\n"
    assert vips(settings) == {"m2", "m3", "m4"}
    assert upload(["m1", "m8"]).stdout == "vip: 2 members, 2 entered, 3 left\n"
    assert vips(settings) == {"m1", "m8"}
    assert len({event.event_id for event in segment_events(settings)}) == len(segment_events(settings))


@pytest.fixture
def client(settings):
    with connect(settings.clickhouse_dsn, create_database=True) as client:
        migrate(client)
        yield client


def test_an_upload_says_it_anew_for_whom_the_file_names_whatever_campaigns_did(settings, client, upload):
    """By `remove_from` and `add_to`, which only the profiles know."""
    assert upload(["m1", "m2"]).stdout == "vip: 2 members, 2 entered, 0 left\n"

    def told(**inside):
        for member, is_inside in inside.items():
            client.command(
                "INSERT INTO profiles (member_id, _offset, segments_assigned) "
                f"SELECT '{member}', count(), map('vip', {is_inside}) FROM profiles"
            )

    told(m1=True, m2=False, m3=True, m4=True)
    done = upload(["m1", "m2", "m3"])
    assert done.stdout == "vip: 3 members, 2 entered, 0 left\n", done.stderr
    events = [event.key for event in segment_events(settings)]
    assert sorted(events) == ["m1", "m2", "m2", "m3"]
    told(m2=True)
    assert upload(["m1", "m2", "m3"]).stdout == "vip: 3 members, 0 entered, 0 left\n"
    told(m1=False)
    assert upload(["m1", "m4"], "--add").stdout == "vip: 4 members, 2 entered, 0 left\n"
    assert upload(["m1", "m4"], "--remove").stdout == "vip: 2 members, 0 entered, 2 left\n"
    told(m1=False, m4=True)
    assert upload(["m1", "m4"], "--remove").stdout == "vip: 2 members, 0 entered, 1 left\n"
    assert vips(settings) == {"m2", "m3"}


def test_an_id_that_was_merged_is_the_member_it_became(settings, client, upload):
    """What is published under the earlier id is theirs: taking it out would take out who has just come in."""
    assert upload(["old", "m2"]).stdout == "vip: 2 members, 2 entered, 0 left\n"
    client.command("INSERT INTO moves (gone, into) VALUES ('old', 'm1')")
    assert upload(["m1", "m2"]).stdout == "vip: 2 members, 0 entered, 0 left\n"
    assert upload(["old", "m2", "m3"]).stdout == "vip: 3 members, 1 entered, 0 left\n"
    assert upload(["m3"]).stdout == "vip: 1 members, 0 entered, 2 left\n"
    removed = {event.key for event in segment_events(settings) if event.type == "segment_removed"}
    assert removed == {"m1", "m2"}
    assert upload(["m3"]).stdout == "vip: 1 members, 0 entered, 0 left\n"


def test_a_file_that_names_nobody_takes_nobody_out_unless_that_is_meant(settings, upload, tmp_path):
    assert upload(["m1", "m2"]).returncode == 0
    report = tmp_path / "bad.csv"
    for options, text in (((), "member_id\n"), ((), "member_id\n\n"), (("--skip-bad", report), "member_id\nm1,m2\n")):
        done = upload((), *options, text=text)
        assert done.returncode == 1
        assert f"{tmp_path / 'list.csv'}: member_id: expected at least one member" in done.stderr
        assert "--allow-empty" in done.stderr
    assert vips(settings) == {"m1", "m2"}
    assert upload((), "--add").stdout == "vip: 2 members, 0 entered, 0 left\n"
    assert upload((), "--remove").stdout == "vip: 2 members, 0 entered, 0 left\n"
    assert upload((), "--allow-empty").stdout == "vip: 0 members, 0 entered, 2 left\n"
    assert vips(settings) == set()


def test_of_a_lists_runs_the_last_are_kept(client, upload):
    rows = ", ".join(f"('vip', {number}, 'r{number}')" for number in range(1, 2 * RUNS_KEPT))
    client.command(f"INSERT INTO segment_runs (list, number, run) VALUES {rows}, ('rfm', 1, 'f1')")
    client.command("INSERT INTO rfm_run_transitions (run, members) VALUES ('f1', 1)")
    assert upload(["m1"]).returncode == 0
    kept = client.query("SELECT list, min(number), max(number), count() FROM segment_runs GROUP BY list ORDER BY list")
    assert kept.result_rows == [("rfm", 1, 1, 1), ("vip", RUNS_KEPT + 1, 2 * RUNS_KEPT, RUNS_KEPT)]
    assert client.query("SELECT count() FROM rfm_transitions").result_rows == [(1,)]


def test_a_bad_line_leaves_everything_as_it_was(settings, upload, tmp_path):
    text = "name,member_id\nAda,m1\nBo\nCy,m3\nAda,m1\nDee,\n"
    done = upload((), text=text)
    assert done.returncode == 1
    path = tmp_path / "list.csv"
    assert f"{path}:3: member_id: expected 2 columns, not 1" in done.stderr
    assert f"{path}:5: member_id: stands in line 2 already: expected each member once" in done.stderr
    assert f"{path}:6: member_id: expected a member id, not nothing" in done.stderr
    assert "nothing was published; 3 bad lines" in done.stderr
    assert segment_events(settings) == []

    report = tmp_path / "bad.csv"
    done = upload((), "--skip-bad", report, text=text)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "vip: 2 members, 2 entered, 0 left\n"
    assert "columns that are not used: name" in done.stderr
    lines = report.read_text().splitlines()
    assert lines[0] == "line,field,problem,text"
    assert [line.split(",")[0] for line in lines[1:]] == ["3", "6", "5"]
    assert vips(settings) == {"m1", "m3"}


@pytest.mark.parametrize("segment", ["everyone", "rfm.segment.champions", "rfm.recency.5", ""])
def test_a_segment_that_is_none_of_ones_own_is_refused(environment, tmp_path, segment):
    path = tmp_path / "list.csv"
    path.write_text("member_id\nm1\n")
    done = run_rekindle("segments", "upload", segment, path, env=environment)
    assert done.returncode == 2
    assert "expected an id of your own" in done.stderr


@pytest.mark.timeout(300)
def test_a_kill_anywhere_leaves_no_trace(settings, upload):
    """The upload that broke off is finished by the next one, under the ids that it had."""
    lists = [[f"m{number}" for number in range(first, first + SIZE)] for first in range(0, SIZE * 5, SIZE)]
    assert upload(lists[0]).returncode == 0
    for point, members in zip(POINTS, lists[1:], strict=True):
        killed = upload(members, env={"REKINDLE_FAULT": f"segments.{point}"})
        assert killed.returncode == SIGKILLED, killed.stderr
        repeated = upload(members)
        assert repeated.returncode == 0, repeated.stderr
        assert "an earlier run of vip had broken off: it is published now" in repeated.stderr
        assert repeated.stdout == f"vip: {SIZE} members, 0 entered, 0 left\n"
        assert vips(settings) == set(members)
    events = segment_events(settings)
    unique = {event.event_id: event for event in events}
    assert len(events) > len(unique) == SIZE + len(POINTS) * 2 * SIZE
    assert all(unique[event.event_id] == event for event in events)
    with connect(settings.clickhouse_dsn) as client:
        assert client.query("SELECT count() FROM segment_changes").result_rows == [(0,)]
        assert client.query("SELECT count() FROM segment_staged").result_rows == [(0,)]
