"""The partition of a key, as every client that uses the Java partitioner reckons it."""

from functools import lru_cache

from aiokafka.partitioner import murmur2

KEYS_REMEMBERED = 200_000


@lru_cache(maxsize=KEYS_REMEMBERED)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key among so many."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
