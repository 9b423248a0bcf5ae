"""Events that came to a state that had gone: the log has them twice, the tables once, and the views as the heir's."""

from decimal import Decimal

import pytest

from schemas.codec import Codec
from schemas.erasure import Erasure
from schemas.profiles import MemberProfile
from schemas.registry import CommittedSchemas
from sinks.clickhouse.batch import Batch, Stored
from sinks.clickhouse.connect import connect
from sinks.clickhouse.decode import make_decoder
from sinks.clickhouse.erase import sweep
from sinks.clickhouse.run import migrate_database
from sinks.clickhouse.write import write
from streams.engine.events import Event, StateMoved
from streams.ingest.partitions import partition_of
from streams.profiles.look_up import activities, find, habits

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_database")]

AT = 1_500_000_000_000
PARTITIONS = 3
CODEC = Codec(CommittedSchemas())
VIEWS = ("events", "purchases", "purchase_lines", "delivery_statuses")


class Log:
    """A log in which each key has its partition; the sink writes record by record."""

    def __init__(self, client):
        self.client = client
        self.ends = [0] * PARTITIONS
        self.decode = make_decoder(CODEC)
        self.number = 0

    def put(self, key, record, *, sent_on=False, topic="member.events"):
        partition = partition_of(key.encode(), PARTITIONS)
        offset = self.ends[partition]
        self.ends[partition] += 1
        stored = Stored(offset, AT, key.encode(), CODEC.encode(record), sent_on)
        batch = Batch(topic, partition, offset, offset, (stored,), decided=False, suspect=False)
        assert write(self.client, batch, self.decode) == offset

    def buys(self, key, *sent_to, name=None, total=5):
        """A receipt under a key; and under the keys that it was sent on to, one after the other."""
        self.number += 1
        body = {
            "receipt_id": "r",
            "store_id": f"of {key}",
            "total": Decimal(total),
            "lines": [{"sku": "a"}, {"sku": "b"}],
        }
        self._event(key, sent_to, "purchase_completed", name or f"e{self.number}", body)

    def reports(self, key, *sent_to):
        self.number += 1
        body = {"dispatch_id": "d", "channel": "sms"}
        self._event(key, sent_to, "message_sent", f"e{self.number}", body)

    def _event(self, key, sent_to, kind, name, body):
        for number, each in enumerate((key, *sent_to)):
            event = Event(event_id=name, type=kind, occurred_at=AT, source="till", key=each, body=body)
            self.put(each, event, sent_on=number > 0)

    def moves(self, gone, into):
        self.number += 1
        moved = StateMoved(occurred_at=AT, move_id=f"x{self.number}", gone=gone, into=into)
        self.put(gone, moved)
        self.put(into, moved)

    def rows(self, query):
        return self.client.query(query).result_rows

    def of(self, *names):
        """Whose the rows of these events are by the views, and under which key: each row, in order."""
        listed = ", ".join(f"'{name}'" for name in names)
        found = {}
        for table in VIEWS:
            rows = self.rows(
                f"SELECT event_id, member_id, key FROM member_{table} WHERE event_id IN ({listed}) ORDER BY ALL"
            )
            found |= {table: rows} if rows else {}
        return found


@pytest.fixture
def log(settings):
    migrate_database(settings)
    with connect(settings.clickhouse_dsn) as client:
        yield Log(client)


def bought(*rows):
    """What the views must have of receipts with two lines."""
    return {"events": [*rows], "purchases": [*rows], "purchase_lines": [row for row in rows for _ in range(2)]}


def test_an_event_that_was_sent_on_is_in_the_tables_once_and_in_the_views_its_heirs(log):
    log.buys("visitor:v", name="before")
    log.moves("visitor:v", "m1")
    log.buys("visitor:v", "m1", name="late")
    log.buys("visitor:v", name="later")  # the link was forgotten, and nobody has claimed the visitor since
    log.buys("m1", name="own")
    log.reports("visitor:v", "m1")
    counts = {table: log.rows(f"SELECT count() FROM {table}")[0][0] for table in VIEWS}
    assert counts == {"events": 5, "purchases": 4, "purchase_lines": 8, "delivery_statuses": 1}
    assert log.rows("SELECT sum(events) FROM daily_events WHERE type = 'purchase_completed'") == [(4,)]
    assert log.rows("SELECT sum(receipts), sum(total), uniqMerge(members) FROM daily_purchases") == [(4, 20, 2)]
    assert log.rows("SELECT event_id, source, into FROM sent_on WHERE event_id = 'late'") == [("late", "till", "m1")]
    assert log.of("before", "late", "later", "own") == bought(
        ("before", "m1", "visitor:v"), ("late", "m1", "visitor:v"), ("own", "m1", "m1")
    )
    assert log.rows("SELECT member_id, key, status FROM member_delivery_statuses") == [
        ("m1", "visitor:v", "message_sent")
    ]
    assert log.rows("SELECT member_id, receipts FROM purchase_habits") == [("m1", 3)]


def test_it_is_whose_the_heir_is_in_the_end(log):
    log.moves("card:1", "m1")
    log.buys("card:1", "m1", name="first")
    log.moves("m1", "m2")
    log.buys("m1", "m2", name="second")
    log.buys("card:1", "m1", "m2", name="both")  # m1 had gone by then
    log.moves("m2", "m3")
    expected = bought(("both", "m3", "card:1"), ("first", "m3", "card:1"), ("second", "m3", "m1"))
    assert log.of("first", "second", "both") == expected
    assert log.rows("SELECT count() FROM sent_on") == [(4,)]


def test_what_waited_and_was_sent_on_then_counts_once(log):
    """It stands before the move, and so would be the heir's without having been sent on."""
    log.buys("m1", name="waits")
    log.moves("m1", "m2")
    event = Event(
        event_id="waits", type="purchase_completed", occurred_at=AT, source="till", key="m2", body={"lines": [{}, {}]}
    )
    log.put("m2", event, sent_on=True)
    assert log.of("waits") == bought(("waits", "m2", "m1"))


def test_it_stays_whose_it_is_if_its_key_becomes_anothers(log):
    log.moves("card:1", "m1")
    log.buys("card:1", "m1", name="late")
    log.buys("card:1", name="of nobody")
    log.moves("card:1", "m2")
    assert log.of("late", "of nobody") == bought(("late", "m1", "card:1"), ("of nobody", "m2", "card:1"))


def test_who_is_sent_what_was_their_own_has_it_once(log):
    """Two were merged into each other at once: the one of the smaller id stays."""
    log.moves("m1", "m2")
    log.buys("m1", "m2", "m1", name="round")
    log.moves("m2", "m1")
    assert log.of("round") == bought(("round", "m1", "m1"))


def test_an_event_of_the_same_id_from_elsewhere_is_another(log):
    log.moves("card:1", "m1")
    log.buys("card:1", "m1", name="e")
    other = Event(event_id="e", type="site_visited", occurred_at=AT, source="web", key="card:1", body={})
    log.put("card:1", other)
    assert log.of("e") == bought(("e", "m1", "card:1"))


def test_nothing_of_it_outlives_the_heir(log):
    log.moves("visitor:v", "m1")
    log.buys("visitor:v", "m1", name="late")
    log.moves("visitor:w", "m2")
    log.buys("visitor:w", "m2", name="of another")
    for key in ("m1", "visitor:v"):  # as the log says of all names of an erased member
        log.put(key, Erasure(at=AT, member_id=key, occurred_at=AT), topic="member.erasures")
    sweep(log.client, 0)
    assert log.of("late", "of another") == bought(("of another", "m2", "visitor:w"))
    assert log.rows("SELECT event_id FROM sent_on") == [("of another",)]
    assert log.rows("SELECT DISTINCT event_id FROM events") == [("of another",)]
    log.buys("visitor:v", "m1", name="late")  # a partition that was behind
    log.put("visitor:v", Event(event_id="new", type="site_visited", occurred_at=AT + 1, source="web", key="visitor:v"))
    assert log.of("late", "new") == {}
    assert log.rows("SELECT event_id, key FROM events WHERE key = 'visitor:v'") == [("new", "visitor:v")]


def test_who_asks_of_the_member_finds_it_once(log):
    log.moves("visitor:v", "m1")
    log.buys("visitor:v", "m1", name="late")
    log.buys("visitor:v", name="of another")
    log.moves("m1", "m2")
    log.buys("m1", "m2", name="later")
    log.buys("m2", name="own")
    log.put("m2", MemberProfile(member_id="m2", at=AT), topic="member.profiles")
    found = find(log.client, "m2")
    shown = [row["event_id"] for row in activities(log.client, found, 100) if row["kind"] == "event"]
    assert sorted(shown) == ["late", "later", "own"]
    assert habits(log.client, found)["receipts"] == 3
