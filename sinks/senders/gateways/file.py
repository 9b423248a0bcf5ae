"""The gateway `file`: one JSON line per dispatch in `<outbox>/<channel>.jsonl`, for tests, demos and batch partners.

Exactly once: a line counts as handed over when it is synced to disk, and the file itself tells which dispatches it has,
so nothing is ever in doubt. Senders of the same channel share the file: each appends under a lock, cuts off a line that
another left unfinished when it died, and leaves out what is there already since it first looked.
"""

import asyncio
import fcntl
import os
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Self

import msgspec
from typing_extensions import override

from sinks.senders.gateway import Gateway, Unavailable
from streams.engine.commands import Dispatch
from streams.errors import RekindleError
from streams.settings import Settings

REMEMBERED_MAX = 100_000
_CHUNK = 1 << 20

_encode = msgspec.json.Encoder(decimal_format="number").encode


class _Id(msgspec.Struct):
    dispatch_id: str


_decode_id = msgspec.json.Decoder(_Id).decode


class FileGateway(Gateway):
    """Appends to one file per channel."""

    concurrency: ClassVar[int] = 2_000

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[tuple[str, bytes, asyncio.Future[None]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._file = -1
        self._seen_up_to = 0
        self._known: OrderedDict[str, None] = OrderedDict()

    @override
    @classmethod
    def create(cls, settings: Settings, channel: str) -> Self:
        return cls(settings.outbox / f"{channel}.jsonl")

    @override
    async def open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        except OSError as error:
            raise RekindleError(f"the outbox {self._path} cannot be written: {error.strerror}") from error
        self._seen_up_to = os.fstat(self._file).st_size

    @override
    async def close(self) -> None:
        if self._flusher is not None:
            await self._flusher
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @override
    async def hand_over(self, dispatch: Dispatch) -> Sequence[str]:
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((dispatch.dispatch_id, format_line(dispatch), done))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())
        await asyncio.shield(done)
        return ()

    @override
    async def find(self, dispatch_ids: Collection[str]) -> frozenset[str]:
        return await asyncio.to_thread(self._find, frozenset(dispatch_ids))

    async def _flush(self) -> None:
        """Write what has gathered, again and again until nothing waits: one sync serves all that came meanwhile."""
        while self._waiting:
            group, self._waiting = self._waiting, []
            error: Unavailable | None = None
            try:
                await asyncio.to_thread(self._append, [(dispatch_id, line) for dispatch_id, line, _ in group])
            except OSError as problem:
                error = Unavailable("gateway_unavailable", problem.strerror or str(problem))
            for _, _, done in group:
                if not done.cancelled():
                    done.set_exception(error) if error else done.set_result(None)

    def _append(self, lines: Sequence[tuple[str, bytes]]) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            end = self._cut_off_unfinished_line()
            if end != self._seen_up_to:
                self._learn(self._ids(self._seen_up_to if self._seen_up_to <= end else 0, end))
            new = {dispatch_id: line for dispatch_id, line in lines if dispatch_id not in self._known}
            data = b"".join(new.values())
            try:
                _write_all(self._file, data)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._file, end)
                raise
            os.fsync(self._file)
            self._seen_up_to = end + len(data)
            self._learn(new)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _cut_off_unfinished_line(self) -> int:
        end = os.fstat(self._file).st_size
        if end == 0 or os.pread(self._file, 1, end - 1) == b"\n":
            return end
        start = end
        while start > 0:
            start = max(0, start - _CHUNK)
            newline = os.pread(self._file, min(_CHUNK, end - start), start).rfind(b"\n")
            if newline >= 0:
                start += newline + 1
                break
        os.ftruncate(self._file, start)
        return start

    def _learn(self, dispatch_ids: Iterable[str]) -> None:
        for dispatch_id in dispatch_ids:
            self._known[dispatch_id] = None
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)

    def _find(self, wanted: frozenset[str]) -> frozenset[str]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            end = self._cut_off_unfinished_line()
            return frozenset(dispatch_id for dispatch_id in self._ids(0, end) if dispatch_id in wanted)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _ids(self, start: int, end: int) -> Sequence[str]:
        found = []
        with self._path.open("rb") as file:
            file.seek(start)
            while file.tell() < end:
                line = file.readline()
                with suppress(msgspec.MsgspecError):  # a line of someone else's
                    found.append(_decode_id(line).dispatch_id)
        return found


def format_line(dispatch: Dispatch) -> bytes:
    """Format the line of a dispatch: the one of `simulate`, and what the engine knows besides."""
    line = {
        "kind": "dispatch",
        "at": format_time(dispatch.at),
        "dispatch_id": dispatch.dispatch_id,
        "member_id": dispatch.member_id,
        "campaign": dispatch.campaign,
        "version": dispatch.version,
        "action": dispatch.action,
        "channel": dispatch.channel,
        "to": dispatch.to,
        "content": {name: part for name, part in dispatch.content.items() if part is not None},
        "messaging_type": dispatch.messaging_type,
    }
    if dispatch.not_after is not None:
        line["not_after"] = format_time(dispatch.not_after)
    if dispatch.network is not None:
        line["network"] = dispatch.network
    return _encode(line) + b"\n"


def format_time(at: int) -> str:
    """ISO 8601 in UTC with `Z`, of milliseconds since the epoch; a fraction only where it isn't zero."""
    moment = datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{at % 1000:03}Z" if at % 1000 else f"{moment}Z"


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


GATEWAY = FileGateway
