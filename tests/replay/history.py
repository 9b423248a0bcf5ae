"""A recorded history: programmes, a log, and what the engine did with it; each in a folder beside this file.

    programmes/1/, 2/, …    campaign directories, pinned here: editing `campaigns/` changes no history
    log.jsonl.gz            `member.events` as `rekindle log --export` writes it
    expected.txt            every record that came out, in the order of the log
    snapshots.json          for each version of the state: after how many records of the log it was taken, where the
                            partitions stood, and the hash of what came out from there on
    state-vN.jsonl.gz       the members' states at that point, as that version wrote them

The expected records are plain text, one a line (`replaying.format_output`), so that a changed decision is a changed
line in a review.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from schemas.json_lines import LogPosition, read_events
from streams.engine.events import LogRecord
from streams.programme import Programme, load, read_directory
from tests.replay.replaying import Replay

HOME = Path(__file__).parent
Placed = tuple[LogRecord, LogPosition]


class History:
    """One folder; what is in it is read when it is asked for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = directory.name

    def programmes(self) -> dict[int, Programme]:
        """By number, each with the definitions of those before it."""
        folders = sorted((self.directory / "programmes").iterdir(), key=lambda folder: int(folder.name))
        bundles = [read_directory(folder) for folder in folders]
        return {number: load(bundles[:number], number) for number in range(1, len(bundles) + 1)}

    def log(self) -> list[Placed]:
        """The records of the log, in its order."""
        path = self.directory / "log.jsonl.gz"
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found = list(read_events(lines, str(path)))
        return [(record, position) for record, position in found if position is not None]

    def expected(self) -> list[str]:
        """What came out when it was recorded."""
        return (self.directory / "expected.txt").read_text(encoding="utf-8").splitlines()

    def snapshots(self) -> dict[int, dict[str, Any]]:
        """By version of the state."""
        path = self.directory / "snapshots.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {int(version): snapshot for version, snapshot in found.items()}

    def restored(self, version: int, programmes: dict[int, Programme], places: dict[str, Any]) -> Replay:
        """The replay as it stood when the snapshot of that version was taken; `places` is where its partitions were."""
        replay = Replay(programmes)
        with gzip.open(self._states(version), "rt", encoding="utf-8") as lines:
            states = [json.loads(line) for line in lines]
        for number, place in places.items():
            stored = {each["key"]: base64.b64decode(each["state"]) for each in states if each["partition"] == number}
            replay.restore(int(number), place["programme"], place["tick_at"], stored)
        return replay

    def write_expected(self, lines: Sequence[str]) -> None:
        """Keep what came out."""
        (self.directory / "expected.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def write_states(self, version: int, replay: Replay) -> dict[str, Any]:
        """Keep the states as they stand, and return where the partitions stand."""
        lines = []
        places = {}
        for number, partition in sorted(replay.partitions.items()):
            places[str(number)] = {"programme": partition.number, "tick_at": partition.tick_at}
            lines += [
                json.dumps({"partition": str(number), "key": key, "state": base64.b64encode(state).decode()})
                for key, state in sorted(partition.stored.items())
            ]
        write_gzip(self._states(version), lines)
        return places

    def write_snapshots(self, snapshots: dict[int, dict[str, Any]]) -> None:
        """Keep what is known of the snapshots."""
        text = json.dumps({str(version): snapshots[version] for version in sorted(snapshots)}, indent=1)
        (self.directory / "snapshots.json").write_text(f"{text}\n", encoding="utf-8")

    def fingerprint(self) -> str:
        """A hash of everything in the folder."""
        digest = hashlib.sha256()
        for path in sorted(self.directory.rglob("*")):
            if path.is_file():
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(self.directory).as_posix()} {content}\n".encode())
        return digest.hexdigest()[:16]

    def _states(self, version: int) -> Path:
        return self.directory / f"state-v{version}.jsonl.gz"


def histories() -> Iterator[History]:
    """All that there are, by name."""
    return (History(path.parent) for path in sorted(HOME.glob("*/log.jsonl.gz")))


def write_gzip(path: Path, lines: Sequence[str]) -> None:
    """Write lines so that the same ones make the same file: without its name and the time."""
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=9) as target:
        target.write("".join(f"{line}\n" for line in lines).encode())


def hash_lines(lines: Sequence[str]) -> str:
    """What identifies these lines in their order."""
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()[:16]
