"""What waits is taken together, in order and bounded, and never of two deals of the partitions."""

import asyncio
from typing import NamedTuple

from streams.runtime.batch import Batch
from streams.runtime.waiting_batches import WaitingBatches


class Record(NamedTuple):
    offset: int
    value: bytes | None = None


def batch(partition: int, records: int, value: bytes | None = None) -> Batch:
    return Batch("t", partition, [Record(offset, value) for offset in range(records)], 0, records, at_end=True)


def test_what_waits_is_taken_together_up_to_a_transactions_records() -> None:
    async def scenario() -> None:
        waiting = WaitingBatches(10)
        for partition, records in enumerate((4, 5, 0, 2)):
            await waiting.put(1, batch(partition, records))
        generation, taken = await waiting.take()
        assert (generation, [each.partition for each in taken]) == (1, [0, 1, 2])
        assert [each.partition for each in (await waiting.take())[1]] == [3]

    asyncio.run(scenario())


def test_a_batch_that_is_larger_than_a_transaction_is_taken_alone() -> None:
    async def scenario() -> None:
        waiting = WaitingBatches(10)
        await waiting.put(1, batch(0, 25))
        putting = asyncio.ensure_future(waiting.put(1, batch(1, 1)))
        await asyncio.sleep(0)
        assert not putting.done(), "enough waits already"
        assert [each.partition for each in (await waiting.take())[1]] == [0]
        await putting
        assert [each.partition for each in (await waiting.take())[1]] == [1]

    asyncio.run(scenario())


def test_large_records_are_bounded_by_their_bytes() -> None:
    async def scenario() -> None:
        waiting = WaitingBatches(100, bytes_max=10)
        await waiting.put(1, batch(0, 2, b"1234"))
        await waiting.put(1, batch(1, 1, b"12"))
        putting = asyncio.ensure_future(waiting.put(1, batch(2, 5, b"12345")))
        await asyncio.sleep(0)
        assert not putting.done(), "enough bytes wait already"
        assert [each.partition for each in (await waiting.take())[1]] == [0, 1]
        await putting
        putting = asyncio.ensure_future(waiting.put(1, batch(3, 1)))
        await asyncio.sleep(0)
        assert not putting.done()
        assert [each.partition for each in (await waiting.take())[1]] == [2], "larger than all, it is taken alone"
        await putting
        await waiting.put(1, batch(4, 1, b"x" * 11))
        assert [each.partition for each in (await waiting.take())[1]] == [3]
        assert [each.partition for each in (await waiting.take())[1]] == [4]

    asyncio.run(scenario())


def test_batches_of_two_deals_are_not_taken_together() -> None:
    async def scenario() -> None:
        waiting = WaitingBatches(10)
        await waiting.put(1, batch(0, 1))
        await waiting.put(2, batch(0, 1))
        assert (await waiting.take())[0] == 1
        assert (await waiting.take())[0] == 2

    asyncio.run(scenario())


def test_what_comes_right_behind_the_first_is_taken_with_it() -> None:
    async def scenario() -> None:
        waiting = WaitingBatches(10)
        taking = asyncio.ensure_future(waiting.take())
        for partition in range(3):
            await waiting.put(1, batch(partition, 1))
            await asyncio.sleep(0)
        assert [each.partition for each in (await taking)[1]] == [0, 1, 2]

    asyncio.run(scenario())


def test_who_takes_first_waits_for_what_comes() -> None:
    async def scenario() -> None:
        waiting = WaitingBatches(10)
        taking = asyncio.ensure_future(waiting.take())
        await asyncio.sleep(0)
        await waiting.put(3, batch(7, 1))
        generation, taken = await taking
        assert (generation, taken[0].partition) == (3, 7)

    asyncio.run(scenario())


def test_batches_of_a_partition_that_follow_each_other_are_taken_as_one() -> None:
    def part(partition: int, start: int, end: int, *, at_end: bool) -> Batch:
        return Batch("t", partition, [Record(offset) for offset in range(start, end)], start, end, at_end)

    def offsets(batch: Batch) -> list[int]:
        return [record.offset for record in batch.records]

    async def scenario() -> None:
        waiting = WaitingBatches(100)
        given = [(0, 0, 3), (1, 5, 6), (0, 3, 3), (0, 3, 7), (0, 8, 9)]
        for number, (partition, start, end) in enumerate(given):
            await waiting.put(1, part(partition, start, end, at_end=number % 2 == 1))
        first, apart, other = (await waiting.take())[1]
        assert (offsets(first), first.start, first.end, first.at_end) == (list(range(7)), 0, 7, True)
        assert (offsets(apart), apart.start, apart.end, apart.at_end) == ([8], 8, 9, False), "something lies between"
        assert (other.partition, offsets(other), other.start, other.end) == (1, [5], 5, 6)

    asyncio.run(scenario())
