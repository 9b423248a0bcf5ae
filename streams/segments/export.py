"""Export of a segment: its members to a file, a topic or an address, whatever kind of segment it is.

Who is in it is asked of ClickHouse's table `profiles` by the same condition as everywhere (`segment: ID`, compiled by
`streams.segments.sql`), so conditions, lists, uploads, SQL and RFM are one. Members come in portions, in order of their
ids: memory stays bounded, and whatever is exported stands still neither for readers nor for the sink.

A file appears only when it is complete. A topic's records are JSON, keyed by member. An address gets batches, each with
an id that a repetition keeps; it must be one that the setting allows, and is signed, not sent, the secret.
"""

import asyncio
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import stamina

from schemas.declarations import topic_declarations
from sinks.clickhouse.connect import Client
from streams.engine.conditions import parse
from streams.errors import RekindleError
from streams.kafka import partition_counts
from streams.output_lines import iso
from streams.programme.programme import Programme
from streams.publisher import Publisher
from streams.segments.sql import Asking, compile_condition, literals
from streams.settings import Settings

PAGE_MEMBERS = 50_000
BATCH_MEMBERS = 1_000
ANSWER_SECONDS = 30
ATTEMPTS = 6
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

Pages = Iterator[Sequence[str]]
Advance = Callable[[int], None]


def members_of(client: Client, programme: Programme, segment: str, at_ms: int, page: int = PAGE_MEMBERS) -> Pages:
    """Give the ids of a segment's members as of a moment (ms), in portions. Raises `ClickHouseError`."""
    compiled = compile_condition(parse({"segment": segment}), Asking(programme, at_ms))
    after = ""
    while True:
        # without parameters: the driver would look for them in the condition, too
        bound = f" AND member_id > {literals.text(after)}" if after else ""
        rows = client.query(f"{compiled.select('member_id')}{bound}\nORDER BY member_id LIMIT {page}").result_rows
        if rows:
            yield [row[0] for row in rows]
        if len(rows) < page:
            return
        after = rows[-1][0]


def to_file(path: Path, pages: Pages, advance: Advance) -> None:
    """Write a CSV file with the column `member_id`, all of it or nothing. Raises `RekindleError`."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write("member_id\n")
            for members in pages:
                file.writelines(f"{_cell(member)}\n" for member in members)
                advance(len(members))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise RekindleError(f"{path}: can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def to_topic(settings: Settings, topic: str, segment: str, at_ms: int, pages: Pages, advance: Advance) -> None:
    """Write one JSON record per member, keyed by member. Raises `RekindleError`."""
    if topic in topic_declarations():
        raise RekindleError(f"{topic} is a topic of the pipeline: expected one of another service")
    if topic not in partition_counts(settings):
        raise RekindleError(f"Kafka has no topic {topic}: create it first")
    publisher = Publisher(settings, advance)
    for members in pages:
        for member in members:
            value = json.dumps({"segment": segment, "member_id": member, "at": iso(at_ms)}).encode()
            publisher.put(topic, value, member.encode(), at_ms)
        publisher.flush()


def check_address(settings: Settings, url: str) -> None:
    """Raise `RekindleError` for an address that isn't allowed: another host, or in the clear over a network."""
    parts = urlsplit(url)
    allowed = {host.strip().lower() for host in settings.webhook_hosts.split(",") if host.strip()}
    host = (parts.hostname or "").lower()
    if parts.scheme not in {"http", "https"} or not host or parts.username is not None:
        raise RekindleError("expected an address such as https://host/path, without user and password")
    if host not in allowed:
        raise RekindleError(f"the host {host} isn't allowed: name it in REKINDLE_WEBHOOK_HOSTS")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise RekindleError(f"the host {host} would be spoken to in the clear: expected https")


def to_address(
    settings: Settings, url: str, segment: str, at_ms: int, export: str, pages: Pages, advance: Advance
) -> None:
    """POST batches of members, one after the other. Raises `RekindleError`."""
    check_address(settings, url)
    asyncio.run(_post_all(settings, url, {"segment": segment, "at": iso(at_ms), "export": export}, pages, advance))


async def _post_all(settings: Settings, url: str, head: dict[str, str], pages: Pages, advance: Advance) -> None:
    number = 0
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for members in pages:
            for first in range(0, len(members), BATCH_MEMBERS):
                batch = members[first : first + BATCH_MEMBERS]
                number += 1
                body = json.dumps({**head, "batch": number, "members": batch}).encode()
                await _post(session, settings, url, body, f"{head['export']}-{number}")
                advance(len(batch))


class _PassingError(Exception):
    """What may be otherwise at the next attempt."""


async def _post(session: aiohttp.ClientSession, settings: Settings, url: str, body: bytes, key: str) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    if settings.webhook_secret is not None:
        digest = hmac.new(settings.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
        headers["X-Rekindle-Signature"] = f"sha256={digest}"
    host = urlsplit(url).hostname  # the rest of the address may be a secret, too
    try:
        async for attempt in stamina.retry_context(on=_PassingError, attempts=ATTEMPTS, timeout=None):
            with attempt:
                status = await _try(session, url, body, headers)
    except _PassingError as error:
        raise RekindleError(f"{host} didn't take batch {key} in {ATTEMPTS} attempts: {error}") from error
    if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's own
        raise RekindleError(f"{host} refused batch {key}: status {status}")


async def _try(session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]) -> int:
    try:
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            status = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _PassingError(type(error).__name__) from error
    if status in _PASSING:
        raise _PassingError(f"status {status}")
    return status


def _cell(member: str) -> str:
    if any(sign in member for sign in ',"\r\n'):
        return '"' + member.replace('"', '""') + '"'
    return member
