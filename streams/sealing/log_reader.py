"""The one place where records of `member.events` are opened and decoded: members, sink and export read through it."""

from collections.abc import Collection, Sequence

import msgspec

from schemas.codec import BadRecord, Codec
from streams import metrics
from streams.engine.events import LogRecord
from streams.errors import RekindleError
from streams.sealing.envelope import ENDING_MAGIC, MAGIC, CannotOpenError, is_sealed, key_id_of, unseal, without_ending
from streams.sealing.key_ring import KeyRing
from streams.sealing.master import VARIABLE
from streams.topics import MEMBER_EVENTS


class Shredded(msgspec.Struct, frozen=True):
    """A record that nobody can read any more: its member was erased, and the key with them."""


SHREDDED = Shredded()
_OURS = frozenset({bytes((MAGIC,)), bytes((ENDING_MAGIC,))})


class LogReader:
    """Reads records of the log, sealed ones and others; without a ring, the latter only."""

    def __init__(self, codec: Codec, ring: KeyRing | None = None) -> None:
        self._codec = codec
        self._ring = ring

    def read(
        self,
        partition: int,
        values: Sequence[bytes],
        keys: Sequence[bytes | None],
        *,
        without_records: Collection[str] = (),
    ) -> list[LogRecord | BadRecord | Shredded]:
        """Open and decode records of a partition, in order; see `Codec.decode_log`.

        Raises `RekindleError` when something is sealed and the master key is missing, or `member.keys` can't be read.
        """
        strange = [index for index, value in enumerate(values) if value[:1] in _OURS]
        if not strange:
            return list(self._codec.decode_log(values, keys, without_records=without_records))
        results: list[LogRecord | BadRecord | Shredded | None] = [None] * len(values)
        opened = [without_ending(value) for value in values]
        self._open(partition, [index for index in strange if is_sealed(values[index])], opened, keys, results)
        rest = [index for index, result in enumerate(results) if result is None]
        decoded = self._codec.decode_log(
            [opened[index] for index in rest], [keys[index] for index in rest], without_records=without_records
        )
        for index, record in zip(rest, decoded, strict=True):
            if isinstance(record, BadRecord) and opened[index] is not values[index]:
                record = BadRecord(record.reason, values[index])  # noqa: PLW2901 - no opened bytes leave this place
            results[index] = record
        return [result for result in results if result is not None]

    def _open(
        self,
        partition: int,
        sealed: Sequence[int],
        opened: list[bytes],
        keys: Sequence[bytes | None],
        results: list[LogRecord | BadRecord | Shredded | None],
    ) -> None:
        """Put what was opened into `opened`, and into `results` what cannot be."""
        if not sealed:
            return
        wanted: dict[int, bytes] = {}
        for index in sealed:
            try:
                wanted[index] = (keys[index] or b"") + key_id_of(opened[index])
            except CannotOpenError as error:
                results[index] = BadRecord(str(error), opened[index])
        if self._ring is None:
            raise RekindleError(f"sealed records stand in {MEMBER_EVENTS}, and {VARIABLE} is not set")
        ciphers = self._ring.ciphers(partition, list(wanted.values()))
        for index, key in wanted.items():
            cipher = ciphers.get(key)
            if cipher is None:
                results[index] = SHREDDED
                metrics.records_shredded.inc()
                continue
            try:
                opened[index] = unseal(cipher, keys[index] or b"", opened[index])
            except CannotOpenError as error:
                results[index] = BadRecord(str(error), opened[index])
