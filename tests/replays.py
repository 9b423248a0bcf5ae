"""One replay, whatever is done to the workers meanwhile, and what must be the same afterwards as in a calm run.

1. `member.events` holds every published event exactly once.
2. What the members put out, in order, is what another group of members puts out over the same log in a calm run, and so
   is every member's state.
3. `simulate --in-order` of the exported log gives the same dispatches.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from schemas.codec import Codec
from schemas.registry import Registry
from streams import settings as settings_module
from streams.engine.events import Event
from streams.errors import RekindleError
from streams.members.record import RESERVED
from streams.runtime.lag import LagReader
from streams.settings import Settings
from streams.topics import members_changelog
from tests.stream_support import Record, read_topic, records_waiting, write_events
from tests.support import ROOT, Command, Guard, run_rekindle, until

UNTIL = "2018-06-30T00:00:00Z"
OUTPUTS = ("send.sms", "send.email", "bonus.awards", "decisions", "dead.letters")
CLOCK = {"REKINDLE_CLOCK": "event"}

Outputs = Mapping[str, Mapping[int, list[Record]]]
"""Committed records by topic and partition."""


class Replay:
    """Generated input, workers by name, the end of time, the comparison. Topics must be fresh."""

    def __init__(self, environment: Mapping[str, str], directory: Path, guard: Guard) -> None:
        self.settings = settings_module.load(environment)
        self.published = 0
        self._environment = environment
        self._directory = directory
        self._guard = guard

    def publish(self, events: int, members: int, seed: int) -> None:
        """Put programme and input in."""
        path = write_events(self._directory / "events.jsonl", events, members, seed)
        self.succeeds("campaigns", "apply", ROOT / "campaigns")
        self.succeeds("publish", path)
        self.published = len(path.read_text(encoding="utf-8").splitlines())

    @contextmanager
    def worker(self, name: str, *options: str, env: Mapping[str, str] | None = None) -> Iterator[Command]:
        """Run a worker under this name; it is ended with the block."""
        log = self._directory / f"{len(list(self._directory.glob('*.log')))}.log"
        own = {**self._environment, **CLOCK, **(env or {}), "REKINDLE_INSTANCE": name}
        with Command("worker", *options, env=own, log=log, guard=self._guard) as command:
            yield command

    def waiting(self) -> int:
        """How many records the two stages have still to handle."""
        return records_waiting(self.settings, "ingest") + records_waiting(self.settings, "members")

    def committed(self) -> int:
        """How far the two stages have come: the sum of their positions."""
        reader = LagReader(self.settings)
        try:
            return sum(row.committed or 0 for row in reader.read() if row.stage in {"ingest", "members"})
        finally:
            reader.close()

    def decided(self) -> int:
        """How many decisions stand in their topic."""
        return sum(map(len, read_topic(self.settings, "decisions").values()))

    def is_handled(self, seconds: int = 20) -> bool:
        """Whether workers that run have handled everything within so long."""
        status = ("status", "--wait", str(seconds))
        return run_rekindle(*status, env={**self._environment, **CLOCK}, seconds=seconds + 40).returncode == 0

    def finish(self, seconds: int = 600) -> None:
        """Wait until workers that run have handled everything, and what is due by the end of time."""
        assert self.is_handled(seconds)
        self.succeeds("tick", "--until", UNTIL)
        assert self.is_handled(seconds)

    def outputs(self) -> Outputs:
        """Return what stands in the topics that members write."""
        return {topic: read_topic(self.settings, topic) for topic in OUTPUTS}

    def differences(self, seconds: int = 600) -> list[str]:
        """Say in a line each what isn't as it must be. No worker may run any more; a calm one does meanwhile."""
        codec = Codec(Registry.from_settings(self.settings))
        disturbed = self.outputs()
        calm = replace(self.settings, group_prefix="calm")
        with self.worker("calm", "--only", "members", env={"REKINDLE_GROUP_PREFIX": "calm"}) as worker:
            worker.until(lambda: records_waiting(calm, "members") == 0, seconds, "the end of the log")
            worker.terminate(10)
        found = list(self._misplaced(codec))
        for topic, partitions in self.outputs().items():
            for partition, both in partitions.items():
                before = [record.content for record in disturbed[topic][partition]]
                after = [record.content for record in both[len(before) :]]
                if before != after:
                    found.append(f"{topic}/{partition}: {len(before)} records, {len(after)} in the calm run")
        if _states(self.settings) != _states(calm):
            found.append("the states of the members differ")
        values = [
            record.value
            for topic in ("send.sms", "send.email")
            for each in disturbed[topic].values()
            for record in each
        ]
        simulated = self._simulate(seconds)
        if sorted(dispatch.dispatch_id for dispatch in codec.decode_commands(values)) != simulated:
            found.append(f"{len(values)} dispatches, {len(simulated)} simulated")
        return found

    def succeeds(self, *command: str | Path, seconds: float = 120) -> str:
        """Run a command that must end with 0; return what it printed."""
        done = run_rekindle(*command, env={**self._environment, **CLOCK}, seconds=seconds)
        assert done.returncode == 0, f"{command} failed: {done.stderr}"
        return done.stdout

    def _misplaced(self, codec: Codec) -> Iterator[str]:
        events: Counter[tuple[str, str]] = Counter()
        for records in read_topic(self.settings, "member.events").values():
            decoded = codec.decode_log([record.value for record in records], [record.key for record in records])
            events.update((item.source, item.event_id) for item in decoded if isinstance(item, Event))
        repeated = sum(count > 1 for count in events.values())
        if len(events) != self.published or repeated:
            yield f"member.events: {len(events)} of {self.published} events, {repeated} of them more than once"

    def _simulate(self, seconds: int) -> list[str]:
        log = self._directory / "log.jsonl"
        self.succeeds("log", "--export", log)
        lines = self.succeeds("simulate", ROOT / "campaigns", log, "--until", UNTIL, "--in-order", seconds=seconds)
        found = [json.loads(line) for line in lines.splitlines()]
        return sorted(line["dispatch_id"] for line in found if line["kind"] == "dispatch")


class Workers:
    """Workers by name, started again whenever one has ended, as an orchestrator would. `own`: settings of some."""

    def __init__(
        self, replay: Replay, stack: ExitStack, env: Mapping[str, str], own: Mapping[str, Mapping[str, str]] = {}
    ) -> None:
        self._replay = replay
        self._stack = stack
        self._env = env
        self._own = own
        self._running: dict[str, Command] = {}

    def run(self, *names: str) -> None:
        """Have exactly these run; whoever is too many is told to end."""
        for name in set(self._running) - set(names):
            self._running.pop(name).terminate(20)
        for name in set(names) - set(self._running):
            self._start(name)

    def partitions(self, name: str, stage: str) -> str:
        """Which partitions it said last that this stage has: "0, 1"."""
        said = re.findall(rf"{stage} has partitions (.*)", self._running[name].output)
        return str(said[-1]) if said else ""

    def until(self, predicate: Callable[[], object], seconds: float, what: str) -> None:
        """As `tests.support.until`; who has ended is started again meanwhile, and a broker that is away waited for."""

        def looked_after() -> object:
            for name, command in list(self._running.items()):
                if command.returncode is not None:
                    self._start(name)
            with suppress(RekindleError):
                return predicate()
            return None

        until(looked_after, seconds, what)

    def finish(self) -> None:
        """Have them handle everything, the end of time included, and end."""
        self.until(self._replay.is_handled, 150, "all input handled")
        self._replay.succeeds("tick", "--until", UNTIL)
        self.until(self._replay.is_handled, 90, "the last tick handled")
        for worker in self._running.values():
            assert worker.terminate(20) == 0, worker.output

    def _start(self, name: str) -> None:
        self._running[name] = self._stack.enter_context(
            self._replay.worker(name, env={**self._env, **self._own.get(name, {})})
        )


def _states(settings: Settings) -> dict[bytes | None, bytes]:
    records = read_topic(settings, members_changelog(settings))
    latest = {record.key: record.value for partition in records.values() for record in partition}
    return {key: value for key, value in latest.items() if key and not key.startswith(RESERVED)}
