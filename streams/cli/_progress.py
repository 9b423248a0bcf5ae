"""Progress of a command that counts: a bar on stderr where that is a terminal, nothing where it isn't."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def count_progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Give a function that adds to the count of records; without a total, the count alone is shown."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
