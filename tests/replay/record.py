"""Record a history anew, with the reason: `python -m tests.replay.record NAME --reason "..."`.

Tells what differs, keeps what comes out now, and adds an entry to `CHANGES.md`. Takes a snapshot of the states if there
is none of this version of the state, or if something else would follow from it; those of earlier versions stay as they
are. Nothing is written when nothing has changed.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from streams.engine.state import VERSION
from tests.replay.differences import count_differences, tell_differences
from tests.replay.history import HOME, History, hash_lines
from tests.replay.replaying import Replay

CHANGES = HOME / "CHANGES.md"
_ENTRY = re.compile(r"- \*\*(?P<name>[\w-]+)\*\*, .*, hash `(?P<fingerprint>[0-9a-f]+)`: (?P<reason>.+)")


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why decisions change, for the change log.")
def command(names: tuple[str, ...], reason: str) -> None:
    """Record the histories NAMES (folders beside this file) anew."""
    told = " ".join(reason.split())
    if not told:
        raise click.UsageError("expected a reason that says something")
    for name in names:
        if not (HOME / name / "log.jsonl.gz").exists():
            raise click.UsageError(f"{name}: expected one of {', '.join(sorted(_names()))}")
        click.echo(record(History(HOME / name), told, CHANGES))


def record(history: History, reason: str, changes: Path) -> str:
    """Record one history; return what to tell about it."""
    old = history.directory / "expected.txt"
    was = history.expected() if old.exists() else []
    known = dict(entries(changes)).get(history.name)
    now = _record(history)
    if history.fingerprint() == known:
        return f"{history.name}: nothing has changed, nothing is written"
    came, went = count_differences(was, now)
    entry = f"{len(now)} records (+{came} -{went}), hash `{history.fingerprint()}`"
    with changes.open("a", encoding="utf-8") as log:
        log.write(f"- **{history.name}**, {entry}: {reason}\n")
    return "\n".join(filter(None, (f"{history.name}: {entry}", tell_differences(was, now) if was else "")))


def entries(changes: Path) -> Iterator[tuple[str, str]]:
    """Name and hash of each entry of the change log; raises `ValueError` for a line that is none."""
    for line in changes.read_text(encoding="utf-8").splitlines():
        if line.startswith("- "):
            found = _ENTRY.fullmatch(line)
            if found is None:
                raise ValueError(f"no entry as `record` writes it: {line}")
            yield found["name"], found["fingerprint"]


def _record(history: History) -> list[str]:
    """Replay, and look again at what follows from each snapshot.

    That of today's version is taken where there is none, and anew if something else would follow from it.
    """
    programmes, log = history.programmes(), history.log()
    snapshots = history.snapshots()
    known = snapshots.get(VERSION, {"after": len(log) // 2})
    replay = Replay(programmes)
    came = replay.take_all(log[: known["after"]])
    middle = replay.copy()
    rest = replay.take_all(log[known["after"] :])
    for version, snapshot in snapshots.items():
        continued = history.restored(version, programmes, snapshot["partitions"]).take_all(log[snapshot["after"] :])
        before = Replay(programmes).take_all(log[: snapshot["after"]])
        snapshot |= {"records_before": len(before), "hash_of_rest": hash_lines(continued)}
    if known.get("hash_of_rest") != hash_lines(rest):
        snapshots[VERSION] = {
            "after": known["after"],
            "partitions": history.write_states(VERSION, middle),
            "records_before": len(came),
            "hash_of_rest": hash_lines(rest),
        }
    history.write_snapshots(snapshots)
    history.write_expected([*came, *rest])
    return [*came, *rest]


def _names() -> Iterator[str]:
    return (path.parent.name for path in HOME.glob("*/log.jsonl.gz"))


if __name__ == "__main__":
    command()
