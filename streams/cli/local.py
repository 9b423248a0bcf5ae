"""`rekindle local`: Kafka, the schema registry and ClickHouse on this machine, without Docker.

`up` prints nothing but `export` lines on stdout, so that `eval "$(rekindle local up)"` sets up a shell.
"""

import json
import shlex
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from streams import settings

if TYPE_CHECKING:
    from infra.local import Status

DIRECTORY = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the services' data and logs; REKINDLE_LOCAL_DIR, or build/local, unless given.",
)


@click.group()
def command() -> None:
    """Kafka, schema registry and ClickHouse on this machine without Docker."""


@command.command()
@DIRECTORY
def up(directory: Path | None) -> None:
    """Start what doesn't run yet, in the background; print the settings that the other commands read.

    Use it as: eval "$(rekindle local up)"
    """
    from infra import local

    # TERM takes back what was started, as an interrupt does: nothing half done.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with _Display() as display:
        services = local.up(_chosen(directory), progress=display)
    for name, value in services.environment().items():
        click.echo(f"export {name}={shlex.quote(value)}")


@command.command()
@DIRECTORY
def down(directory: Path | None) -> None:
    """End all services of the folder; their data stay."""
    from infra import local

    ended = local.down(_chosen(directory))
    click.echo(f"ended: {', '.join(ended)}" if ended else "nothing ran", err=True)


@command.command()
@DIRECTORY
def status(directory: Path | None) -> None:
    """Show how each service is: a table, or JSON lines when piped; exit status 1 unless all are up."""
    from infra import local

    rows = local.status(_chosen(directory))
    if sys.stdout.isatty():
        _print_table(rows)
    else:
        for row in rows:
            click.echo(json.dumps(asdict(row)))
    if any(row.state != "up" for row in rows):
        sys.exit(1)


def _chosen(directory: Path | None) -> Path:
    return directory or settings.load().local_dir


def _print_table(rows: "list[Status]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("service", "state", "pid", "memory")
    for heading in ("address", "log"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        memory = f"{row.memory_bytes / 1e6:.0f} MB" if row.memory_bytes else ""
        color = {"up": "green", "silent": "yellow", "down": "red"}[row.state]
        table.add_row(row.service, f"[{color}]{row.state}[/]", str(row.pid or ""), memory, row.address, row.log)
    Console().print(table)


class _Display:
    """Sentences on stderr; while something is downloaded, on a terminal, a bar below them."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        self._console = Console(stderr=True)
        columns = (TextColumn("downloading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task("downloading", total=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hide()

    def say(self, text: str) -> None:
        """Print one sentence."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def downloaded(self, done_bytes: int, total_bytes: int) -> None:
        """Move the bar, which is there from the first byte to the last."""
        if self._console.is_terminal and not self._progress.live.is_started and done_bytes < total_bytes:
            self._progress.start()
        self._progress.update(self._task, completed=done_bytes, total=total_bytes)
        if done_bytes >= total_bytes:
            self._hide()

    def _hide(self) -> None:
        if self._progress.live.is_started:
            self._progress.stop()
