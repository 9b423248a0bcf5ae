"""`rekindle audience`: how many members a campaign would reach, counted in ClickHouse before anything is sent."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli._plain import harmless
from streams.cli.simulate import Moment

if TYPE_CHECKING:
    from rich.table import Table

    from streams.engine.campaign import Campaign
    from streams.programme import Programme
    from streams.segments.audience import Audience
    from streams.segments.sql import Asking
    from streams.settings import Settings


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[DIRECTORY] CAMPAIGN")
@click.option(
    "--dir",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The directory that has the campaign, as DIRECTORY does; else the programme in force.",
)
@click.option(
    "--at", type=Moment(), help="The moment at which ages, windows and balances are reckoned; by default now."
)
@click.option("--sample", type=click.IntRange(0, 10_000), default=0, metavar="N", help="Also name N members.")
@click.option("--sql", is_flag=True, help="Print the statement instead of running it.")
def command(words: tuple[str, ...], directory: Path | None, at: int | None, sample: int, sql: bool) -> None:
    """Count the audience of CAMPAIGN, without sending anything.

    CAMPAIGN is the id of a campaign in the programme in force or, if DIRECTORY is given, in that directory, applied or
    not; or the file of a campaign, with the directory that it belongs to.

    Counted are members known, in its audience, not held out, and for each channel and messaging type that it sends
    those of them who agree to it, and have an address. What only the moment of sending can tell is left out: entry
    rules (`again`, `while_running`), quiet hours, caps.

    Everything is counted in ClickHouse, from the table `profiles` that `rekindle sink` keeps. Piped, the counts are a
    JSON object.
    """
    from streams import settings
    from streams.clock import wall_clock
    from streams.errors import RekindleError
    from streams.segments.audience import audience_of
    from streams.segments.count_audience import count_audience
    from streams.segments.sql import Asking, CannotAskError

    if len(words) > 2 or (len(words) == 2 and directory is not None):  # noqa: PLR2004 - a directory and an id
        raise click.UsageError("expected the id of one campaign, and one directory at most")
    *named, campaign_id = words
    directory = Path(named[0]) if named else directory
    if campaign_id.endswith(".yaml"):
        directory, campaign_id = _in_file(Path(campaign_id), directory)
    configured = settings.load()
    programme = _programme(configured, directory)
    campaign = programme.current(campaign_id)
    if campaign is None:
        raise RekindleError(_unknown(campaign_id, programme))
    if at is None and configured.clock == "event" and not sql:
        raise RekindleError("REKINDLE_CLOCK=event: say by --at which moment of the history this is")
    asking = Asking(programme, wall_clock() if at is None else at)
    try:
        audience = audience_of(campaign, asking)
    except CannotAskError as error:
        raise RekindleError(f"campaign {campaign_id}: its audience can't be counted: {error}") from error
    if audience.left_open:
        click.echo(
            f"rekindle: {campaign_id}: {', '.join(sorted(audience.left_open))}: fields of the entry event, which no "
            "member has before it comes; counted are all whom the audience may admit",
            err=True,
        )
    if sql:
        click.echo(f"{audience.counting};")
        if sample:
            click.echo(f"\n{audience.sampling(sample)};")
        return
    counts, members = count_audience(configured.clickhouse_dsn, audience, sample)
    (_show if sys.stdout.isatty() else _print)(campaign, asking, audience, counts, members)


def _programme(configured: "Settings", directory: "Path | None") -> "Programme":
    from streams.errors import RekindleError
    from streams.kafka import Kafka
    from streams.members.programmes import read_programmes
    from streams.programme import load, read_directory
    from streams.publisher import check_topics
    from streams.topics import PROGRAMMES

    if directory is not None:
        return load([read_directory(directory)])
    check_topics(configured, {PROGRAMMES})  # one clear message now if Kafka is down
    applied = read_programmes(Kafka(configured), configured.group_prefix)
    if not applied:
        raise RekindleError("no programme is in force: `rekindle campaigns apply DIRECTORY`, or name the DIRECTORY")
    return load([applied[number] for number in sorted(applied)], max(applied))


def _in_file(path: Path, directory: Path | None) -> tuple[Path, str]:
    """The directory of the programme that the campaign's file belongs to, and the campaign's id.

    Unless stated it is the nearest above that has what a programme has besides campaigns.
    """
    from streams.errors import RekindleError
    from streams.programme.bundle import COUNTERS, POLICIES, SEGMENTS, TEMPLATES
    from streams.programme.yaml_text import read_yaml

    try:
        data = read_yaml(path.read_text(encoding="utf-8"), str(path)).data
    except (OSError, UnicodeDecodeError) as error:
        raise RekindleError(f"{path}: can't be read: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        raise RekindleError(f"{path}: expected a campaign, which has an `id`")
    marks = (POLICIES, COUNTERS, SEGMENTS, TEMPLATES)
    above = (each for each in path.absolute().parents if any((each / mark).exists() for mark in marks))
    return directory or next(above, path.parent), data["id"]


def _unknown(campaign_id: str, programme: "Programme") -> str:
    from streams.engine.definition import did_you_mean

    return f"no campaign `{campaign_id}`{did_you_mean(campaign_id, [each.id for each in programme.campaigns])}"


def _print(
    campaign: "Campaign", asking: "Asking", audience: "Audience", counts: dict[str, int | None], members: list[str]
) -> None:
    from streams.output_lines import iso
    from streams.segments.audience import STEPS

    line = {
        "kind": "audience",
        "campaign": campaign.id,
        "version": campaign.version,
        "at": iso(asking.at),
        "newest": None if counts["newest"] is None else iso(counts["newest"]),
        **{step: counts[step] for step in STEPS},
        "reachable": counts["reachable"],
        "channels": [
            {
                "channel": way.channel,
                "network": way.network,
                "messaging_type": way.messaging_type,
                "agreeing": counts[way.agreeing],
                "reachable": counts[way.reachable],
            }
            for way in audience.ways
        ],
        "left_open": sorted(audience.left_open),
        "incomplete": counts["incomplete"],
        "sample": members,
    }
    click.echo(json.dumps(line, ensure_ascii=False))


def _show(
    campaign: "Campaign", asking: "Asking", audience: "Audience", counts: dict[str, int | None], members: list[str]
) -> None:
    from rich.console import Console
    from rich.table import Table

    from streams.output_lines import iso

    newest = "nobody is known yet" if counts["newest"] is None else f"profiles up to {iso(counts['newest'])}"
    table = Table(title=f"{campaign.id}, version {campaign.version}, {campaign.status}, at {iso(asking.at)} ({newest})")
    table.add_column("members")
    table.add_column("count", justify="right")
    table.add_column("of those before", justify="right")
    before = None
    for name, said in _STEPS.items():
        _row(table, said, counts[name], before)
        before = counts[name]
    for way in audience.ways:
        what = f"{way.channel}{f' ({way.network})' if way.network else ''}, {way.messaging_type}"
        _row(table, f"{what}: agree", counts[way.agreeing], before)
        _row(table, f"{what}: and have an address", counts[way.reachable], counts[way.agreeing])
    if len(audience.ways) > 1:
        _row(table, "reached in one of these ways", counts["reachable"], before)
    Console().print(table)
    for member in members:
        click.echo(harmless(member))


def _row(table: "Table", what: str, count: int | None, of: int | None) -> None:
    share = f"{100 * count / of:.1f} %" if count is not None and of else ""
    table.add_row(what, f"{count:,}", share)


_STEPS = {
    "members": "known",
    "in_audience": "in the audience",
    "not_held_out_globally": "not in the global holdout",
    "admitted": "nor in the campaign's",
}
