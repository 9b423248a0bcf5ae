"""`rekindle status`: what every stage has still to handle."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from streams.runtime.lag import Lag


@click.command()
@click.option("--wait", "wait_seconds", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait for all input.")
def command(wait_seconds: float | None) -> None:
    """Show the lag of every stage, per partition, when it last committed and when its oldest timer is due.

    With --wait, return as soon as all input is handled, with status 0; with status 1 if it isn't within SECONDS.
    """
    from streams import settings
    from streams.runtime.lag import LagReader, await_handled

    reader = LagReader(settings.load())
    try:
        if wait_seconds is None:
            handled, rows = True, reader.read()
        else:
            handled, rows = await_handled(reader, wait_seconds)
    finally:
        reader.close()
    _show(rows)
    if not handled:
        waiting = sum(row.records for row in rows)
        click.echo(f"rekindle: after {wait_seconds:g} s, {waiting} records are not handled yet", err=True)
        sys.exit(1)


def _show(rows: Sequence["Lag"]) -> None:
    from streams.output_lines import iso

    if not sys.stdout.isatty():
        for row in rows:
            line = {
                "stage": row.stage,
                "topic": row.topic,
                "partition": row.partition,
                "committed": row.committed,
                "end": row.end,
                "lag": row.records,
                "committed_at": None if row.committed_at is None else iso(row.committed_at),
                "oldest_due": None if row.oldest_due is None else iso(row.oldest_due),
            }
            click.echo(json.dumps(line))
        return
    from rich.console import Console
    from rich.table import Table

    from streams.clock import wall_clock

    now = wall_clock()
    table = Table("stage", "topic", "partition", "committed", "end", "lag", "last commit", "oldest due")
    for row in rows:
        committed = "-" if row.committed is None else str(row.committed)
        lag = f"[yellow]{row.records}[/yellow]" if row.records else "0"
        last = "-" if row.committed_at is None else f"{max(now - row.committed_at, 0) / 1000:.0f} s ago"
        due = "-" if row.oldest_due is None else iso(row.oldest_due)
        table.add_row(row.stage, row.topic, str(row.partition), committed, str(row.end), lag, last, due)
    Console().print(table)
