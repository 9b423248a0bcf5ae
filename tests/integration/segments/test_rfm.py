"""RFM as ClickHouse reckons it against the same done independently in Python, on the demo's real year of receipts."""

import zlib
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest

from schemas.values import parse_time
from sinks.clickhouse.connect import connect
from sinks.clickhouse.erase import sweep
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.rows import ORIGIN_COLUMNS
from streams.demo.input import read_baskets
from streams.engine.values import Duration
from streams.segments import rfm
from streams.segments.runs import record
from tests.integration.segments.support import inside, segment_events
from tests.support import run_rekindle

pytestmark = pytest.mark.services

DAY_MS = 86_400_000
AUTUMN, WINTER = parse_time("2017-10-01T03:00:00Z"), parse_time("2018-01-01T03:00:00Z")
PERIOD = Duration.parse("P180D")
RETURN_EVERY, REPEAT_EVERY = 17, 23
SIGKILLED = -9


@pytest.fixture(scope="module")
def receipts():
    """(event id, type, member, time in ms, total): the year's baskets, every seventeenth brought back in half."""
    found = []
    for basket, member, at, cents in read_baskets().select("basket_id", "member", "at", "total").iter_rows():
        total, key = Decimal(cents) / 100, f"hh{member:04}"
        found.append((f"b{basket}", "purchase_completed", key, at, total))
        if basket % RETURN_EVERY == 0:
            found.append((f"r{basket}", "purchase_returned", key, at + 3_600_000, round(total / 2, 2)))
    return found


@pytest.fixture
def client(settings, fresh_database):
    with connect(settings.clickhouse_dsn, create_database=True) as client:
        migrate(client)
        yield client


def fill(client, receipts):
    """As the sink would: some receipts twice, since a producer repeats; and those of strangers."""
    rows = [*receipts, *receipts[::REPEAT_EVERY]]
    strangers = [(f"s{n}", "purchase_completed", f"card:{n}", AUTUMN - DAY_MS, Decimal(10)) for n in range(100)]
    for part in (rows, strangers):
        times = [datetime.fromtimestamp(at / 1000, UTC) for *_, at, _ in part]
        columns = [[r[0] for r in part], [r[1] for r in part], [r[2] for r in part], times, [r[4] for r in part]]
        client.insert(
            "purchases",
            [*columns, ["till"] * len(part)],
            column_names=["event_id", "type", "key", "occurred_at", "total", "source"],
            column_oriented=True,
        )


def expected(receipts, at_ms):
    """Member -> (days, purchases, spent, three scores, segment), by counting members, without a threshold or SQL."""
    since = at_ms - PERIOD.ms
    values = {}
    for member in {receipt[2] for receipt in receipts}:
        values[member] = [None, 0, Decimal(0)]
    for _, kind, member, at, total in receipts:
        if since <= at < at_ms:
            value = values[member]
            if kind == "purchase_completed":
                value[0] = max(at, value[0] or 0)
                value[1] += 1
                value[2] += total
            else:
                value[2] -= total
    known = {m: ((at_ms - last) // DAY_MS, count, spent) for m, (last, count, spent) in values.items() if last}
    scored = {m: [0, 0, 0] for m in known}
    for place, sign in enumerate((-1, 1, 1)):
        counts = Counter(sign * value[place] for value in known.values())
        scores, below = {}, 0
        for value in sorted(counts):
            # the members below and one of this value reach into this fifth
            scores[value] = next(k for k in range(1, 6) if ceil(Fraction(k * len(known), 5)) > below)
            below += counts[value]
        for member, value in known.items():
            scored[member][place] = scores[sign * value[place]]
    return {m: (*known[m], *scored[m], name_of(*scored[m])) for m in known}


def name_of(recency, frequency, monetary):
    both = ceil(Fraction(frequency + monetary, 2))
    match recency, both:
        case 5, 4 | 5:
            return "champions"
        case 3 | 4, 4 | 5:
            return "loyal"
        case 4 | 5, 2 | 3:
            return "potential_loyalist"
        case 5, _:
            return "new"
        case 4, _:
            return "promising"
        case 3, 3:
            return "need_attention"
        case 3, _:
            return "about_to_sleep"
        case _, 5:
            return "cant_lose"
        case _, 3 | 4:
            return "at_risk"
        case 2, _:
            return "hibernating"
    return "lost"


def reckoned(client, run):
    columns = "member_id, days, purchases, spent, recency, frequency, monetary, segment"
    rows = client.query(f"SELECT {columns} FROM rfm_values WHERE run = '{run.run}'").result_rows
    return {row[0]: tuple(row[1:]) for row in rows}


def held(of):
    return {
        (f"rfm.{family}.{value[place]}", member)
        for member, value in of.items()
        for place, family in ((3, "recency"), (4, "frequency"), (5, "monetary"), (6, "segment"))
    }


def changes(client, run):
    rows = client.query(f"SELECT segment, member_id, inside FROM segment_changes WHERE run = '{run.run}'").result_rows
    assert len({(segment, member) for segment, member, _ in rows}) == len(rows)
    return {(s, m) for s, m, entered in rows if entered}, {(s, m) for s, m, entered in rows if not entered}


@pytest.mark.timeout(300)
def test_the_real_year_is_scored_as_counting_scores_it(client, receipts):
    fill(client, receipts)
    before, now = expected(receipts, AUTUMN), expected(receipts, WINTER)
    assert before.keys() != now.keys()

    first = rfm.decide(client, PERIOD, AUTUMN)
    assert reckoned(client, first) == before
    assert first.members == len(before)
    assert changes(client, first) == (held(before), set())
    record(client, first)

    second = rfm.decide(client, PERIOD, WINTER)
    assert reckoned(client, second) == now
    entered, gone = changes(client, second)
    assert entered == held(now) - held(before)
    assert gone == {(s, m) for s, m in held(before) if m not in now}
    record(client, second)

    moves = Counter(
        (before[m][6] if m in before else "", now[m][6] if m in now else "") for m in before.keys() | now.keys()
    )
    rows = client.query("SELECT from_segment, to_segment, members FROM rfm_transitions WHERE number = 2").result_rows
    assert {(source, target): count for source, target, count in rows} == moves
    thresholds = client.query("SELECT measure, score, least, most, members FROM rfm_thresholds WHERE number = 2")
    assert {row[:2]: row[2:] for row in thresholds.result_rows} == {
        (measure, score): (min(values), max(values), len(values))
        for place, measure in enumerate(("recency", "frequency", "monetary"))
        for score in range(1, 6)
        if (values := [Decimal(value[place]) for value in now.values() if value[3 + place] == score])
    }
    assert client.query("SELECT count() FROM rfm_staged").result_rows == [(0,)]


def test_equal_values_have_equal_scores_and_few_members_are_no_trouble(client):
    def scores(**purchases):
        client.command("TRUNCATE TABLE purchases")
        fill(
            client,
            [
                (f"{member}-{n}", "purchase_completed", member, WINTER - days * DAY_MS, Decimal(total))
                for member, (days, count, total) in purchases.items()
                for n in range(count)
            ],
        )
        run = rfm.decide(client, PERIOD, WINTER)
        record(client, run)
        return {member: value[3:6] for member, value in reckoned(client, run).items()}

    assert scores(m1=(3, 1, 5)) == {"m1": (1, 1, 1)}
    assert scores(m1=(3, 1, 5), m2=(3, 1, 5), m3=(3, 1, 5)) == dict.fromkeys(("m1", "m2", "m3"), (1, 1, 1))
    assert scores() == {}
    assert scores(m1=(9, 1, 1), m2=(7, 1, 2), m3=(5, 1, 3), m4=(3, 1, 4), m5=(1, 2, 5)) == {
        "m1": (1, 1, 1), "m2": (2, 1, 2), "m3": (3, 1, 3), "m4": (4, 1, 4), "m5": (5, 5, 5),
    }  # fmt: skip


def test_totals_that_no_till_can_mean_stop_nobodys_scores(client):
    most = Decimal("999999999999.999999")
    barcodes = [(f"b{n}", "purchase_completed", "m1", WINTER - 3 * DAY_MS, Decimal(890_123_456_789)) for n in range(12)]
    back = [(f"r{n}", "purchase_returned", "m2", WINTER - DAY_MS, Decimal(890_123_456_789)) for n in range(12)]
    bought = [(f"p{m}", "purchase_completed", m, WINTER - 2 * DAY_MS, Decimal(5)) for m in ("m2", "m3")]
    fill(client, [*barcodes, *back, *bought])
    run = rfm.decide(client, PERIOD, WINTER)
    assert {member: value[2] for member, value in reckoned(client, run).items()} == {"m1": most, "m2": -most, "m3": 5}


class Log:
    """Writes into `purchases` and `moves` as the sink does: each key has its partition, and offsets rise."""

    PARTITIONS = 3

    def __init__(self, client):
        self.client = client
        self.offset = 0

    def _place(self, key):
        self.offset += 1
        return ["member.events", zlib.crc32(key.encode()) % self.PARTITIONS, self.offset]

    def buys(self, key, total, *, days=10, name=None, kind="purchase_completed"):
        at = datetime.fromtimestamp((WINTER - days * DAY_MS) / 1000, UTC)
        name = f"e{self.offset}" if name is None else name
        row = [name, kind, key, at, Decimal(total), "till", *self._place(key)]
        columns = ["event_id", "type", "key", "occurred_at", "total", "source", *ORIGIN_COLUMNS]
        self.client.insert("purchases", [row], column_names=columns)

    def moves(self, gone, into, *, days=10):
        """Both sides of it, in one order or the other."""
        at = datetime.fromtimestamp((WINTER - days * DAY_MS) / 1000, UTC)
        for key in sorted((gone, into)):
            row = [gone, into, at, *self._place(key)]
            self.client.insert("moves", [row], column_names=["gone", "into", "occurred_at", *ORIGIN_COLUMNS])

    def erase(self, *keys):
        at = datetime.fromtimestamp(WINTER / 1000, UTC)
        self.client.insert("erasures", [[at, key] for key in keys], column_names=["at", "member_id"])
        sweep(self.client, 0)

    def values(self):
        """Member -> (days, purchases, spent)."""
        run = rfm.decide(self.client, PERIOD, WINTER)
        record(self.client, run)
        return {member: value[:3] for member, value in reckoned(self.client, run).items()}


@pytest.fixture
def log(client):
    return Log(client)


def test_what_a_stranger_bought_counts_once_they_are_known(log):
    log.buys("card:1", 5, days=9)
    log.buys("card:1", 2, days=8, kind="purchase_returned")
    log.buys("card:2", 50)
    log.buys("m2", 7)
    log.moves("card:1", "m1")
    log.buys("m1", 10, days=20)
    log.moves("visitor:2", "m2")
    assert log.values() == {"m1": (9, 2, 13), "m2": (10, 1, 7)}


def test_whoever_bought_only_as_a_stranger_is_a_member_too(log):
    log.buys("phone:~a", 5, days=9)
    log.moves("phone:~a", "m1")
    assert log.values() == {"m1": (9, 1, 5)}


def test_a_purchase_that_came_before_the_link_and_again_after_it_counts_once(log):
    log.buys("card:1", 5, days=9, name="same")
    log.moves("card:1", "m1")
    log.buys("m1", 5, days=9, name="same")
    assert log.values() == {"m1": (9, 1, 5)}


def test_a_late_event_may_have_made_the_link(log):
    """The order of the log counts, as it does for states, not the time of the event that says so."""
    log.buys("card:1", 5, days=9)
    log.moves("card:1", "m1", days=30)
    assert log.values() == {"m1": (9, 1, 5)}


def test_what_was_merged_on_and_on_is_of_who_it_is_in_the_end(log):
    log.buys("visitor:v", 1)
    log.moves("visitor:v", "m1")
    log.buys("m1", 2)
    log.moves("m1", "m2")
    log.buys("m2", 4)
    log.moves("m2", "m3")
    log.buys("card:3", 8)
    log.moves("card:3", "m3")
    log.buys("m3", 16)
    assert log.values() == {"m3": (10, 5, 31)}


def test_of_two_who_were_merged_into_each_other_at_once_one_stays(log):
    log.buys("m1", 1)
    log.buys("m2", 2)
    log.moves("m1", "m2")
    log.moves("m2", "m1")
    log.buys("m1", 4)
    assert log.values() == {"m1": (10, 3, 7)}


def test_what_comes_under_a_name_after_the_move_is_of_who_has_it_then(log):
    """A card that is passed on: its new holder's purchases stand under their own id, a stranger's under the name."""
    log.buys("card:1", 1)
    log.moves("card:1", "m1")
    log.buys("m1", 2)
    log.buys("m2", 4)  # the card was passed on
    log.buys("card:1", 8)  # the link was forgotten, and nobody has claimed the card since
    assert log.values() == {"m1": (10, 2, 3), "m2": (10, 1, 4)}
    log.moves("card:1", "m3")
    log.buys("m3", 16)
    assert log.values() == {"m1": (10, 2, 3), "m2": (10, 1, 4), "m3": (10, 2, 24)}


def test_nothing_of_an_erased_member_is_anybodys(log):
    log.buys("card:1", 1)
    log.moves("card:1", "m1")
    log.buys("m1", 2)
    log.moves("m1", "m2")
    log.buys("m3", 4)
    assert log.values() == {"m2": (10, 2, 3), "m3": (10, 1, 4)}
    log.erase("m2", "m1", "card:1")
    log.buys("card:1", 8, days=-1)
    log.buys("m2", 16, days=-1)
    assert log.values() == {"m3": (10, 1, 4)}
    log.moves("card:1", "m3", days=-1)
    log.buys("card:1", 32)
    assert log.values() == {"m3": (10, 1, 4)}
    assert log.client.query("SELECT member_id, total FROM member_purchases ORDER BY total").result_rows == [
        ("m3", 4), ("m3", 8), ("m2", 16),
    ]  # fmt: skip


def test_only_the_last_runs_keep_their_members_values(client):
    fill(client, [("a", "purchase_completed", "m1", WINTER - DAY_MS, Decimal(1))])
    for day in range(rfm.RUNS_KEPT + 3):
        record(client, rfm.decide(client, PERIOD, WINTER + day * DAY_MS))
    kept = client.query("SELECT count(DISTINCT run) FROM rfm_values").result_rows
    assert kept == [(rfm.RUNS_KEPT,)]
    assert client.query("SELECT count(DISTINCT number) FROM rfm_transitions").result_rows == [(rfm.RUNS_KEPT + 3,)]


@pytest.mark.usefixtures("fresh_topics")
def test_the_command_reckons_publishes_and_shows(settings, environment, client, tmp_path):
    fill(client, [(f"e{n}", "purchase_completed", f"m{n}", AUTUMN - n * DAY_MS, Decimal(n)) for n in range(1, 11)])
    (tmp_path / "c.yaml").write_text("id: c\ntrigger: {segment_entered: rfm.segment.lost}\nactions: []\n")
    (tmp_path / "policies.yaml").write_text("rfm: {period: P180D}\n")
    history = {**environment, "REKINDLE_CLOCK": "event"}
    assert run_rekindle("campaigns", "apply", tmp_path, env=history).returncode == 0
    nothing = run_rekindle("rfm", env=history)
    assert nothing.returncode == 1
    assert "RFM was never reckoned" in nothing.stderr
    at = ("--once", "--at", "2017-10-01T03:00:00Z")
    killed = run_rekindle("rfm", *at, env={**history, "REKINDLE_FAULT": "segments.committed"})
    assert killed.returncode == SIGKILLED, killed.stderr
    done = run_rekindle("rfm", *at, env=history)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert '{"segment":"champions","members":0}' in lines
    assert '{"measure":"frequency","score":1,"least":1,"most":1,"members":10}' in lines
    assert '{"measure":"recency","score":5,"least":1,"most":2,"members":2}' in lines
    held_now = inside(segment_events(settings))
    assert held_now == held(reckoned(client, client_run(client)))
    assert {event.source for event in segment_events(settings)} == {"segments.rfm"}
    assert {event.occurred_at for event in segment_events(settings)} == {AUTUMN}


def client_run(client):
    from streams.segments.runs import last_run

    run = last_run(client, "rfm")
    assert run is not None
    return run
