"""`member.events` as it was before sealing, by all keys that ever were; and what must hold of the keys themselves.

The topic of keys is not compacted in the simulation: what a tombstone takes away from the pipeline, the checker still
has.
"""

from collections.abc import Container, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.codec import BadRecord
from streams.engine.events import Event, StateHandedOver
from streams.sealing.envelope import ended_keys, is_sealed, key_id_of, own_key, unseal, without_ending
from streams.sealing.key_record import owner_and_id, read_value, topic_key
from streams.topics import MEMBER_EVENTS, MEMBER_KEYS
from tests.pipeline.partition import Stored

if TYPE_CHECKING:
    from tests.pipeline.world import World


def opened(world: "World", number: int) -> Sequence[Stored]:
    """The committed records of a partition, opened."""
    records = world.log.topics[MEMBER_EVENTS][number].committed()
    if world.keys is None:
        return records
    ciphers = {}
    for each in world.log.topics[MEMBER_KEYS][number].committed():
        if each.key is not None and each.value:
            _, key_id = owner_and_id(each.key)
            wrapped = read_value(key_id, each.value).wrapped
            ciphers[each.key] = AESGCM(world.keys.master.unwrap(wrapped, each.key))
    return [replace(each, value=_open(each, ciphers)) for each in records]


def _open(record: Stored, ciphers: dict[bytes, AESGCM]) -> bytes:
    value, owner = record.value or b"", record.key or b""
    return (
        unseal(ciphers[topic_key(owner, key_id_of(value))], owner, value) if is_sealed(value) else without_ending(value)
    )


def check_sealed(world: "World", waiting: Container[bytes]) -> None:
    """What is personal is sealed; a key is drawn once for each owner and generation, and gone after their erasure.

    Of who is waiting for a state, erasures may wait, too.
    """
    for number, partition in enumerate(world.log.topics[MEMBER_EVENTS]):
        records = partition.committed()
        plain = [each.value or b"" for each in opened(world, number)]
        headers = world.codec.decode_headers(plain)
        items = world.codec.decode_log(plain, [each.key for each in records])
        current: dict[bytes, bytes] = {}
        ended: set[bytes] = set()
        erased_at: dict[bytes, int] = {}
        for record, header, item in zip(records, headers, items, strict=True):
            owner = record.key or b""
            ends = not isinstance(header, BadRecord) and header.type == "member_erased"
            if isinstance(item, Event) and ends:
                erased_at[owner] = max(item.occurred_at, erased_at.get(owner, 0))
            elif (  # by the wall clock a task may not know yet of an erasure of whom another has just merged
                not world.wall
                and is_sealed(record.value)
                and isinstance(item, Event | StateHandedOver)
                and item.occurred_at <= erased_at.get(owner, -1)
                and b":" not in owner  # of strangers ingest keeps no erasures
            ):
                assert own_key(record.value), f"{item} came for {owner!r} after their erasure, and is kept"
            if isinstance(header, BadRecord) and not is_sealed(record.value):  # a tick, a programme, a move
                if not ended_keys(record.value):  # else of a key of somebody who was erased
                    continue
                ends = True
            elif not isinstance(header, BadRecord):  # else a state that was handed over
                assert is_sealed(record.value) == (header.personal and world.keys is not None), header
            if own := own_key(record.value):  # it came too late for an erasure
                ended.add(topic_key(owner, own[0]))
            elif is_sealed(record.value):
                key_id = key_id_of(record.value or b"")
                assert current.setdefault(owner, key_id) == key_id, f"{owner!r} has two keys at once"
            elif ends and world.keys is not None:
                assert ended_keys(record.value) == ([current[owner]] if owner in current else [])
                if owner in current:
                    ended.add(topic_key(owner, current.pop(owner)))
        keys = world.log.topics[MEMBER_KEYS][number].committed()
        last = {each.key: each.value for each in keys if each.value != b"" and each.key is not None}
        last = {key: value for key, value in last.items() if owner_and_id(key)[0] not in waiting}
        current = {owner: key_id for owner, key_id in current.items() if owner not in waiting}
        ended = {key for key in ended if owner_and_id(key)[0] not in waiting}
        alive = {key for key, value in last.items() if value is not None}
        assert alive == {topic_key(*each) for each in current.items()}, f"the keys of partition {number}"
        assert ended == set(last) - alive, f"destroyed keys of partition {number}"
