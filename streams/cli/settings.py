"""`rekindle settings`: every setting, its value here and what it means; secrets are masked."""

import json
import sys

import click

from streams.settings import load


@click.command()
def command() -> None:
    """Show all settings with the values that hold here.

    A table on a terminal; piped, one JSON object per line: {"variable", "value", "meaning"}.
    """
    rows = load().describe()
    if not sys.stdout.isatty():
        for variable, value, meaning in rows:
            click.echo(json.dumps({"variable": variable, "value": value, "meaning": meaning}, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("variable", "value", "meaning")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
