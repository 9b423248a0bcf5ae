"""`rekindle campaigns`: which campaigns are in force."""

from pathlib import Path

import click


@click.group()
def command() -> None:
    """Bring campaigns into force."""


@command.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--at", "at", metavar="TIME", help="Its place among the events, for replays; see below.")
def apply(directory: Path, at: str | None) -> None:
    """Check a directory of campaigns and bring it into force as a new programme; print its number.

    On stderr it says what changes against the programme in force, and what becomes of running journeys, as
    `rekindle lint DIRECTORY --against OLD` does. Other content under a version of a campaign that was in force before
    is refused: raise the version.

    Every partition switches at one record of its log. By the wall clock that record stands at the present. In a replay
    (REKINDLE_CLOCK=event) it stands before all events unless --at says when, so that the whole history meets the
    programme.
    """
    import time

    from streams import settings
    from streams.cli._changes import as_text
    from streams.clock import wall_clock
    from streams.errors import InputError
    from streams.programme import compare_bundles, lint, read_directory
    from streams.programme.problems import Problem, errors
    from streams.runtime.control import apply_programme

    def refuse(problems: list[Problem]) -> None:
        if errors(problems):
            raise InputError("\n".join(["nothing was applied:", *map(str, errors(problems))]))

    def check(earlier: list[dict[str, str]]) -> None:
        problems, comparison = compare_bundles(earlier, bundle)
        refuse(problems)
        for line in as_text(comparison) if comparison is not None else ():
            click.echo(line, err=True)

    configured = settings.load()
    bundle = read_directory(directory)
    refuse(lint(bundle))
    now = wall_clock()
    occurred_at = _moment(at) if at is not None else (now if configured.clock == "wall" else 0)
    number = apply_programme(configured, bundle, now=now, occurred_at=occurred_at, check=check)
    click.echo(number)
    click.echo(f"programme {number} applied at {time.strftime('%H:%M:%S')}: workers switch to it now", err=True)


def _moment(at: str) -> int:
    from schemas.values import parse_time

    try:
        return parse_time(at)
    except ValueError as error:
        raise click.UsageError(f"--at {at}: {error}") from None
