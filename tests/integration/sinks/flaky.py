"""A way to a server that fails as networks do: refused connections, answers that never come."""

import asyncio
import contextlib
import random
import threading

from infra.local import ports


class FlakyWay:
    """Forwards connections to a port of this machine. `down` cuts and refuses them all.

    `lose` is the chance that a connection breaks when an answer is on its way: the server has done what it was asked.
    """

    def __init__(self, target: int, seed: int = 1) -> None:
        self.down = False
        self.lose = 0.0
        self.lost = 0
        (self.port,) = ports.choose(1)
        self._target = target
        self._random = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()

    def cut(self) -> None:
        """Break every connection and refuse new ones until `down` is False again."""
        self.down = True
        self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in list(self._open)])

    def forward_to(self, port: int) -> None:
        """Break every connection; new ones go to another server."""
        self._target = port
        self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in list(self._open)])

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait(others, timeout=5) if others else None

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        there, out = await asyncio.open_connection("127.0.0.1", self._target)
        self._open |= {writer, out}
        try:
            await asyncio.gather(self._forward(reader, out, None), self._forward(there, writer, out))
        finally:
            self._open -= {writer, out}
            for each in (writer, out):
                each.transport.abort()

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answering) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                if answering is not None and self._random.random() < self.lose:
                    self.lost += 1
                    sink.transport.abort()
                    answering.transport.abort()
                    return
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
