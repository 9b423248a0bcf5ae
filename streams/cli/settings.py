"""`rekindle settings`: every setting, its value here and what it means; secrets are masked."""

import json
import sys

import click

from streams.settings import load, misspelt


@click.command()
def command() -> None:
    """Show all settings with the values that hold here.

    A table on a terminal; piped, one JSON object per line: {"variable", "value", "meaning"}. Variables that look like
    a misspelt setting are named on stderr.
    """
    rows = load().describe()
    for name, meant in misspelt().items():
        click.echo(f"rekindle: {name} is no setting: is {meant} meant?", err=True)
    if not sys.stdout.isatty():
        for variable, value, meaning in rows:
            click.echo(json.dumps({"variable": variable, "value": value, "meaning": meaning}, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("variable", "value", "meaning")
    for row in rows:
        table.add_row(*map(Text, row))  # an address such as [fe80::1]:9092 is no markup
    Console().print(table)
