"""`rekindle lint`: everything that is wrong with a campaign directory, at once, or silence."""

import sys
from pathlib import Path

import click


@click.command(name="lint")
@click.argument("campaigns", type=click.Path(exists=True, file_okay=False, path_type=Path))
def command(campaigns: Path) -> None:
    """Check the campaign directory CAMPAIGNS.

    Errors: it cannot run. Warnings: something in it can never hold, render or be reached. Everything is printed at
    once on stderr as `file:line:column: field: message`; silence means that all is well. The exit status is 1 if
    there are errors; warnings alone leave it 0.
    """
    from streams.programme import lint, read_files
    from streams.programme.problems import errors, in_order

    bundle, unreadable = read_files(campaigns)
    problems = in_order([*unreadable, *lint(bundle)])
    for problem in problems:
        click.echo(problem._replace(file=str(campaigns / problem.file)), err=True)
    if errors(problems):
        sys.exit(1)
