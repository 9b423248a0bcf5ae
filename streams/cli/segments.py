"""`rekindle segments`: lists that are decided outside the engine, and who is in a segment."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from streams.settings import Settings


@click.group
def command() -> None:
    """Upload lists of members, and evaluate and export segments."""


@command.command
@click.argument("segment")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--column", default="member_id", show_default=True, help="The column with the members' ids.")
@click.option("--add", is_flag=True, help="Only add the file's members; those of before stay.")
@click.option("--remove", is_flag=True, help="Only remove the file's members.")
@click.option(
    "--skip-bad",
    "report",
    metavar="REPORT",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Leave bad lines out and write them into this file, CSV.",
)
@click.option("--allow-empty", is_flag=True, help="Let a file without members take everyone out of the list.")
@click.option("--at", metavar="TIME", help="The moment of the list, for replays of history; else now.")
def upload(
    segment: str,
    file: Path,
    column: str,
    report: Path | None,
    at: str | None,
    *,
    add: bool,
    remove: bool,
    allow_empty: bool,
) -> None:
    """Make the members in FILE, CSV with a header, the list of SEGMENT.

    Everything is validated first; nothing is published if a line is bad, or if the file names nobody. Members who were
    in the upload before and aren't in this one are removed. An upload that broke off is finished by the next, whatever
    its file.
    """
    if add and remove:
        raise click.UsageError("--add and --remove exclude each other")
    from streams import settings
    from streams.cli._progress import count_progress
    from streams.engine import rfm
    from streams.programme.member_lists import id_mistake
    from streams.publisher import check_topics, topic_of
    from streams.segments import upload as uploads
    from streams.segments.database import open_database
    from streams.segments.moment import moment
    from streams.segments.publish import finish
    from streams.segments.read_list import ignored_columns

    if id_mistake(segment) or segment == "everyone" or rfm.parse(segment) is not None:
        raise click.UsageError(f"the segment {segment!r} can't be uploaded: expected an id of your own")
    configured = settings.load()
    at_ms = moment(configured, at)
    if ignored := ignored_columns(file, column):
        click.echo(f"columns that are not used: {', '.join(ignored)}", err=True)
    check_topics(configured, {topic_of("segment_assigned")})
    with open_database(configured) as client:
        if uploads.finish_earlier(client, configured, segment):
            click.echo(f"an earlier run of {segment} had broken off: it is published now", err=True)
        mode = "add" if add else "remove" if remove else "replace"
        wanted = uploads.Upload(path=file, column=column, mode=mode, report=report, allow_empty=allow_empty)
        with count_progress("validated") as advance:
            run, staged = uploads.decide(client, segment, wanted, at_ms, advance)
        with count_progress("published", total=run.entered + run.gone) as advance:
            finish(client, configured, run, threading.Event(), advance)
    if staged.bad:
        click.echo(f"{staged.bad} bad lines were left out, see {report}", err=True)
    click.echo(f"{segment}: {run.members} members, {run.entered} entered, {run.gone} left")
    _say_what_next(configured, segment)


@command.command(name="run")
@click.argument("segments", nargs=-1)
@click.option("--once", is_flag=True, help="Evaluate SEGMENTS now, or all; publish them, and end.")
@click.option("--at", metavar="TIME", help="With --once: the moment of the lists, for replays of history; else now.")
def run_command(segments: tuple[str, ...], at: str | None, *, once: bool) -> None:
    """Evaluate the programme's SQL segments when they are due, and publish who enters and who leaves.

    Runs until SIGTERM. One is enough; more do no harm.
    """
    from sinks.process import configure_logging, stop_on_signals
    from streams import settings

    if not once and (segments or at):
        raise click.UsageError("SEGMENTS and --at go with --once")
    configured = settings.load()
    if not once:
        from streams.segments.serve import run_segments

        configure_logging(configured)
        run_segments(configured, stop_on_signals())
        return
    from streams.segments.database import open_database
    from streams.segments.moment import moment
    from streams.segments.serve import evaluate_now

    at_ms = moment(configured, at)
    with open_database(configured) as client:
        for name, run in evaluate_now(client, configured, list(segments), at_ms):
            click.echo(f"{name}: {run.members} members, {run.entered} entered, {run.gone} left")


@command.command
@click.argument("segment")
@click.option("--to", "file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="A CSV file.")
@click.option("--topic", metavar="NAME", help="A topic of another service: a JSON record per member, keyed by member.")
@click.option("--webhook", metavar="URL", help="An address that batches are POSTed to; see REKINDLE_WEBHOOK_HOSTS.")
def export(segment: str, file: Path | None, topic: str | None, webhook: str | None) -> None:
    """Give the members of SEGMENT to another service.

    Who is in it is asked of ClickHouse, where profiles follow the decisions by about a second.
    """
    if [file, topic, webhook].count(None) != 2:  # noqa: PLR2004 - one of three is given
        raise click.UsageError("expected one of --to, --topic and --webhook")
    import uuid

    from streams import settings
    from streams.cli._progress import count_progress
    from streams.clock import wall_clock
    from streams.engine import rfm
    from streams.errors import RekindleError
    from streams.segments import export as exports
    from streams.segments.database import open_database
    from streams.segments.serve import programme_in_force

    configured = settings.load()
    if webhook is not None:
        exports.check_address(configured, webhook)
    programme = programme_in_force(configured)
    if segment not in programme.segments and rfm.parse(segment) is None:
        known = ", ".join(sorted(programme.segments))
        raise RekindleError(f"the programme in force has no segment {segment}: it has {known}")
    at_ms, exported = wall_clock(), 0
    with open_database(configured) as client, count_progress("exported") as show:

        def advance(count: int) -> None:
            nonlocal exported
            exported += count
            show(count)

        pages = exports.members_of(client, programme, segment, at_ms)
        if file is not None:
            exports.to_file(file, pages, advance)
        elif topic is not None:
            exports.to_topic(configured, topic, segment, at_ms, pages, advance)
        elif webhook is not None:
            exports.to_address(configured, webhook, segment, at_ms, uuid.uuid4().hex, pages, advance)
    click.echo(f"{segment}: {exported} members exported")


def _say_what_next(settings: "Settings", segment: str) -> None:
    """Say how campaigns come to use it: the programme in force may not know the segment."""
    from streams.kafka import Kafka
    from streams.members.programmes import read_programmes
    from streams.programme.definitions import read_definitions

    programmes = read_programmes(Kafka(settings), settings.group_prefix)
    known = read_definitions(programmes[max(programmes)]).segments if programmes else {}
    if segment not in known:
        click.echo(
            f"the programme in force has no segment {segment}: add segments/{segment}.yaml with `id: {segment}`, "
            "then `rekindle campaigns apply`",
            err=True,
        )
    elif known[segment][0].sql is not None:
        click.echo(f"segments/{segment}.yaml has SQL: its next evaluation takes this list's place", err=True)
    elif known[segment][0].where is not None:
        click.echo(f"for its members the list now overrides the condition of segments/{segment}.yaml", err=True)
    click.echo("`rekindle status --wait 60` returns once the workers have taken it in", err=True)
