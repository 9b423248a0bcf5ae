"""The broker killed with -9 under load and started again, with workers that join and leave meanwhile: no trace of it.

Workers end when they cannot go on without it, and whoever runs them starts them again, as here. At the end the log has
every published event once, and dispatches and decisions are those of `simulate --in-order` over the exported log.
"""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from infra import local
from infra.local import Services
from schemas.codec import Codec
from schemas.registry import Registry
from streams.engine.events import Event
from streams.errors import RekindleError
from streams.settings import Settings
from tests.stream_support import read_topic, write_events
from tests.support import ROOT, Command, run_rekindle, until

pytestmark = pytest.mark.services
UNTIL = "2018-06-30T00:00:00Z"
REPLAY = {"REKINDLE_CLOCK": "event", "REKINDLE_BATCH_RECORDS_MAX": "40"}
EVENTS, MEMBERS = 5000, 200


class Workers:
    """Workers by name, started again whenever one has ended."""

    def __init__(self, process: Callable[..., Command]) -> None:
        self._process = process
        self._running: dict[str, Command] = {}
        self.restarts = 0

    def run(self, *names: str) -> None:
        """Have exactly these run; whoever is too many is told to end."""
        for name in set(self._running) - set(names):
            self._running.pop(name).terminate(20)
        for name in names:
            if name not in self._running:
                self._start(name)

    def _start(self, name: str) -> None:
        self._running[name] = self._process("worker", env={**REPLAY, "REKINDLE_INSTANCE": name})

    def look_after(self) -> None:
        """Start again who has ended."""
        for name, command in list(self._running.items()):
            if command.returncode is not None:
                self.restarts += 1
                self._start(name)

    def until(self, predicate: Callable[[], object], seconds: float, what: str) -> None:
        def looked_after() -> object:
            self.look_after()
            with suppress(RekindleError):  # the broker is away
                return predicate()
            return None

        until(looked_after, seconds, what)

    def __iter__(self) -> Iterator[Command]:
        return iter(self._running.values())


@pytest.mark.usefixtures("fresh_topics")
@pytest.mark.timeout(420)
def test_a_broker_killed_under_load_and_workers_that_come_and_go_leave_no_trace(
    services: Services,
    settings: Settings,
    environment: dict[str, str],
    process: Callable[..., Command],
    tmp_path: Path,
) -> None:
    def succeeds(*command: str | Path) -> str:
        done = run_rekindle(*command, env={**environment, **REPLAY}, seconds=150)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def all_handled() -> bool:
        return run_rekindle("status", "--wait", "20", env={**environment, **REPLAY}).returncode == 0

    def decisions() -> int:
        return sum(map(len, read_topic(settings, "decisions").values()))

    succeeds("campaigns", "apply", ROOT / "campaigns")
    file = write_events(tmp_path / "events.jsonl", EVENTS, MEMBERS, seed=9)
    succeeds("publish", file)
    workers = Workers(process)
    for names, enough in ((["a"], 20), (["a", "b", "c"], 200), (["a", "c"], 400)):
        workers.run(*names)
        workers.until(lambda enough=enough: decisions() > enough, 90, f"{enough} decisions of {names}")
        _kill_kafka(services)
        local.up(services.directory)
    workers.run("c")
    workers.until(all_handled, 150, "all input handled")
    succeeds("tick", "--until", UNTIL)
    workers.until(all_handled, 90, "the last tick handled")
    assert [worker.terminate(20) for worker in workers] == [0]

    log = tmp_path / "log.jsonl"
    succeeds("log", "--export", log)
    simulated = succeeds("simulate", ROOT / "campaigns", log, "--until", UNTIL, "--in-order", "--decisions")
    lines = Counter(json.loads(line)["kind"] for line in simulated.splitlines())
    expected = sorted(
        line["dispatch_id"] for line in map(json.loads, simulated.splitlines()) if line["kind"] == "dispatch"
    )
    codec = Codec(Registry.from_settings(settings))
    sent = [
        record.value
        for topic in ("send.sms", "send.email")
        for records in read_topic(settings, topic).values()
        for record in records
    ]
    assert len(expected) > 500
    assert sorted(dispatch.dispatch_id for dispatch in codec.decode_commands(sent)) == expected
    assert decisions() == lines["decision"]
    records = [record for records in read_topic(settings, "member.events").values() for record in records]
    decoded = codec.decode_log([record.value for record in records], [record.key for record in records])
    ids = Counter(item.event_id for item in decoded if isinstance(item, Event))
    assert ids == Counter(json.loads(line)["event_id"] for line in file.read_text().splitlines())


def _kill_kafka(services: Services) -> None:
    (kafka,) = (each for each in local.status(services.directory) if each.service == "kafka")
    assert kafka.pid is not None
    os.kill(kafka.pid, signal.SIGKILL)
    until(lambda: _is_down(services), 20, "the end of Kafka")


def _is_down(services: Services) -> bool:
    return any(each.service == "kafka" and each.state == "down" for each in local.status(services.directory))
