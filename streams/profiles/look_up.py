"""What ClickHouse holds about one member: the profile, habits, and what happened, in order.

Answers come as JSON from ClickHouse itself: one form for everything that is shown and exported, with numbers exact and
times in ISO 8601. What was written under a key that turned out to be this member's (a visitor, a card, a member who was
merged into this one) is this one's, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from sinks.clickhouse.connect import Client
from streams.errors import RekindleError
from streams.segments.sql import literals

Row = dict[str, Any]
Place = tuple[str, int, int]
"""Key, partition and offset of a record of the log."""

_NOWHERE: Place = ("", 0, 0)
MERGERS_MAX = 100
"""Keys that became one member's; more are passed over."""
_JSON = {
    "date_time_output_format": "iso",
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_decimals": 0,
    "output_format_json_named_tuples_as_objects": 1,
    "output_format_json_validate_utf8": 1,
}
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_NO_STATUS = (
    "type NOT IN ('message_sent', 'message_delivered', 'message_opened', 'message_clicked', 'message_failed', "
    "'message_complained', 'member_unsubscribed')"
)


def theirs(column: str) -> str:
    """Write the condition that rows out of the log, under `column`, aren't of whoever came under a key later.

    What came later and was sent on to the member is theirs, too. Its parameters are `ends` and `sent_on`.
    """
    is_late = f"arrayExists(each -> each.1 = {column} AND each.2 = _partition AND each.3 < _offset, %(ends)s)"
    is_sent_on = f"arrayExists(each -> each.1 = {column} AND each.2 = _partition AND each.3 = _offset, %(sent_on)s)"
    return f"(NOT {is_late} OR {is_sent_on})"


_ACTIVITIES = {
    "event": (
        "occurred_at AS at, type, source, event_id, historical, body",
        f"events WHERE key IN %(keys)s AND {theirs('key')} AND {_NO_STATUS} ORDER BY occurred_at DESC, _offset DESC",
    ),
    "dispatch": (
        "at, campaign, version, action, channel, dispatch_id, recipient AS to, messaging_type, content",
        "dispatches WHERE member_id IN %(keys)s ORDER BY at DESC, _offset DESC",
    ),
    "award": (
        "at, campaign, version, action, award_id, amount, currency, activates_at, expires_at",
        "awards WHERE member_id IN %(keys)s ORDER BY at DESC, _offset DESC",
    ),
    "webhook": (
        "at, campaign, version, action, webhook_id, url, body",
        "webhooks WHERE member_id IN %(keys)s ORDER BY at DESC, _offset DESC",
    ),
    "attribution": (
        "at, campaign, version, dispatch_id, channel, event, occurred_at, amount, touch",
        "attributions WHERE member_id IN %(keys)s ORDER BY at DESC, _offset DESC",
    ),
    "decision": (
        "at, campaign, version, action, outcome, reason",
        "decisions WHERE member_id IN %(keys)s ORDER BY at DESC, _offset DESC",
    ),
}
"""Columns and source of each kind, in the order in which kinds of one moment are told: first what led to the others."""


@dataclass(frozen=True, slots=True)
class Found:
    """A member. `profile` is the row of `profiles`; `keys` are their id, and those that became part of them.

    `ends`: where in the log that was (key, partition, offset), at least one. What comes later under such a key is
    somebody else's, except for `sent_on`: what came when the state had gone, and was sent on to them; at least one.
    """

    member_id: str
    profile: Row
    keys: Sequence[str]
    ends: Sequence[Place]
    sent_on: Sequence[Place]


def rows(client: Client, query: str, only: str | None = None, **parameters: Any) -> list[Row]:
    """Answer a query; with `only`, of each table that is named there those rows alone. Raises `ClickHouseError`."""
    settings = _JSON if only is None else {**_JSON, "additional_table_filters": only}
    answer = client.raw_query(query, parameters=parameters, settings=settings, fmt="JSONEachRow")
    return [_decode(line) for line in answer.splitlines() if line]


def find(client: Client, asked: str) -> Found:
    """Find a member by id, else by phone, e-mail or card as the profile has them.

    Raises `RekindleError` if there is none, or several have that phone, e-mail or card.
    """
    found = rows(client, "SELECT * EXCEPT _inserted_at FROM profiles FINAL WHERE member_id = %(asked)s", asked=asked)
    if not found:
        found = rows(
            client,
            "SELECT * EXCEPT _inserted_at FROM profiles FINAL "
            "WHERE phone = %(asked)s OR lower(email) = lower(%(asked)s) OR card_number = %(asked)s LIMIT 10",
            asked=asked,
        )
    if not found:
        raise RekindleError(_missing(client, asked))
    if len(found) > 1:
        several = ", ".join(sorted(row["member_id"] for row in found))
        raise RekindleError(f"several members have {asked}: {several}")
    (profile,) = found
    keys = _keys(client, profile["member_id"])
    ends = rows(
        client,
        "SELECT gone, _partition, max(_offset) AS until FROM moves WHERE into IN %(keys)s AND gone IN %(gone)s "
        "GROUP BY gone, _partition ORDER BY gone, _partition",
        keys=keys,
        gone=keys[1:] or [""],
    )
    until = [(row["gone"], row["_partition"], row["until"]) for row in ends] or [_NOWHERE]
    came = rows(
        client,
        "SELECT key, _partition, _offset FROM sent_on_rows WHERE member_id IN %(keys)s",
        _rows_of(keys),
        keys=keys,
    )
    sent_on = [(row["key"], row["_partition"], row["_offset"]) for row in came] or [_NOWHERE]
    return Found(profile["member_id"], profile, keys, until, sent_on)


def _missing(client: Client, asked: str) -> str:
    rows_gone = rows(client, "SELECT member_id FROM profiles WHERE member_id = %(asked)s LIMIT 1", asked=asked)
    if rows_gone:
        return f"nothing is known of member {asked} any more: erased, or merged into another"
    return (
        f"there is no member {asked}, and none with that phone, e-mail or card; is the sink behind (rekindle status)?"
    )


def _keys(client: Client, member_id: str) -> Sequence[str]:
    keys = [member_id]
    while len(keys) <= MERGERS_MAX:
        merged = rows(
            client,
            "SELECT DISTINCT gone FROM (SELECT JSONExtractString(body, 'from_id') AS gone FROM events "
            "WHERE key IN %(keys)s AND type = 'members_merged' AND JSONExtractString(body, 'into_id') IN %(keys)s "
            "UNION ALL SELECT gone FROM moves WHERE into IN %(keys)s) "
            "WHERE gone NOT IN ('', %(member_id)s) ORDER BY gone LIMIT %(most)s",
            keys=keys,
            member_id=member_id,
            most=MERGERS_MAX,
        )
        new = [row["gone"] for row in merged if row["gone"] not in keys]
        if not new:
            break
        keys += new
    return keys


def habits(client: Client, found: Found) -> Row:
    """What the member does by habit, also before they were known; what isn't known is left out.

    `favourite_hour` is of the day where the member is, by the zone's present offset from UTC.
    """
    known: Row = {}
    only = _rows_of(found.keys)
    for view in ("purchase_habits", "category_habits", "channel_habits", "visit_habits", "referral_habits"):
        for row in rows(client, f"SELECT * FROM {view} WHERE member_id = %(id)s", only, id=found.member_id):  # noqa: S608 - ours
            known |= {
                name: value for name, value in row.items() if value not in (None, "", [], {}) and name != "member_id"
            }
    by_hour = known.get("receipts_by_hour_utc")
    if by_hour:
        hour = max(by_hour, key=lambda each: (by_hour[each], -int(each)))
        zone = ZoneInfo(found.profile["time_zone"] or "UTC")
        then = datetime.now(UTC).replace(hour=int(hour), minute=30)
        known["favourite_hour"] = then.astimezone(zone).hour
    return known


def _rows_of(keys: Sequence[str]) -> str:
    """Say which rows of each table may be a member's, for ClickHouse to read no others.

    The views find by themselves whose each row is, but would do so for everybody first.
    """
    listed = literals.texts(keys)
    conditions = {
        **dict.fromkeys(("events", "purchases", "purchase_lines"), f"key IN {listed}"),
        "delivery_statuses": f"member_id IN {listed}",
        **dict.fromkeys(("moves", "mergers"), f"into IN {listed}"),
    }
    return f"{{{', '.join(f'{literals.text(table)}: {literals.text(each)}' for table, each in conditions.items())}}}"


def bonus(profile: Row, now: datetime) -> Row:
    """Points by currency as of `now` (aware): active, and what is to activate and to expire, the next first."""
    found: Row = {}
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    for accrual in profile["accruals"]:
        left = Decimal(accrual["amount"]) - Decimal(accrual["spent"])
        expires = accrual["expires_at"]
        if accrual["cancelled"] or left <= 0 or (expires is not None and expires <= moment):
            continue
        of_currency = found.setdefault(accrual["currency"], {"active": Decimal(0), "activates": [], "expires": []})
        if accrual["activates_at"] <= moment:
            of_currency["active"] += left
        else:
            of_currency["activates"].append({"at": accrual["activates_at"], "amount": left})
        if expires is not None:
            of_currency["expires"].append({"at": expires, "amount": left})
    for of_currency in found.values():
        for name in ("activates", "expires"):
            of_currency[name].sort(key=lambda each: each["at"])
    return found


def activities(client: Client, found: Found, limit: int) -> list[Row]:
    """What happened last, the latest at the end; a message with what became of it."""
    ranked: list[tuple[str, int, int, Row]] = []
    for rank, (kind, (columns, source)) in enumerate(_ACTIVITIES.items()):
        query = f"SELECT '{kind}' AS kind, {columns} FROM {source} LIMIT {limit:d}"  # noqa: S608 - our own names
        for place, row in enumerate(
            reversed(rows(client, query, keys=found.keys, ends=found.ends, sent_on=found.sent_on))
        ):
            for name in ("body", "content"):
                if isinstance(row.get(name), str):
                    row[name] = msgspec.json.decode(row[name])
            ranked.append((row["at"], rank, place, row))
    ranked.sort(key=lambda each: each[:3])
    last = [row for *_, row in ranked[-limit:]]
    _add_statuses(client, last)
    return last


def _add_statuses(client: Client, found: list[Row]) -> None:
    dispatches = {row["dispatch_id"]: row for row in found if row["kind"] == "dispatch"}
    if not dispatches:
        return
    for row in dispatches.values():
        row["statuses"] = []
    statuses = rows(
        client,
        "SELECT dispatch_id, status, occurred_at AS at, reason, link FROM delivery_statuses "
        "WHERE dispatch_id IN %(ids)s ORDER BY occurred_at, _offset",
        ids=list(dispatches),
    )
    for status in statuses:
        dispatch = dispatches[status.pop("dispatch_id")]
        dispatch["statuses"].append({name: value for name, value in status.items() if value is not None})
