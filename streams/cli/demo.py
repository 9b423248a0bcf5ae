"""`rekindle demo`: everything on one machine, real input, no Docker."""

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from streams.demo.display import Display
    from streams.demo.run import Result

MEMBERS = click.option(
    "--members",
    "--households",
    type=click.IntRange(min=1),
    metavar="N",
    help="Take the first N households of the data only, for a quick look; all 2,469 unless given.",
)


@click.group(invoke_without_command=True)
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/demo"),
    show_default=True,
    help="Folder of the run, emptied first: services, logs, outbox, report.html, summary.json.",
)
@MEMBERS
@click.option("--keep", is_flag=True, help="Leave Kafka, the registry and ClickHouse running, to look around.")
@click.option(
    "--kill-worker", is_flag=True, help="Kill -9 a worker in the middle of the replay; the result is the same."
)
@click.pass_context
def command(ctx: click.Context, directory: Path, members: int | None, keep: bool, kill_worker: bool) -> None:
    """Replay a real year of 155,848 receipts through the whole pipeline, on this machine.

    Kafka, two workers, two senders, ClickHouse; then the log is simulated, and both must agree to the id of every
    message, award and attribution. Ends with a report in HTML, a table, and summary.json; exit
    status 1 if they don't agree.
    """
    if ctx.invoked_subcommand is not None:
        return
    from streams.demo.display import Display
    from streams.demo.run import Options, run

    # Whoever ends the demo ends all that it started: SIGTERM unwinds like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    display = Display()
    display.console.print("[bold]A year of receipts through the whole pipeline[/]")
    options = Options(directory=directory, members=members, keep=keep, kill_worker=kill_worker)
    result = run(options, display)
    _show(result, display)
    if keep:
        where = directory / "local"
        display.say(f"the services run on: rekindle local up --dir {where} prints their settings, down ends them")
    if result.problems:
        sys.exit(1)


@command.command("input")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File of JSON lines.")
@MEMBERS
def write_input(out: Path, members: int | None) -> None:
    """Write the events of the demo to a file, in order of time."""
    from schemas.json_lines import format_record
    from streams.demo.input import generate
    from streams.errors import RekindleError

    try:
        with out.open("w", encoding="utf-8") as file:
            file.writelines(format_record(event, log=None) + "\n" for event in generate(members))
    except OSError as error:
        raise RekindleError(f"{out}: cannot be written: {error.strerror}") from None


@command.command()
@MEMBERS
def publish(members: int | None) -> None:
    """Publish the events of the demo into the source topics, as an upstream producer would; progress as JSON lines."""
    from streams import settings
    from streams.demo.publish import publish_year

    for published, share in publish_year(settings.load(), members):
        click.echo(json.dumps({"published": published, "share": round(share, 3)}))
        sys.stdout.flush()


def _show(result: "Result", display: "Display") -> None:
    """Print the table on a terminal, the summary as JSON when piped; the verdict in any case."""
    from rich.console import Console

    from streams.demo.summary import as_table

    summary = result.summary
    if sys.stdout.isatty():
        Console().print(as_table(summary, result.awards))
    else:
        click.echo(json.dumps(summary))
    say = display.console.print
    say(
        f"{summary['receipts']:,} receipts of {summary['members']:,} members, {summary['events']:,} events in all; "
        f"{summary['events_per_second']:,.0f} events/s, {summary['seconds']:,.0f} s from start to end",
        soft_wrap=True,
    )
    suppressed = ", ".join(f"{reason} {count:,}" for reason, count in summary["suppressed"].items())
    say(f"suppressed: {suppressed or 'nothing'}; dead letters: {summary['dead_letters']:,}", soft_wrap=True)
    if summary["agrees_with_simulate"]:
        say(
            "[green]✓ the simulation of the log gives the same dispatches, awards and attributions, to the id[/]",
            soft_wrap=True,
        )
    for problem in result.problems:
        say(f"[red]✗[/] {problem}", soft_wrap=True)
    say(f"report: {result.report}", soft_wrap=True)
