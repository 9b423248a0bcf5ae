"""`rekindle rfm`: what RFM found last."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sinks.clickhouse.connect import Client


@click.command
@click.option("--once", is_flag=True, help="Reckon and publish it now, before it is shown.")
@click.option("--at", metavar="TIME", help="With --once: the moment as of which, for replays of history; else now.")
def command(at: str | None, *, once: bool) -> None:
    """Show the thresholds of RFM's scores, the sizes of its segments, and how members moved since the run before.

    A table on a terminal; piped, JSON lines: {"measure", "score", "least", "most", "members"} (recency in days),
    {"segment", "members"}, {"from", "to", "members"}. `rekindle segments run` reckons it every day.
    """
    from streams import settings
    from streams.errors import RekindleError
    from streams.segments import rfm
    from streams.segments.database import open_database
    from streams.segments.moment import moment
    from streams.segments.runs import last_run
    from streams.segments.serve import evaluate_now

    if at and not once:
        raise click.UsageError("--at goes with --once")
    configured = settings.load()
    at_ms = moment(configured, at) if once else 0
    with open_database(configured) as client:
        if once:
            for _, run in evaluate_now(client, configured, [rfm.LIST], at_ms):
                click.echo(f"{run.members} members, {run.entered + run.gone} values changed", err=True)
        last = last_run(client, rfm.LIST)
        if last is None:
            raise RekindleError("RFM was never reckoned: `rekindle segments run` does every day, `rfm --once` now")
        _show(_thresholds(client, last.number), _sizes(client, last.number), _moves(client, last.number))


def _thresholds(client: "Client", number: int) -> list[dict[str, Any]]:
    names = ("measure", "score", "least", "most", "members")
    rows = client.query(
        "SELECT measure, score, least, most, members FROM rfm_thresholds WHERE number = %(number)s "
        "ORDER BY indexOf(['recency', 'frequency', 'monetary'], measure), score",
        parameters={"number": number},
    ).result_rows
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _sizes(client: "Client", number: int) -> list[dict[str, Any]]:
    from streams.segments.rfm_rule import SEGMENTS

    rows = client.query(
        "SELECT to_segment, sum(members) FROM rfm_transitions WHERE number = %(number)s GROUP BY to_segment",
        parameters={"number": number},
    ).result_rows
    found = {name: members for name, members in rows}  # noqa: C416 - rows of two
    return [{"segment": name, "members": found.get(name, 0)} for name in SEGMENTS]


def _moves(client: "Client", number: int) -> list[dict[str, Any]]:
    rows = client.query(
        "SELECT from_segment, to_segment, members FROM rfm_transitions "
        "WHERE number = %(number)s AND from_segment != to_segment ORDER BY members DESC, from_segment, to_segment",
        parameters={"number": number},
    ).result_rows
    return [{"from": source, "to": target, "members": members} for source, target, members in rows]


def _plain(value: Any) -> Any:
    from decimal import Decimal

    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return value


def _show(*tables: list[dict[str, Any]]) -> None:
    if not sys.stdout.isatty():
        for row in (row for rows in tables for row in rows):
            click.echo(json.dumps(row, separators=(",", ":")))
        return
    from rich.console import Console
    from rich.table import Table

    for rows in tables:
        if rows:
            table = Table(*rows[0])
            for row in rows:
                table.add_row(*(str(value) or "-" for value in row.values()))
            Console().print(table)
