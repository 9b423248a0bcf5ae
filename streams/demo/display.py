"""What the person who waits sees: one line per phase, a bar within it, on a terminal; plain lines when piped."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from streams.demo.report import Phase

_NAME_WIDTH = 34


class Display:
    """Progress on stderr, and the record of the phases for the report. Also takes what the services' start tells."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.phases: list[Phase] = []
        self.began_s = time.monotonic()
        self._task: TaskID | None = None
        columns = (
            TextColumn(f"  {{task.description:<{_NAME_WIDTH}}}"),
            BarColumn(bar_width=32),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=self.console, transient=True, disable=not sys.stderr.isatty())

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase of the run; its line stays when it is done."""
        began = time.monotonic()
        with self._progress:
            self._task = self._progress.add_task(name, total=None, note="")
            try:
                yield
            finally:
                self._progress.remove_task(self._task)
                self._task = None
        seconds = time.monotonic() - began
        self.phases.append(Phase(name=name, began_s=began - self.began_s, seconds=seconds))
        self.console.print(f"[green]✓[/] {name:<{_NAME_WIDTH}} {seconds:6.1f} s", soft_wrap=True)

    def advance(self, share: float, note: str = "") -> None:
        """Move the bar of the present phase to a share of it, from 0 to 1."""
        if self._task is not None:
            self._progress.update(self._task, completed=share, total=1.0, note=note)

    def say(self, text: str) -> None:
        """Print one sentence."""
        self.console.print(f"  {text}", style="dim", markup=False, soft_wrap=True)

    def downloaded(self, done_bytes: int, total_bytes: int) -> None:
        """Show how far a download has come."""
        if total_bytes:
            self.advance(done_bytes / total_bytes, f"downloading {total_bytes / 1e6:.0f} MB")
