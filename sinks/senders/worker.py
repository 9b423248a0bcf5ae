"""The sender of one channel: from `send.<channel>` to the gateway, and the statuses back, each dispatch once.

One cycle, of which there are up to a hundred per second while there is something to do:

1. Read records; decode them. What cannot be read goes to dead.letters.
2. Collect the outcomes of hand-overs that are finished, and choose what to claim next: as many as the gateway does at
   a time, the rate limit grants, and the ledger doesn't know as done.
3. One Kafka transaction: claims and outcomes into the ledger, statuses into delivery.statuses, the offsets before
   which everything is finished. If another process has the partition meanwhile, Kafka refuses the transaction.
4. Only now hand the claimed ones over.

So a crash before 3 has done nothing; after 3, what was claimed is found in the ledger and is *in doubt*: the gateway is
asked (the file gateway knows), and where it cannot be asked, `REKINDLE_SENDER_IN_DOUBT` decides: `fail` (at most once:
message_failed, reason in_doubt) or `repeat` (at least once). In doubt is only what was in flight at the moment of the
crash, at most `concurrency` dispatches.
"""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.codec import BadRecord, Codec
from sinks.senders.gateway import Gateway
from sinks.senders.hand_over import Claim, HandOver, Outcome
from sinks.senders.ledger import CLAIMED, DONE, Ledger
from sinks.senders.progress import Progress
from sinks.senders.put_off import PutOff
from sinks.senders.rate_limit import TokenBucket
from sinks.senders.statuses import FAILED, SENT
from sinks.senders.transaction import TIMEOUT_MS, Letter, Transactions, place_of
from streams import metrics
from streams.clock import Clock, wall_clock
from streams.consent.links import Links
from streams.engine.commands import Dispatch
from streams.errors import RekindleError
from streams.kafka import REACH_SECONDS, Kafka
from streams.runtime.group_offsets import Note
from streams.settings import Settings

WAITING_MAX = 4_000
BEGUN_MAX = 1_000_000
"""From the first record that is not finished to the last that was read: so many are looked at again after a crash."""
IDLE_S = 0.1
BUSY_S = 0.005
DRAIN_S = 10.0
AGAIN_S = 1.0
LAG_EVERY_S = 2.0
FAILURES_MAX = 20

log = logging.getLogger(__name__)


def group_of(settings: Settings, channel: str) -> str:
    """Name the consumer group of a channel's senders."""
    return f"{settings.group_prefix}-sender-{channel}"


@dataclass(slots=True)
class _Partition:
    progress: Progress
    waiting: deque[Claim] = field(default_factory=deque)


class Sender:
    """One sender process. `run` returns when `stop` is set. Raises `RekindleError` if its ledger cannot be opened."""

    def __init__(
        self,
        settings: Settings,
        channel: str,
        *,
        kafka: Kafka,
        gateway: Gateway,
        codec: Codec,
        ledger: Ledger,
        stop: threading.Event,
        clock: Clock = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
        hand_over: type[HandOver] = HandOver,
    ) -> None:
        self._settings = settings
        self._topic = f"send.{channel}"
        self._channel = channel
        self._codec = codec
        self._ledger = ledger
        self._stop = stop
        self._monotonic = monotonic
        self._window = settings.sender_concurrency or gateway.concurrency
        self._bucket = TokenBucket(settings.sender_rate, monotonic())
        self._repeat_in_doubt = settings.sender_in_doubt == "repeat"
        self._clock = clock
        self._now = _clock(settings, clock)
        self._partitions: dict[int, _Partition] = {}
        self._in_flight: dict[str, Claim] = {}
        self._found: dict[str, bool | None] = {}
        self._unreported: list[Outcome] = []
        self._letters: list[Letter] = []
        self._put_off = PutOff()
        self._moved: set[int] = set()
        self._lag_at = 0.0
        self._turn = 0
        self._paused: set[int] = set()
        self._failures = 0
        self._failure: RekindleError | None = None
        self._assigned_once = False
        self._hand_over = hand_over(
            gateway, self._now, concurrency=self._window, repeat_in_doubt=self._repeat_in_doubt, links=Links(settings)
        )
        group = group_of(settings, channel)
        config = {"partition.assignment.strategy": "cooperative-sticky", "session.timeout.ms": 10_000}
        if settings.instance:
            config["group.instance.id"] = f"{group}-{settings.instance}"
        self._consumer = kafka.consumer(group, config)
        self._transactions = Transactions(
            kafka, codec, group=group, identity=settings.instance, topic=self._topic, ledger_topic=ledger.topic
        )

    def why_not_ready(self) -> str | None:
        """One sentence why it is not ready to work, or None."""
        return None if self._assigned_once else "no partitions assigned yet"

    def run(self) -> None:
        """Work until `stop` is set. Raises `RekindleError` for what repetition cannot heal."""
        self._transactions.open()
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        try:
            while not self._stop.is_set():
                self._cycle()
                if self._failure is not None:
                    raise self._failure
            self._finish(list(self._partitions))
        finally:
            self._drop(list(self._partitions))  # closing revokes: there is nothing left to finish
            self._consumer.close()
            self._hand_over.close()
            self._ledger.close()

    def _cycle(self) -> None:
        self._read()
        busy = bool(self._in_flight) and not self._unreported
        self._collect(BUSY_S if busy else 0.0)
        self._bucket.charge(self._hand_over.repeated_attempts(), self._monotonic())
        claims = self._choose()
        if self._commit(claims):
            self._hand_over.start(claims)
        self._measure_lag()

    def _collect(self, timeout_s: float) -> None:
        """Take outcomes; those of partitions that went away meanwhile are in doubt for whoever has them now."""
        for outcome in self._hand_over.outcomes(timeout_s):
            claim = outcome.claim
            if self._in_flight.get(claim.dispatch.dispatch_id) is not claim:
                continue
            if outcome.put_off is not None and not self._put_off.keep(claim, self._monotonic()):
                self._hand_over.forget(claim)
                self._unreported.append(Outcome(claim, ((FAILED, outcome.put_off),), outcome.at))
            else:
                self._unreported.append(outcome)

    # reading

    def _read(self) -> None:
        waiting = sum(len(each.waiting) for each in self._partitions.values())
        begun = max((each.progress.begun for each in self._partitions.values()), default=0)
        full = waiting >= WAITING_MAX or len(self._put_off) >= WAITING_MAX or begun >= BEGUN_MAX
        self._pause(set(self._partitions) if full else set())
        at_rest = not self._in_flight and not self._unreported and not waiting
        asked_at = self._monotonic()
        messages = self._consumer.consume(WAITING_MAX - min(waiting, WAITING_MAX - 1), IDLE_S if at_rest else 0.0)
        self._hand_over.beat(asked_at)
        good = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            elif error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise RekindleError(f"Kafka: {error.str()}")
            else:
                log.warning("Kafka: %s", error.str())
        self._take_up([message for message in good if place_of(message)[0] in self._partitions])

    def _pause(self, partitions: set[int]) -> None:
        """Read on in all but these."""
        for change, numbers in (
            (self._consumer.pause, partitions - self._paused),
            (self._consumer.resume, self._paused - partitions),
        ):
            if numbers:
                change([TopicPartition(self._topic, number) for number in numbers])
        self._paused = partitions

    def _take_up(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        metrics.records_in.labels("sender", self._topic).inc(len(messages))
        decoded = self._decode([message.value() or b"" for message in messages])
        claims: dict[int, list[Claim]] = defaultdict(list)
        for message, record in zip(messages, decoded, strict=False):  # shorter if the sender is to stop
            partition, offset = place_of(message)
            self._partitions[partition].progress.begin(offset)
            if isinstance(record, Dispatch):
                claims[partition].append(Claim(partition, offset, record))
            else:
                reason = record.reason if isinstance(record, BadRecord) else f"not a dispatch: {type(record).__name__}"
                self._letters.append(Letter(message, partition, offset, f"sender: {reason}"))
        for partition, found in claims.items():
            self._partitions[partition].waiting.extend(found)
            self._settle_doubts(partition, [claim.dispatch.dispatch_id for claim in found])

    def _decode(self, values: Sequence[bytes]) -> Sequence[Any]:
        """Decode, waiting for a registry that is down; nothing if the sender is to stop meanwhile."""
        while not self._stop.is_set():
            try:
                return self._codec.decode_commands(values)
            except RekindleError as error:
                log.warning("trying again soon: %s", error)
                self._stop.wait(AGAIN_S)
        return []

    def _settle_doubts(self, partition: int, dispatch_ids: Sequence[str]) -> None:
        """Of those that an earlier owner had claimed, ask the gateway what became of them."""
        states = zip(dispatch_ids, self._ledger.states(partition, dispatch_ids), strict=True)
        doubtful = [each for each, state in states if state == CLAIMED and each not in self._in_flight]
        if not doubtful:
            return
        try:
            known = self._hand_over.find(doubtful)
        except OSError as error:
            raise RekindleError(f"the gateway cannot tell what it has: {error.strerror or error}") from error
        log.warning(
            "%d dispatches were in flight when their sender ended; %s",
            len(doubtful),
            "the gateway cannot be asked" if known is None else f"the gateway has {len(known)} of them",
        )
        self._found |= {each: None if known is None else each in known for each in doubtful}

    # choosing

    def _choose(self) -> list[Claim]:
        """Choose the next claims; what needs no hand-over goes to the outcomes."""
        claims: list[Claim] = []
        chosen = {each.claim.dispatch.dispatch_id for each in self._unreported}  # perhaps again, if that failed
        for claim in self._put_off.due(self._monotonic()):
            is_settled = claim.dispatch.dispatch_id not in self._in_flight
            if is_settled and len(self._in_flight) + len(claims) < self._window:
                if not self._bucket.take(1, self._monotonic()):
                    return claims
                self._put_off.begin(claim)
                claims.append(claim)
                chosen.add(claim.dispatch.dispatch_id)
        for partition, each in self._in_turn():
            while each.waiting and len(self._in_flight) + len(claims) < self._window:
                claim = each.waiting[0]
                dispatch_id = claim.dispatch.dispatch_id
                if self._put_off.hold(claim):
                    each.waiting.popleft()
                    continue
                if dispatch_id in self._in_flight or dispatch_id in chosen or self._is_done(partition, dispatch_id):
                    each.waiting.popleft()
                    each.progress.finish(claim.offset)
                    self._moved.add(partition)
                    metrics.sender_duplicates.labels(self._channel).inc()
                    continue
                doubt = self._doubt(dispatch_id)
                if doubt is not None:
                    each.waiting.popleft()
                    self._found.pop(dispatch_id, None)
                    self._unreported.append(Outcome(claim, (doubt,), self._now(claim.dispatch)))
                    chosen.add(dispatch_id)
                    continue
                if not self._bucket.take(1, self._monotonic()):
                    return claims
                each.waiting.popleft()
                claims.append(claim)
                chosen.add(dispatch_id)
        return claims

    def _in_turn(self) -> list[tuple[int, _Partition]]:
        """The partitions, each time another first: one with much waiting would keep the others' from going out."""
        found = list(self._partitions.items())
        self._turn = (self._turn + 1) % max(1, len(found))
        return found[self._turn :] + found[: self._turn]

    def _is_done(self, partition: int, dispatch_id: str) -> bool:
        return self._ledger.states(partition, [dispatch_id])[0] == DONE

    def _doubt(self, dispatch_id: str) -> tuple[str, str | None] | None:
        """Tell the status of a dispatch that was in doubt; None for one to hand over."""
        if dispatch_id not in self._found:
            return None
        known = self._found[dispatch_id]
        if known:
            return SENT, None
        if known is None and not self._repeat_in_doubt:
            return FAILED, "in_doubt"
        return None

    # committing

    def _commit(self, claims: Sequence[Claim]) -> bool:
        """Write claims, outcomes and positions in one transaction; returns whether it was committed.

        If not, the claims wait again and the outcomes are reported with the next one.
        """
        outcomes = self._unreported
        finished = self._finished(outcomes, claims)
        letters = self._due_letters(finished)
        for letter in letters:
            finished.setdefault(letter.partition, set()).add(letter.offset)
        if not finished:
            self._unreported, self._moved = [], set()
            return True
        note = Note(at=self._clock()).encode()
        positions = [
            TopicPartition(self._topic, partition, self._partitions[partition].progress.position_after(offsets), note)
            for partition, offsets in finished.items()
        ]
        entries: dict[int, dict[str, bytes | None]] = defaultdict(dict)
        for outcome in outcomes:
            state = None if outcome.given_back else DONE
            entries[outcome.claim.partition][outcome.claim.dispatch.dispatch_id] = state
        for claim in claims:
            entries[claim.partition][claim.dispatch.dispatch_id] = CLAIMED
        try:
            ends = self._transactions.commit(
                entries, outcomes, letters, positions, self._consumer.consumer_group_metadata()
            )
        except KafkaException as error:
            self._abort(error, claims)
            return False
        self._failures = 0
        written = {letter.place for letter in letters}
        self._letters = [letter for letter in self._letters if letter.place not in written]
        self._unreported, self._moved = [], set()
        for partition, states in entries.items():
            self._ledger.note(partition, states, ends[partition])
        self._settle(outcomes, letters, claims)
        metrics.transactions.labels("sender", "committed").inc()
        metrics.last_commit_timestamp_seconds.labels("sender").set_to_current_time()
        return True

    def _finished(self, outcomes: Sequence[Outcome], claims: Sequence[Claim]) -> dict[int, set[int]]:
        """The partitions whose position is to be committed, and the offsets that are finished with it."""
        finished: dict[int, set[int]] = {partition: set() for partition in self._moved}
        finished |= {claim.partition: set() for claim in claims}
        for outcome in outcomes:
            offsets = finished.setdefault(outcome.claim.partition, set())
            if not outcome.given_back:
                offsets.add(outcome.claim.offset)
        return finished

    def _due_letters(self, finished: Mapping[int, set[int]]) -> list[Letter]:
        """Those with nothing unfinished before them: the position passes them in the same transaction.

        The ledger doesn't know them, so a record that is read again after its letter was written would have a second.
        """
        offsets: dict[int, set[int]] = defaultdict(set)
        for letter in self._letters:
            offsets[letter.partition].add(letter.offset)
        ends = {
            partition: self._partitions[partition].progress.position_after(own | finished.get(partition, set()))
            for partition, own in offsets.items()
        }
        return [letter for letter in self._letters if letter.offset < ends[letter.partition]]

    def _settle(self, outcomes: Sequence[Outcome], letters: Sequence[Letter], claims: Sequence[Claim]) -> None:
        """Take note of what was committed."""
        returned: dict[int, list[Claim]] = defaultdict(list)
        for outcome in outcomes:
            claim = outcome.claim
            self._in_flight.pop(claim.dispatch.dispatch_id, None)
            if outcome.given_back:
                if outcome.put_off is None and not self._put_off.give_back(claim, self._monotonic()):
                    returned[claim.partition].append(claim)
                continue
            self._partitions[claim.partition].progress.finish(claim.offset)
            returned[claim.partition] += self._put_off.end(claim)
            for kind, _ in outcome.statuses:
                metrics.sender_statuses.labels(self._channel, kind).inc()
        for letter in letters:
            self._partitions[letter.partition].progress.finish(letter.offset)
        for partition, given_back in returned.items():
            given_back.sort(key=lambda claim: claim.offset, reverse=True)
            self._partitions[partition].waiting.extendleft(given_back)
        for claim in claims:
            self._found.pop(claim.dispatch.dispatch_id, None)
            self._in_flight[claim.dispatch.dispatch_id] = claim
        metrics.sender_in_flight.labels(self._channel).set(len(self._in_flight))

    def _abort(self, error: KafkaException, claims: Sequence[Claim]) -> None:
        problem: KafkaError = error.args[0]
        metrics.transactions.labels("sender", "aborted").inc()
        self._failures += 1
        if problem.fatal():
            raise RekindleError(
                f"Kafka refuses this sender ({problem.str()}): does another one run with the same REKINDLE_INSTANCE?"
            ) from error
        if self._failures > FAILURES_MAX:
            raise RekindleError(f"Kafka: {FAILURES_MAX} transactions failed in a row: {problem.str()}") from error
        log.warning("transaction aborted: %s", problem.str())
        self._transactions.abort()
        for claim in sorted(claims, key=lambda claim: claim.offset, reverse=True):
            if not self._put_off.give_back(claim, self._monotonic()):
                self._partitions[claim.partition].waiting.appendleft(claim)
        self._stop.wait(min(1.0, 0.05 * self._failures))

    def _measure_lag(self) -> None:
        now = self._monotonic()
        if now - self._lag_at < LAG_EVERY_S:
            return
        self._lag_at = now
        for partition, each in self._partitions.items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
            lag = max(0, high - each.progress.position)
            metrics.lag_records.labels("sender", self._topic, str(partition)).set(lag)

    # partitions that come and go

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            # First the offsets: Kafka gives them out when no transaction of the owner before is open any more.
            committed = consumer.committed(partitions, TIMEOUT_MS / 1000 + REACH_SECONDS)
            for each in committed:
                _refuse(each)
                if each.offset < 0:
                    each.offset, _ = consumer.get_watermark_offsets(each, timeout=REACH_SECONDS)
                entries = self._ledger.open(each.partition)
                self._partitions[each.partition] = _Partition(Progress(each.offset))
                log.info("assigned %s/%d@%d, %d entries read", each.topic, each.partition, each.offset, entries)
        except KafkaException as error:
            self._failure = RekindleError(f"Kafka: {error.args[0].str()}")
            return
        except RekindleError as error:
            self._failure = error
            return
        starts = [TopicPartition(each.topic, each.partition, each.offset) for each in committed]
        consumer.incremental_assign(starts)
        consumer.resume(starts)  # one that was paused when it went away comes back paused
        self._assigned_once = True

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = [each.partition for each in partitions if each.partition in self._partitions]
        try:
            self._finish(numbers)
        except RekindleError as error:
            self._failure = error
        self._drop(numbers)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = [each.partition for each in partitions if each.partition in self._partitions]
        log.warning("lost partitions %s: another sender may have them already", numbers)
        self._hand_over.give_back(numbers)
        self._drop(numbers)

    def _finish(self, partitions: Sequence[int]) -> None:
        """Let what is at the gateway come to its end, give back the rest, and report all of it."""
        deadline = self._monotonic() + DRAIN_S
        while self._monotonic() < deadline:
            self._hand_over.give_back(partitions)  # again and again: what was at the gateway may be put off by it
            self._collect(0.05)
            self._commit([])
            if not any(claim.partition in partitions for claim in self._in_flight.values()):
                return
        log.warning("some hand-overs did not end in %.0f s: they are in doubt", DRAIN_S)

    def _drop(self, partitions: Sequence[int]) -> None:
        """Forget these partitions: what wasn't committed is for whoever has them next, be it this sender."""
        for partition in partitions:
            dropped = self._partitions.pop(partition, None)
            for claim in dropped.waiting if dropped is not None else ():
                self._found.pop(claim.dispatch.dispatch_id, None)
            self._ledger.close_partition(partition)
        self._put_off.drop(partitions)
        self._unreported = [each for each in self._unreported if each.claim.partition in self._partitions]
        self._letters = [each for each in self._letters if each.partition in self._partitions]
        self._moved &= self._partitions.keys()
        self._paused &= self._partitions.keys()
        self._in_flight = {name: each for name, each in self._in_flight.items() if each.partition in self._partitions}
        log.info("revoked %s", partitions)


def _clock(settings: Settings, clock: Clock) -> Callable[[Dispatch], int]:
    """Make the sender's now: by the wall, or in a replay of history the dispatch's own time."""
    if settings.clock == "event":
        return lambda dispatch: dispatch.at
    return lambda _dispatch: clock()


def _refuse(committed: TopicPartition) -> None:
    if committed.error is not None:  # not to be taken for one that was never committed
        where = f"{committed.topic}/{committed.partition}"
        raise RekindleError(f"the offset of {where} cannot be read: {committed.error}")
