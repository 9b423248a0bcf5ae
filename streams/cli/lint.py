"""`rekindle lint`: everything that is wrong with a campaign directory, at once, or silence."""

import sys
from pathlib import Path

import click


@click.command(name="lint")
@click.argument("campaigns", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--against",
    metavar="OLD",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The directory that is in force now: also say what CAMPAIGNS would change, and what becomes of journeys.",
)
def command(campaigns: Path, against: Path | None) -> None:
    """Check the campaign directory CAMPAIGNS.

    Errors: it cannot run. Warnings: something in it can never hold, render or be reached. Everything is printed at
    once on stderr as `file:line:column: field: message`; silence means that all is well. The exit status is 1 if
    there are errors; warnings alone leave it 0.

    With --against, other content under a version that was in force is an error too, and stdout tells for each campaign
    what changes, and for each kind of running journeys (each wait, each message that may be put off or cascading)
    whether it goes on, keeps its version, moves or ends.

    Piped, stdout has JSON lines: `problem` with file, line, column, field, severity, message and suggestion;
    with --against also `campaign`, `journeys`, `template` and the like, and a `summary`.
    """
    import json

    from streams.cli._changes import as_records, as_text
    from streams.programme import compare_bundles, lint, read_files
    from streams.programme.problems import errors, in_order

    bundle, unreadable = read_files(campaigns)
    earlier = [] if against is None else [read_files(against)[0]]
    mistakes = len(errors(lint(earlier[0]))) if earlier else 0
    if mistakes:
        click.echo(f"{against}: mistakes: {mistakes}; what has them counts as not there before", err=True)
    problems, comparison = compare_bundles(earlier, bundle)
    problems = in_order([*unreadable, *problems])
    terminal = sys.stdout.isatty()
    for problem in problems:
        shown = problem._replace(file=str(campaigns / problem.file))
        click.echo(shown, err=True)
        if not terminal:
            line = {"kind": "problem", **shown._asdict(), "suggestion": problem.suggestion}
            click.echo(json.dumps(line, ensure_ascii=False))
    if comparison is not None:
        lines = (
            as_text(comparison)
            if terminal
            else (json.dumps(each, ensure_ascii=False) for each in as_records(comparison))
        )
        for line_of_it in lines:
            click.echo(line_of_it)
    if errors(problems):
        sys.exit(1)
