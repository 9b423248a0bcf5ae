"""A replay under a hundred kills: `python -m tests.soak.kill_workers [--kills 100] [--seed 1] [--events 40000]`.

Two workers share the partitions, in transactions of a few records, so that the replay outlasts the kills. Each kill -9
hits one of them: at a numbered step of a commit, in recovery, at a moment drawn by chance (the start and the dealing
out of partitions among them), the whole worker or one of its two stages; now and then its local state is wiped, or it
comes back under another name, and its partitions are taken over meanwhile. Then all is compared, record for record:

1. `member.events` holds every published event exactly once;
2. what the members put out, in order, is what a calm run over the same log puts out, and so is every member's state;
3. `simulate --in-order` of the exported log gives the same dispatches.

The chance is a seed's, but which record a kill by the clock hits is the machine's: run it more than once.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from infra import local
from schemas.codec import Codec
from schemas.registry import Registry
from streams import settings as settings_module
from streams.engine.events import Event
from streams.members.record import RESERVED
from streams.settings import Settings
from streams.topics import members_changelog
from tests.stream_support import read_topic, records_waiting, write_events
from tests.support import ROOT, Command, Guard, renew_topics, run_rekindle, until

UNTIL = "2018-06-30T00:00:00Z"
OUTPUTS = ("send.sms", "send.email", "bonus.awards", "decisions", "dead.letters")
FAULTS = (
    *(f"members.{point}" for point in ("recovering", "handled", "produced", "offsets_sent", "committed", "stored")),
    *(f"ingest.{point}" for point in ("handled", "produced", "offsets_sent", "committed")),
)
REPLAY = {"REKINDLE_CLOCK": "event"}
SLOW = {**REPLAY, "REKINDLE_BATCH_RECORDS_MAX": "5"}
RUN_SECONDS_MAX = 2.0
WIPED, RENAMED = 0.15, 0.1


class Soak:
    """One replay. `kills` counts what was killed, by manner."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], directory: Path, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self._settings = settings
        self._environment = environment
        self._directory = directory
        self._random = random.Random(seed)
        self._guard = Guard()
        self._names = ["one", "two"]

    def close(self) -> None:
        """End whatever still runs."""
        self._guard.close()

    def publish(self, events: int, members: int, seed: int) -> int:
        """Put the input in; returns how many events it is."""
        path = write_events(self._directory / "events.jsonl", events, members, seed)
        self._succeeds("campaigns", "apply", ROOT / "campaigns")
        self._succeeds("publish", path)
        return len(path.read_text(encoding="utf-8").splitlines())

    def kill(self, times: int) -> None:
        """Let two workers handle the input and kill one of them again and again."""
        with ExitStack() as stack:
            running = {}
            for number in range(times):
                for place, name in enumerate(self._names):
                    if place not in running:
                        fault = self._random.choice(FAULTS) if self._random.random() < 0.6 else None
                        running[place] = (stack.enter_context(self._worker(name, fault)), fault)
                place = self._random.randrange(2)
                worker, fault = running.pop(place)
                self._end(worker, fault)
                self._disturb(place)
                waiting = records_waiting(self._settings, "ingest") + records_waiting(self._settings, "members")
                print(f"kill {number + 1} of {times}; {waiting} records to go", file=sys.stderr, flush=True)
                if not waiting:
                    raise SystemExit("the replay was over before the kills: give it more --events")

    def finish(self) -> None:
        """Let one worker handle the rest, and what is due by the end."""
        with self._worker("last", None, REPLAY):
            self._succeeds("status", "--wait", "600", seconds=620)
            self._succeeds("tick", "--until", UNTIL)
            self._succeeds("status", "--wait", "600", seconds=620)

    def run_calmly(self) -> Settings:
        """Have another group of members handle the same log without a kill; returns its settings."""
        calm = replace(self._settings, group_prefix="calm")
        own = {**REPLAY, "REKINDLE_GROUP_PREFIX": "calm"}
        with self._worker("calm", None, own, "--only", "members") as worker:
            worker.until(lambda: records_waiting(calm, "members") == 0, 600, "the end of the log")
        return calm

    def simulate(self) -> list[str]:
        """Return the dispatch ids that the exported log gives, sorted."""
        log = self._directory / "log.jsonl"
        self._succeeds("log", "--export", log)
        lines = self._succeeds("simulate", ROOT / "campaigns", log, "--until", UNTIL, "--in-order", seconds=600)
        found = [json.loads(line) for line in lines.splitlines()]
        return sorted(line["dispatch_id"] for line in found if line["kind"] == "dispatch")

    def _end(self, worker: Command, fault: str | None) -> None:
        deadline = time.monotonic() + (30 if fault else self._random.uniform(0, RUN_SECONDS_MAX))
        manner = fault or self._random.choice(("the whole worker", "one stage"))
        if fault is None and self._random.random() < 0.8:
            worker.until(lambda: "members has partitions" in worker.output, 60, "its partitions")
            deadline = time.monotonic() + self._random.uniform(0, RUN_SECONDS_MAX)
        while worker.returncode is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if worker.returncode is None:  # by chance; or the point was never passed
            manner = manner if fault is None else "the whole worker"
            children = _children(worker.pid) if manner == "one stage" else []
            os.kill(self._random.choice(children) if children else worker.pid, signal.SIGKILL)
        until(lambda: worker.returncode is not None, 30, "the end of a killed worker")
        self.kills[manner] += 1

    def _disturb(self, place: int) -> None:
        chance = self._random.random()
        if chance < WIPED:
            for state in self._directory.glob(f"data/{self._names[place]}/*/state"):
                shutil.rmtree(state, ignore_errors=True)
            self.kills["then its state was wiped"] += 1
        elif chance < WIPED + RENAMED:
            self._names[place] += "x"
            self.kills["then it came back under another name"] += 1

    @contextmanager
    def _worker(self, name: str, fault: str | None, env: Mapping[str, str] = SLOW, *options: str) -> Iterator[Command]:
        own = {"REKINDLE_INSTANCE": name}
        if fault:
            own["REKINDLE_FAULT"] = f"{fault}:{self._random.randint(1, 3 if 'recover' in fault else 20)}"
        log = self._directory / f"{len(list(self._directory.glob('*.log')))}.log"
        command = ("worker", *options)
        with Command(*command, env={**self._environment, **env, **own}, log=log, guard=self._guard) as worker:
            yield worker

    def _succeeds(self, *command: str | Path, seconds: float = 120) -> str:
        done = run_rekindle(*command, env={**self._environment, **REPLAY}, seconds=seconds)
        if done.returncode != 0:
            raise SystemExit(f"{command} failed: {done.stderr}")
        return done.stdout


def differences(settings: Settings, calm: Settings, published: int, simulated: list[str], killed: Mapping) -> list[str]:
    """Say in one line each what isn't as it must be; `killed` is what stood in the outputs before the calm run."""
    found = []
    codec = Codec(Registry.from_settings(settings))
    events: Counter[tuple[str, str]] = Counter()
    for records in read_topic(settings, "member.events").values():
        decoded = codec.decode_log([record.value for record in records], [record.key for record in records])
        events.update((item.source, item.event_id) for item in decoded if isinstance(item, Event))
    if len(events) != published or set(events.values()) != {1}:
        repeated = sum(count > 1 for count in events.values())
        found.append(f"member.events: {len(events)} of {published} events, {repeated} of them more than once")
    for topic in OUTPUTS:
        for partition, both in read_topic(settings, topic).items():
            before = [record.content for record in killed[topic][partition]]
            after = [record.content for record in both[len(before) :]]
            if before != after:
                found.append(f"{topic}/{partition}: {len(before)} records under kills, {len(after)} in the calm run")
    if _states(settings) != _states(calm):
        found.append("the states of the members differ")
    values = [
        record.value for topic in ("send.sms", "send.email") for each in killed[topic].values() for record in each
    ]
    if sorted(dispatch.dispatch_id for dispatch in codec.decode_commands(values)) != simulated:
        found.append(f"{len(values)} dispatches under kills, {len(simulated)} simulated")
    return found


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _states(settings: Settings) -> dict[bytes | None, bytes]:
    records = read_topic(settings, members_changelog(settings))
    latest = {record.key: record.value for partition in records.values() for record in partition}
    return {key: value for key, value in latest.items() if key and not key.startswith(RESERVED)}


def main() -> int:
    """Run it; 0 if nothing differs."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--events", type=int, default=40_000)
    chosen = options.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rekindle-soak-") as name:
        directory = Path(name)
        services = local.up(directory / "services")
        environment = {**services.environment(), "REKINDLE_DATA_DIR": str(directory / "data")}
        settings = settings_module.load(environment)
        soak = Soak(settings, environment, directory, chosen.seed)
        try:
            renew_topics(settings)
            published = soak.publish(chosen.events, 300, chosen.seed)
            soak.kill(chosen.kills)
            soak.finish()
            killed = {topic: read_topic(settings, topic) for topic in OUTPUTS}
            wrong = differences(settings, soak.run_calmly(), published, soak.simulate(), killed)
        finally:
            soak.close()
            local.down(directory / "services")
    print(
        json.dumps(
            {
                "events": published,
                "kills": dict(soak.kills.most_common()),
                "outputs": {topic: sum(map(len, records.values())) for topic, records in killed.items()},
                "differences": wrong,
                "seconds": round(time.monotonic() - began),
            },
            indent=2,
        )
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
