"""The sender between Kafka and the gateway, cycle by cycle; both are of this module, and do what a test says."""

import threading
from collections import deque
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from sinks.senders import hand_over as hand_over_module
from sinks.senders import worker as worker_module
from sinks.senders.gateway import Gateway, TryLater
from sinks.senders.ledger import CLAIMED
from sinks.senders.worker import Sender
from streams.engine.commands import Dispatch
from streams.settings import Settings
from tests.support import until

FAILED_IN_DOUBT = ("d1", "message_failed", "in_doubt")


class FakeConsumer:
    """Gives what `batches` holds, one entry for each call; one that is a function is called."""

    def __init__(self):
        self.batches = deque()
        self.paused = set()
        self.offset, self.error = 0, None

    def consume(self, _count, _timeout):
        batch = self.batches.popleft() if self.batches else []
        return batch() or [] if callable(batch) else batch

    def pause(self, places):
        self.paused |= {place.partition for place in places}

    def resume(self, places):
        self.paused -= {place.partition for place in places}

    def committed(self, places, _timeout):
        return [
            SimpleNamespace(topic=place.topic, partition=place.partition, offset=self.offset, error=self.error)
            for place in places
        ]

    def incremental_assign(self, places):
        pass

    def get_watermark_offsets(self, _place, **_options):
        return 0, 0

    def consumer_group_metadata(self):
        return b""


class FakeProducer:
    """Writes into `written`; the next `failures` transactions fail."""

    def __init__(self):
        self.written = []
        self.failures = 0
        self._open = []

    def begin_transaction(self):
        self._open = []

    def produce(self, topic, on_delivery=None, **record):
        self._open.append((topic, record))
        if on_delivery is not None:
            on_delivery(None, Message(topic, record["partition"], len(self.written) + len(self._open)))

    def send_offsets_to_transaction(self, *_arguments):
        if self.failures:
            self.failures -= 1
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def commit_transaction(self, _timeout):
        self.written += self._open

    def abort_transaction(self, _timeout):
        self._open = []


class FakeLedger:
    """The ledger of all partitions as a dictionary."""

    topic = "ledger"

    def __init__(self):
        self.entries = {}

    def open(self, _partition):
        return 0

    def states(self, _partition, dispatch_ids):
        return [self.entries.get(each) for each in dispatch_ids]

    def note(self, _partition, entries, _read_up_to):
        self.entries |= entries

    def close_partition(self, _partition):
        pass

    def close(self):
        pass


class FakeCodec:
    """Records are handed through as they are: a value is the dispatch's id."""

    def decode_commands(self, values):
        return [dispatch(value.decode()) for value in values]

    def encode(self, event):
        return event


class FakeGateway(Gateway):
    """Takes everything but what is `later`, and knows nothing of before."""

    concurrency = 1

    def __init__(self):
        self.taken = []
        self.later = set()

    @classmethod
    def create(cls, settings, channel):
        return cls()

    async def hand_over(self, dispatch):
        if dispatch.dispatch_id in self.later:
            raise TryLater("mailbox_full")
        self.taken.append(dispatch.dispatch_id)
        return ()


def dispatch(name):
    return Dispatch(
        at=0,
        dispatch_id=name,
        member_id=f"m{name[1]}",  # the member of d12 is m1
        campaign="c",
        version=1,
        action="actions[0]",
        channel="sms",
        to="+79161234567",
        content={"text": "Hi"},
        messaging_type="marketing",
    )


def records(*names, partition=0, start=0):
    return [Message("send.sms", partition, start + at, value=name.encode()) for at, name in enumerate(names)]


def place(partition):
    return TopicPartition("send.sms", partition)


@pytest.fixture
def parts():
    return SimpleNamespace(
        consumer=FakeConsumer(), producer=FakeProducer(), ledger=FakeLedger(), gateway=FakeGateway(), now=0.0
    )


@pytest.fixture
def start(parts, monkeypatch):
    monkeypatch.setattr(hand_over_module, "OWNED_S", float("inf"))  # its time is another than the test's
    started = []

    def make(**settings):
        kafka = SimpleNamespace(
            consumer=lambda _group, _config: parts.consumer, producer=lambda _config: parts.producer
        )
        sender = Sender(
            Settings(**settings),
            "sms",
            kafka=kafka,
            gateway=parts.gateway,
            codec=FakeCodec(),
            ledger=parts.ledger,
            stop=threading.Event(),
            clock=lambda: 0,
            monotonic=lambda: parts.now,
        )
        started.append(sender)
        sender._on_assign(parts.consumer, [place(0)])
        return sender

    yield make
    for sender in started:
        sender._hand_over.close()


def statuses(parts):
    return [
        (record["value"].body["dispatch_id"], record["value"].type, record["value"].body.get("reason"))
        for topic, record in parts.producer.written
        if topic == "delivery.statuses"
    ]


def test_a_partition_that_was_paused_when_another_came_is_read_on(start, parts, monkeypatch):
    monkeypatch.setattr(worker_module, "WAITING_MAX", 2)
    sender = start()
    parts.consumer.batches.append(records("d1", "d2"))
    sender._read()
    parts.consumer.batches.append(lambda: sender._on_assign(parts.consumer, [place(1)]))
    sender._read()
    assert parts.consumer.paused == {0}  # it was full before the other came
    sender._partitions[0].waiting.popleft()
    sender._read()
    assert parts.consumer.paused == set()


def test_a_partition_that_was_paused_when_it_went_away_is_read_when_it_comes_back(start, parts, monkeypatch):
    monkeypatch.setattr(worker_module, "WAITING_MAX", 2)
    sender = start()
    parts.consumer.batches.append(records("d1", "d2"))
    sender._read()
    sender._read()
    assert parts.consumer.paused == {0}
    sender._on_lost(parts.consumer, [place(0)])
    sender._on_assign(parts.consumer, [place(0)])
    assert parts.consumer.paused == set()  # which the client keeps


def test_a_doubt_whose_report_failed_is_not_handed_over_when_it_comes_again(start, parts):
    parts.ledger.entries["d1"] = CLAIMED
    parts.consumer.batches += [records("d1"), records("d1", start=1)]
    parts.producer.failures = 1
    sender = start()
    sender._cycle()
    assert statuses(parts) == []
    sender._cycle()
    assert statuses(parts) == [FAILED_IN_DOUBT]
    assert sender._partitions[0].progress.position == 2
    assert parts.gateway.taken == []


def work_until(sender, reached):
    """Let it go through cycles until something is reached."""

    def cycle():
        sender._cycle()
        return reached()

    until(cycle, 5)


def test_others_do_not_wait_for_what_the_gateway_takes_later(start, parts):
    """The gateway here does one at a time: a full mailbox would hold up everyone for a quarter of an hour."""
    parts.gateway.later = {"d11", "d21"}
    parts.consumer.batches.append(records("d11", "d21", "d12", "d31", "d41"))
    sender = start()
    work_until(sender, lambda: parts.gateway.taken == ["d31", "d41"] and not sender._in_flight)
    assert parts.ledger.entries == {"d11": None, "d21": None, "d31": b"d", "d41": b"d"}  # so that nothing is in doubt
    assert sender._partitions[0].progress.position == 0
    parts.gateway.later = set()
    parts.now += 1.0
    work_until(sender, lambda: sender._partitions[0].progress.position == 5)
    assert parts.gateway.taken == ["d31", "d41", "d11", "d21", "d12"]  # a member's own in their order
    assert len(sender._put_off) == 0


def test_a_mailbox_that_stays_full_fails_in_the_end_and_what_stood_behind_it_goes_on(start, parts):
    parts.gateway.later = {"d11"}
    parts.consumer.batches.append(records("d11", "d12"))
    sender = start()

    def over():
        parts.now += 20.0
        return len(statuses(parts)) == 2

    work_until(sender, over)
    assert statuses(parts) == [("d11", "message_failed", "mailbox_full"), ("d12", "message_sent", None)]
    assert 900 <= parts.now <= 1500


def test_what_is_tried_again_is_kept_when_its_claim_cannot_be_committed(start, parts):
    parts.gateway.later = {"d11"}
    parts.consumer.batches.append(records("d11", "d12"))
    sender = start()
    work_until(sender, lambda: parts.ledger.entries.get("d11", 0) is None and not sender._in_flight)
    parts.gateway.later, parts.producer.failures = set(), 1
    parts.now += 1.0
    work_until(sender, lambda: parts.gateway.taken == ["d11", "d12"])
    assert parts.producer.failures == 0


def test_what_was_put_off_is_forgotten_with_its_partition(start, parts):
    parts.gateway.later = {"d11"}
    parts.consumer.batches.append(records("d11", "d12"))
    sender = start()
    work_until(sender, lambda: parts.ledger.entries.get("d11", 0) is None and not sender._in_flight)
    sender._on_lost(parts.consumer, [place(0)])
    assert len(sender._put_off) == 0
    sender._on_assign(parts.consumer, [place(0)])
    parts.gateway.later = set()
    parts.consumer.batches.append(records("d11", "d12"))
    work_until(sender, lambda: parts.gateway.taken == ["d11", "d12"])


def test_a_partition_with_much_waiting_does_not_keep_the_others_from_going_out(start, parts):
    sender = start()
    sender._on_assign(parts.consumer, [place(1)])
    parts.consumer.batches.append(records(*(f"d{number}1" for number in range(1, 9))) + records("d91", partition=1))
    work_until(sender, lambda: len(parts.gateway.taken) == 9)
    assert parts.gateway.taken.index("d91") < 2


def test_an_offset_that_cannot_be_read_ends_the_sender_and_is_not_taken_for_none(start, parts):
    """It would begin anew with all that the topic still has."""
    parts.consumer.offset = -1001
    parts.consumer.error = KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT)
    sender = start()
    assert str(sender._failure).startswith("the offset of send.sms/0 cannot be read: ")
    assert sender._partitions == {}
