"""A broker of a test's own, reached through a proxy that cuts, slows and resets what goes through it.

The broker tells clients of the proxy's listener the proxy's address as its own, so that they never go around it. It is
the broker of `rekindle local up`, with one listener more.
"""

import asyncio
import base64
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.local import artifacts, ports, processes
from infra.local.kafka import Kafka
from infra.local.progress import Silent
from infra.local.service import Place
from streams.settings import load
from tests.support import Guard, until

CHUNK_BYTES = 65_536
_UNAUTHORIZED = (
    b"HTTP/1.1 401 Unauthorized\r\nX-ClickHouse-Exception-Code: 516\r\nContent-Length: 44\r\nConnection: close\r\n\r\n"
    b"Code: 516. DB::Exception: who should that be"
)
RESET = struct.pack("ii", 1, 0)  # close at once, without waiting: the other side sees a reset


@contextmanager
def own_broker(directory: Path, guard: Guard, proxy_port: int | None = None, security: str = "") -> Iterator[Place]:
    """Run a broker in this folder; `place.ports["host"]` is where the proxy finds it, if there is one.

    `security` is written into its properties: what the listener HOST asks of whoever comes.
    """
    kafka = Kafka()
    pinned = kafka.artifacts(artifacts.read_list())
    files = artifacts.provide(pinned, load().cache_dir or artifacts.user_cache(), Silent())
    broker, controller, host = ports.choose(3)
    place = Place(directory, {"broker": broker, "controller": controller, "host": host}, files)
    directory.mkdir()
    program = kafka.prepare(place)
    with (directory / "server.properties").open("a", encoding="utf-8") as properties:
        listeners = {"PLAINTEXT": broker, "CONTROLLER": controller, "HOST": host}
        properties.write(f"listeners={_listeners(listeners)}\n")
        properties.write(f"advertised.listeners={_listeners({'PLAINTEXT': broker, 'HOST': proxy_port or host})}\n")
        properties.write(security)
    process = processes.start(program.command, program.environment, directory / "log")
    guard.watch_process(process.pid)
    try:
        until(lambda: kafka.is_ready(place), 60, "the broker")
        yield place
    finally:
        processes.stop([process], grace_s=20)


def _listeners(named: dict[str, int]) -> str:
    return ",".join(f"{name}://{ports.HOST}:{port}" for name, port in named.items())


class Proxy:
    """Passes on what comes to `port`, as long as it is told nothing else."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, password: str | None = None) -> None:
        """With `tls`, that is what is spoken on `port`; with `password`, HTTP must bring "name:password"."""
        self.port = port
        self._tls = tls
        self._expected = b"Basic " + base64.b64encode(password.encode()) if password else b""
        self.delay_seconds = 0.0
        self._target = 0
        self._refuses = False
        self._flows = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @contextmanager
    def running(self, target: int) -> Iterator["Proxy"]:
        """Pass on to this port until the block ends."""
        self._target = target
        self._thread.start()
        server = self._do(self._serve()).result(10)
        try:
            yield self
        finally:
            self._do(self._close(server)).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    def reset(self) -> None:
        """Reset every connection; new ones are taken."""
        self._do(self._reset()).result(10)

    def refuse(self, *, on: bool) -> None:
        """Reset every connection and any new one, until told otherwise."""
        self._refuses = on
        self.reset()

    def freeze(self, *, on: bool) -> None:
        """Pass nothing on, and say nothing either, until told otherwise."""
        self._loop.call_soon_threadsafe(self._flows.clear if on else self._flows.set)

    def _do(self, coroutine: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _serve(self) -> asyncio.Server:
        self._flows.set()
        return await asyncio.start_server(self._connected, ports.HOST, self.port, ssl=self._tls)

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        await self._reset()
        own = asyncio.current_task()
        rest = [task for task in asyncio.all_tasks() if task is not own]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _reset(self) -> None:
        for writer in list(self._writers):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        self._writers.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if self._refuses:
            await self._reset()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(ports.HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(far_writer)
        if await self._admits(reader, writer, far_writer):
            await asyncio.gather(self._pass_on(reader, far_writer), self._pass_on(far_reader, writer))
        else:
            far_writer.close()
        self._writers -= {writer, far_writer}

    async def _admits(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far_writer: asyncio.StreamWriter
    ) -> bool:
        if not self._expected:
            return True
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if self._expected in head:
                far_writer.write(head)
                return True
            writer.write(_UNAUTHORIZED)
            await writer.drain()
        writer.close()
        return False

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await asyncio.sleep(self.delay_seconds)
                await self._flows.wait()
                writer.write(chunk)
                await writer.drain()
        writer.close()
