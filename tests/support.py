"""What tests share: polling with a deadline, the program as a process, topics and tables made anew.

Nothing here sleeps for a fixed time: a test waits for what it is about, and fails with the reason when it doesn't come.
Whatever a test session starts is registered with a guard (`tests/guard.py`), which ends it even if pytest is killed.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self, TypeVar

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from infra.local import processes
from streams.kafka import client_config
from streams.settings import Settings

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
PROGRAM = (sys.executable, "-m", "streams")
POLL_S = 0.05
LOG_SHOWN_CHARS = 4000


def until(predicate: Callable[[], T], seconds: float, what: str = "") -> T:
    """Return the predicate's first true value; fail when there is none within so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'it'} did not come within {seconds} s; the last value was {value!r}")
        time.sleep(POLL_S)


def find_browser() -> str | None:
    """Return the path of a browser that can draw a page without a screen, None if there is none."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next((path for path in found if path), None)


def program_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Build the environment of a `rekindle` process: ours without any setting (but the cache's place), plus these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REKINDLE_")}
    if cache := os.environ.get("REKINDLE_CACHE_DIR"):
        kept["REKINDLE_CACHE_DIR"] = cache
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(extra or {})}


def run_rekindle(
    *args: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    seconds: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run one `rekindle` command to its end; its exit status, stdout and stderr are the test's to judge."""
    return subprocess.run(
        [*PROGRAM, *map(str, args)],
        env=program_environment(env),
        cwd=cwd or ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


class Command:
    """A long-running `rekindle` command: output in a file, ended at the latest when the block or the test ends."""

    def __init__(
        self,
        *args: str | Path,
        env: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
        guard: "Guard | None" = None,
    ) -> None:
        self.name = " ".join(map(str, args))
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*PROGRAM, *map(str, args)],
                env=program_environment(env),
                cwd=cwd or ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if guard:
            guard.watch_process(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status (minus the signal's number when one ended it), None while it runs."""
        return self._process.poll()

    @property
    def output(self) -> str:
        """Everything that it wrote, stdout and stderr."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def until(self, predicate: Callable[[], T], seconds: float, what: str = "") -> T:
        """As `until`, but fails at once with the end of its output when the command ends meanwhile."""

        def checked() -> T:
            value = predicate()
            if not value and self.returncode is not None:
                raise AssertionError(f"`{self.name}` ended with {self.returncode}:\n{self.output[-LOG_SHOWN_CHARS:]}")
            return value

        try:
            return until(checked, seconds, what)
        except AssertionError as error:
            error.add_note(f"output of `{self.name}`:\n{self.output[-LOG_SHOWN_CHARS:]}")
            raise

    def kill(self) -> None:
        """Kill it, as `kill -9` does, and wait until it is gone."""
        self._process.kill()
        self._process.wait(timeout=10)

    def terminate(self, seconds: float = 30) -> int:
        """Ask it to end (TERM); return its exit status. Fails, after killing it, when it takes longer."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"`{self.name}` did not end within {seconds} s after TERM:\n{self.output[-LOG_SHOWN_CHARS:]}"
            ) from None

    def close(self) -> None:
        """End it however it is; no judgement."""
        if self.returncode is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()


def children_of(pid: int) -> list[int]:
    """Return the processes that this one started and that still run (Linux)."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


class Guard:
    """A process that ends what was registered once we are gone, however we end: it notices by the end of its input."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.guard"],
            cwd=ROOT,
            env=program_environment(),
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def watch_process(self, pid: int) -> None:
        """Have it end this process."""
        if process := processes.find(pid):
            self._tell(f"process\t{process.pid}\t{process.started}")

    def watch_services(self, directory: Path) -> None:
        """Have it end the services of this folder."""
        self._tell(f"services\t{directory}")

    def close(self, seconds: float = 60) -> None:
        """Let it do its work now and wait for it."""
        assert self._process.stdin
        self._process.stdin.close()
        assert self._process.wait(timeout=seconds) == 0

    def _tell(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def renew_topics(settings: Settings) -> None:
    """Delete all topics and consumer groups, then create the pipeline's topics, empty."""
    from schemas.topics import create_topics

    client = AdminClient(client_config(settings))
    for group in client.list_consumer_groups(request_timeout=10).result().valid:
        # A group with members that are gone and not yet timed out can't be deleted; its offsets go with the topics.
        with contextlib.suppress(KafkaException):
            client.delete_consumer_groups([group.group_id])[group.group_id].result()

    def pipeline_topics() -> list[str]:
        return [name for name in client.list_topics(timeout=10).topics if not name.startswith("__")]

    if old := pipeline_topics():
        for deleted in client.delete_topics(old, operation_timeout=30).values():
            deleted.result()
        until(lambda: not pipeline_topics(), 30, "the deletion of all topics")
    create_topics(settings)
    until(lambda: _all_partitions_answer(client), 30, "an answer of every new partition")


def _all_partitions_answer(client: AdminClient) -> bool:
    """Whether the broker leads them all: a topic is listed a moment before that."""
    wanted = {
        TopicPartition(name, partition): OffsetSpec.latest()
        for name, topic in client.list_topics(timeout=10).topics.items()
        for partition in topic.partitions
    }
    return not any(answer.exception(timeout=10) for answer in client.list_offsets(wanted).values())


def renew_database(settings: Settings) -> None:
    """Drop everything in the pipeline's ClickHouse database."""
    import clickhouse_connect

    address, _, database = settings.clickhouse_dsn.rpartition("/")
    client = clickhouse_connect.get_client(dsn=f"{address}/default")
    try:
        client.command(f"DROP DATABASE IF EXISTS {database} SYNC")
        client.command(f"CREATE DATABASE {database}")
    finally:
        client.close()
