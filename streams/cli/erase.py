"""`rekindle erase`: asks for a member to be forgotten, and looks at what is left of them afterwards."""

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from streams.engine.events import Event
    from streams.settings import Settings


@click.command()
@click.argument("member")
@click.option("--at", metavar="TIME", help="When it was asked for, ISO 8601 with offset; the present by default.")
@click.option("--verify", is_flag=True, help="Change nothing; tell what is left of the member.")
@click.option("--find", "texts", multiple=True, metavar="TEXT", help="With --verify: look for a text everywhere, too.")
@click.pass_context
def command(context: click.Context, member: str, at: str | None, verify: bool, texts: tuple[str, ...]) -> None:
    """Publish the `member_erased` of MEMBER; with --verify, look whether it has been done.

    MEMBER is a member's id, or a stranger's name as the log has it (visitor:…, card:…, phone:…, email:…): whoever has
    that name by now is erased, a member too.

    --verify prints a JSON line {"place", "left"} for each place that still has something, and returns 0 if none has,
    else 1. Keys and rows in ClickHouse are counted; with --find, every record of every topic and every row of every
    table that holds the text (a name, a phone, as it was written), and strangers who said it, by their names. What is
    only waiting for its retention shows, too.
    """
    from streams import settings

    configured = settings.load()
    if verify:
        left = list(_left(configured, member, texts))
        for line in left:
            click.echo(json.dumps(line, ensure_ascii=False))
        context.exit(1 if left else 0)
    if texts:
        raise click.UsageError("--find goes with --verify")
    if configured.clock == "event" and at is None:
        raise click.UsageError("--at TIME: with REKINDLE_CLOCK=event the present is not the clock's")
    _publish(configured, member, at)
    click.echo(
        f"asked for {member} to be erased; `rekindle erase {member} --verify` tells whether it is done", err=True
    )


def _publish(settings: "Settings", member: str, at: str | None) -> None:
    from schemas.values import parse_time
    from streams.clock import wall_clock
    from streams.publisher import Publisher, check_topics, topic_of

    if not member:
        raise click.UsageError("MEMBER is empty")
    try:
        moment = wall_clock() if at is None else parse_time(at)
    except ValueError as error:
        raise click.UsageError(f"--at {at}: {error}") from None
    check_topics(settings, {topic_of("member_erased")})
    publisher = Publisher(settings)
    publisher.publish(erasure_of(member, moment))
    publisher.flush()


def erasure_of(member: str, at: int) -> "Event":
    """Make the `member_erased` of a member, or of whoever has a stranger's name, at a moment (ms)."""
    from streams.engine.events import Event, of_state

    member_id, names = of_state(member)
    digest = hashlib.sha256(member.encode(errors="surrogatepass")).hexdigest()[:32]  # a name may say who somebody is
    return Event(
        event_id=f"erase/{digest}/{at}",
        type="member_erased",
        occurred_at=at,
        source="rekindle",
        key=member,
        member_id=member_id,
        body=names,
    )


def _left(settings: "Settings", member: str, texts: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    from sinks.clickhouse import traces as in_clickhouse
    from sinks.clickhouse.connect import ClickHouseError, connect
    from streams.errors import RekindleError
    from streams.sealing import traces as in_kafka
    from streams.topics import ERASURES, MEMBER_KEYS

    if not in_kafka.erasures(settings, member):
        yield {"place": ERASURES, "left": "no erasure of this member within the topic's retention"}
    if keys := in_kafka.retired_keys(settings, member):
        yield {"place": MEMBER_KEYS, "left": keys}
    if texts:
        yield from ({"place": topic, "left": count} for topic, count in in_kafka.find_texts(settings, texts).items())
    try:
        with connect(settings.clickhouse_dsn) as client:
            rows = in_clickhouse.rows_left(client, member)
            if rows is None:
                yield {"place": "clickhouse", "left": "the sink hasn't come to the erasure"}
            else:
                yield from ({"place": f"clickhouse {table}", "left": count} for table, count in rows.items())
            if texts:
                found = in_clickhouse.find_texts(client, texts)
                yield from ({"place": f"clickhouse {table}, text", "left": count} for table, count in found.items())
                said = in_clickhouse.strangers_who_said(client, texts)
                yield from ({"place": f"clickhouse events, text of {key}", "left": each} for key, each in said.items())
    except (ClickHouseError, OSError) as error:
        raise RekindleError(f"ClickHouse cannot be looked at: {str(error).splitlines()[0]}") from error
