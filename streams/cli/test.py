"""`rekindle test`: run the tests that stand beside the campaigns."""

import sys
from pathlib import Path

import click


@click.command()
@click.argument("campaigns", type=click.Path(exists=True, file_okay=False, path_type=Path))
def command(campaigns: Path) -> None:
    """Run every *_test.yaml of the directory CAMPAIGNS through the simulation.

    Prints one line per case; exit status 1 if one fails.
    """
    from streams.check_campaigns import check_directory

    count = failed = 0
    for outcome in check_directory(campaigns):
        count += 1
        failed += bool(outcome.complaints)
        word = "failed" if outcome.complaints else "ok"
        click.echo(f"{word:7}{outcome.file.relative_to(campaigns)}: {outcome.case}")
        for complaint in outcome.complaints:
            click.echo(f"       {complaint}")
    click.echo(f"{count} cases, {failed} failed", err=True)
    if failed:
        sys.exit(1)
