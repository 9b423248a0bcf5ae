"""The demo, start to end: a real year through the whole pipeline, and the proof that it came out right.

1. The services of an empty folder; topics; campaigns applied, so that they stand first in every partition.
2. The year is published as an upstream producer would, all of it before anything reads: ingest then merges the sources
   in exact order of time, and the log is the same in every run.
3. Two workers, two senders and the sink start, and run until everything is handled; a last tick takes the clocks of
   all members on to the end; then again until everything is handled, delivery statuses included.
4. The log is exported and simulated; dispatches, awards and attributions of both must be the same, to the id, and
   ClickHouse must hold what Kafka holds.

Whatever happens, all processes are ended: nothing of a demo outlives it unless it is asked to stay.
"""

import json
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra import local
from infra.local import ports
from sinks.clickhouse.connect import ClickHouseError, connect
from streams import settings
from streams.demo import folder, summary
from streams.demo.children import Children
from streams.demo.compare import Comparison, compare
from streams.demo.display import Display
from streams.demo.memory import MemoryWatch
from streams.demo.outputs import count_records, read_commands
from streams.demo.progress import Watch
from streams.demo.report import Facts, Sample, write_report
from streams.demo.scrape import read_steps
from streams.engine.commands import Attribution, Award, Command, Dispatch
from streams.errors import RekindleError
from streams.settings import Settings
from streams.topics import ATTRIBUTIONS, AWARDS, DEAD_LETTERS, DECISIONS, dispatch_topic

UNTIL = "2018-06-30T00:00:00Z"
CAMPAIGNS = Path(__file__).parent.parent.parent / "campaigns"
SENDERS = ("sms", "email")
WORKERS = ("worker-1", "worker-2")

_CHANNELS = (*SENDERS, "push", "viber", "social", "in_app", "voice", "chat_bot", "call_center", "receipt", "cashier")
_WAIT_S_MAX = 900
_SINK_WAIT_S_MAX = 60.0
_LOOK_S = 0.5
_KILL_AT = 0.4
_STAGES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person asked for; `members` None means all."""

    directory: Path
    members: int | None = None
    keep: bool = False
    kill_worker: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came out; `problems` is empty when everything is as it must be."""

    summary: dict[str, Any]
    awards: Counter[str]
    report: Path
    problems: tuple[str, ...]


def run(options: Options, display: Display) -> Result:
    """Run the demo. Raises `RekindleError` when a part fails, with the end of its log; nothing is left running then."""
    directory = options.directory.absolute()
    folder.prepare(directory)
    try:
        with display.phase("Kafka, schema registry, ClickHouse"):
            environment = local.up(folder.services(directory), progress=display).environment()
        environment |= {
            "REKINDLE_CLOCK": "event",
            "REKINDLE_OUTBOX": str(directory / "outbox"),
            "REKINDLE_DATA_DIR": str(directory / "data"),
        }
        children = Children(directory, environment)
        try:
            with MemoryWatch() as memory:
                return _Run(options, display, settings.load(environment), children, memory).run()
        finally:
            children.stop()
    finally:
        if not options.keep:
            local.down(folder.services(directory))


class _Run:
    """One run; its methods are its phases."""

    def __init__(
        self, options: Options, display: Display, chosen: Settings, children: Children, memory: MemoryWatch
    ) -> None:
        self.options = options
        self.display = display
        self.settings = chosen
        self.children = children
        self.memory = memory
        self.directory = options.directory.absolute()
        self.replay_s = 0.0
        self.samples: list[Sample] = []
        self._metrics_ports = {name: _ports_in_a_row(_STAGES) for name in (*WORKERS, "sink")}

    def run(self) -> Result:
        with self.display.phase("topics and campaigns"):
            self.children.run(["topics", "create"])
            self.children.run(["campaigns", "apply", str(CAMPAIGNS)])
        with self.display.phase("publish the year as Avro"):
            self._publish()
        began = time.monotonic()
        self.samples.append(Sample(at_s=time.time(), ingested=0, decided=0))
        with self.display.phase("replay by two workers"):
            self._start_pipeline()
            self._await_all_handled(kill=self.options.kill_worker)
        with self.display.phase(f"clocks on to {UNTIL[:10]}"):
            self.children.run(["tick", "--until", UNTIL])
            self._await_all_handled()
        self.replay_s = time.monotonic() - began
        steps = read_steps(port + stage for port in self._metrics_ports.values() for stage in range(_STAGES))
        with self.display.phase("outputs, committed"):
            counted = summary.Tally()
            commands = list(counted.count(self._commands()))
            stored, problems = self._await_stored(counted)
            dead_letters = count_records(self.settings, [DEAD_LETTERS])
        self.children.stop()
        with self.display.phase("export the log and simulate it"):
            comparison = self._simulate(commands)
        problems += comparison.differences
        found = summary.summarise(
            counted,
            stored,
            dead_letters=dead_letters,
            agrees=comparison.agrees,
            seconds=time.monotonic() - self.display.began_s,
            events_per_second=stored.events / self.replay_s,
        )
        facts = Facts(
            summary=found,
            phases=self.display.phases,
            steps=steps,
            samples=self.samples,
            campaign_names=_campaign_names(),
            zone=_zone(),
            machine=self._machine(),
        )
        report = self.directory / "report.html"
        with self._clickhouse() as client:
            write_report(client, facts, report)
        (self.directory / "summary.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        return Result(found, counted.awards, report, tuple(problems))

    def _publish(self) -> None:
        arguments = ["demo", "publish"]
        if self.options.members is not None:
            arguments += ["--members", str(self.options.members)]
        for line in self.children.stream(arguments):
            told = json.loads(line)
            self.display.advance(told["share"], f"{told['published']:,} events")

    def _start_pipeline(self) -> None:
        for name in WORKERS:
            port = str(self._metrics_ports[name])
            data = str(self.directory / "data" / name)
            self.children.start(name, ["worker"], instance=name, metrics_port=port, data_dir=data)
        self.children.start("sink", ["sink"], metrics_port=str(self._metrics_ports["sink"]))
        for channel in SENDERS:
            self.children.start(f"sender-{channel}", ["sender", channel])

    def _await_all_handled(self, *, kill: bool = False) -> None:
        """Wait for `rekindle status --wait`, showing how far it is; `kill` ends a worker hard on the way."""
        self.children.start("status", ["status", "--wait", str(_WAIT_S_MAX)])
        with closing(Watch(self.settings)) as watch:
            while not self.children.has_finished("status"):
                self.children.check()
                handled = watch.look()
                if handled is not None:
                    sample = Sample(at_s=time.time(), ingested=handled.ingested, decided=handled.decided)
                    self.samples.append(sample)
                    self.display.advance(handled.share, f"{handled.decided:,} of {handled.log:,} in the log")
                    if kill and handled.share >= _KILL_AT:
                        kill = False
                        self._kill_a_worker()
                    time.sleep(_LOOK_S)
        if kill:
            raise RekindleError("the replay was over before a worker could be killed: choose more members")

    def _kill_a_worker(self) -> None:
        self.display.say(f"kill -9 {WORKERS[0]}, in the middle of its work")
        self.children.kill(WORKERS[0])
        self.children.restart(WORKERS[0])

    def _commands(self) -> Iterator[Command]:
        yield from read_commands(self.settings, [*map(dispatch_topic, _CHANNELS), AWARDS, ATTRIBUTIONS, DECISIONS])

    def _await_stored(self, counted: summary.Tally) -> tuple[summary.Stored, list[str]]:
        """Wait until ClickHouse holds what Kafka holds; else tell what is missing."""
        deadline = time.monotonic() + _SINK_WAIT_S_MAX
        with self._clickhouse() as client:
            while True:
                stored = summary.read_stored(client)
                missing = stored.missing(counted)
                if not missing or time.monotonic() > deadline:
                    return stored, missing
                self.children.check()
                time.sleep(_LOOK_S)

    def _simulate(self, commands: list[Dispatch | Award | Attribution]) -> Comparison:
        log, simulated = self.directory / "log.jsonl", self.directory / "simulated.jsonl"
        self.children.run(["log", "--export", str(log)])
        arguments = ["simulate", str(CAMPAIGNS), str(log), "--until", UNTIL, "--in-order", "--attributions"]
        with simulated.open("w", encoding="utf-8") as lines:
            lines.writelines(self.children.stream(arguments))
        return compare(commands, simulated)

    @contextmanager
    def _clickhouse(self) -> Iterator[Any]:
        try:
            with connect(self.settings.clickhouse_dsn) as client:
                yield client
        except ClickHouseError as error:
            raise RekindleError(f"ClickHouse failed: {error}") from error

    def _machine(self) -> str:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return (
            f"{cores} cores, {platform.system()}, Python {platform.python_version()}; all processes together at most "
            f"{self.memory.peak_bytes / 2**30:.1f} GiB of resident memory."
        )


def _ports_in_a_row(count: int) -> int:
    """Choose a free port with so many free ones in a row: a worker serves each of its stages' metrics."""
    while True:
        (port,) = ports.choose(1)
        if all(ports.is_free(port + more) for more in range(1, count)):
            return port


def _campaign_names() -> dict[str, str]:
    found = {}
    for path in sorted(CAMPAIGNS.rglob("*.yaml")):
        definition = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(definition, dict) and "trigger" in definition:
            found[definition["id"]] = definition.get("name", "")
    return found


def _zone() -> str:
    policies = yaml.safe_load((CAMPAIGNS / "policies.yaml").read_text(encoding="utf-8"))
    return str(policies["default_time_zone"])
