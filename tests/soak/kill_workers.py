"""A replay under a hundred kills: `python -m tests.soak.kill_workers [--kills 100] [--seed 1] [--events 40000]`.

Two workers share the partitions, in transactions of a few records, so that the replay outlasts the kills. Each kill -9
hits one of them: at a numbered step of a commit, in recovery, at a moment drawn by chance (the start and the dealing
out of partitions among them), the whole worker or one of its two stages; now and then its local state is wiped, or it
comes back under another name, and its partitions are taken over meanwhile. Then all is compared (`tests.replays`).

The chance is a seed's, but which record a kill by the clock hits is the machine's: run it more than once.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from infra import local
from tests.replays import Replay
from tests.support import Command, Guard, children_of, renew_topics, until

FAULTS = (
    *(f"members.{point}" for point in ("recovering", "handled", "produced", "offsets_sent", "committed", "stored")),
    *(f"ingest.{point}" for point in ("recovering", "handled", "produced", "offsets_sent", "committed")),
)
SLOW = {"REKINDLE_BATCH_RECORDS_MAX": "1"}
RUN_SECONDS_MAX = 2.0
AT_A_POINT, AFTER_ITS_START, WIPED, RENAMED = 0.6, 0.8, 0.15, 0.1


class EndedByItselfError(Exception):
    """A worker ended that nobody had killed."""


def was_killed(worker: Command) -> bool:
    """Whether a worker that has ended was killed with -9: all of it, or a stage, which it names as it goes down."""
    if worker.returncode == -signal.SIGKILL:
        return True
    ends = re.findall(r"stage \w+ (was ended by \w+|ended with status \d+)", worker.output.rstrip().rpartition("\n")[2])
    return worker.returncode == 1 and set(ends) == {"was ended by SIGKILL"}


class Killer:
    """Kills one of two workers again and again; `kills` counts them by manner."""

    def __init__(self, replay: Replay, data: Path, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self._replay = replay
        self._data = data
        self._random = random.Random(seed)
        self._names = ["one", "two"]

    def run(self, times: int) -> None:
        """Do so as often."""
        with ExitStack() as stack:
            running: dict[int, tuple[Command, str | None]] = {}
            for number in range(times):
                for place in {0, 1} - set(running):
                    fault = self._random.choice(FAULTS) if self._random.random() < AT_A_POINT else None
                    running[place] = (stack.enter_context(self._start(self._names[place], fault)), fault)
                place = self._random.randrange(2)
                self._end(*running.pop(place))
                self._disturb(place)
                waiting = self._replay.waiting()
                print(f"kill {number + 1} of {times}; {waiting} records to go", file=sys.stderr, flush=True)
                if not waiting:
                    raise SystemExit("the replay was over before the kills: give it more --events")

    def _start(self, name: str, fault: str | None) -> AbstractContextManager[Command]:
        passing = self._random.randint(1, 3 if fault and fault.endswith("recovering") else 20)
        return self._replay.worker(name, env={**SLOW, **({"REKINDLE_FAULT": f"{fault}:{passing}"} if fault else {})})

    def _end(self, worker: Command, fault: str | None) -> None:
        manner = fault or self._random.choice(("the whole worker", "one stage"))
        if fault is None and self._random.random() < AFTER_ITS_START:
            worker.until(lambda: "members has partitions" in worker.output, 60, "its partitions")
        seconds = 30 if fault else self._random.uniform(0, RUN_SECONDS_MAX)
        with contextlib.suppress(AssertionError):
            until(lambda: worker.returncode is not None, seconds)
        if worker.returncode is None:  # by chance; or the point was never passed
            manner = manner if fault is None else "the whole worker"
            children = children_of(worker.pid) if manner == "one stage" else []
            os.kill(self._random.choice(children) if children else worker.pid, signal.SIGKILL)
        until(lambda: worker.returncode is not None, 30, "the end of a killed worker")
        if not was_killed(worker):
            raise EndedByItselfError(
                f"{worker.name} ended with {worker.returncode}, by itself:\n{worker.output[-4000:]}"
            )
        self.kills[manner] += 1

    def _disturb(self, place: int) -> None:
        chance = self._random.random()
        if chance < WIPED:
            for state in self._data.glob(f"{self._names[place]}/*/state"):
                shutil.rmtree(state, ignore_errors=True)
            self.kills["then its state was wiped"] += 1
        elif chance < WIPED + RENAMED:
            self._names[place] += "x"
            self.kills["then it came back under another name"] += 1


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
        guard = Guard()
        try:
            environment = {**services.environment(), "REKINDLE_DATA_DIR": str(directory / "data")}
            replay = Replay(environment, directory, guard)
            renew_topics(replay.settings)
            replay.publish(chosen.events, 300, chosen.seed)
            killer = Killer(replay, directory / "data", chosen.seed)
            killer.run(chosen.kills)
            with replay.worker("last"):
                replay.finish()
            outputs = {topic: sum(map(len, records.values())) for topic, records in replay.outputs().items()}
            wrong = replay.differences()
        finally:
            guard.close()
            local.down(directory / "services")
    kills = dict(killer.kills.most_common())
    seconds = round(time.monotonic() - began)
    found = {"events": replay.published, "kills": kills, "outputs": outputs, "differences": wrong, "seconds": seconds}
    print(json.dumps(found, indent=2))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
