"""`rekindle member ID`: who a member is, what they do, and everything that happened."""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from streams.cli._plain import plain

if TYPE_CHECKING:
    from streams.profiles.look_up import Row

_WHOLE_SECONDS = re.compile(r'(T\d\d:\d\d:\d\d)\.000Z"')
_SHOWN = (
    *(
        "first_name",
        "middle_name",
        "last_name",
        "phone",
        "email",
        "birth_date",
        "gender",
        "city",
        "address",
        "time_zone",
    ),
    *("card_number", "status", "registered_at", "referrer_id", "attributes", "purchases", "bonus", "segments", "rfm"),
    *("consent", "undeliverable", "journeys"),
)


@click.command()
@click.argument("member", metavar="ID")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Activities, the latest.")
@click.option("--reveal", is_flag=True, help="Show names, addresses, texts: everything that says who it is.")
@click.option("--export", "is_export", is_flag=True, help="Print everything that is held, as one JSON document.")
def command(member: str, limit: int, reveal: bool, is_export: bool) -> None:
    """Show a member: profile, habits, and what happened, the latest last.

    ID is the member's, or a phone, e-mail or card number as the profile has it. Piped, JSON lines: of the kinds
    profile and habits, then one for each activity. What says who somebody is is masked; --export is never masked.
    """
    from datetime import UTC, datetime

    from streams import settings
    from streams.profiles.look_up import activities, bonus, find, habits
    from streams.profiles.masking import masked, masked_activity
    from streams.segments.database import open_database

    configured = settings.load()
    with open_database(configured) as client:
        found = find(client, member)
        if is_export:
            from streams.profiles.export import export

            for piece in export(client, configured, found):
                click.echo(piece, nl=False)
            return
        profile = found.profile if reveal else masked(found.profile)
        profile = {**profile, "bonus": bonus(found.profile, datetime.now(UTC))}
        happened = activities(client, found, limit)
        lines: list[Row] = [
            {"kind": "profile", **_readable(profile)},
            {"kind": "habits", "member_id": found.member_id, **habits(client, found)},
            *(happened if reveal else map(masked_activity, happened)),
        ]
    _show(lines)


def _readable(profile: Mapping[str, Any]) -> "Row":
    """The profile without the table's own columns, what belongs together put together, and nothing that is empty."""
    own = {"is_deleted", "left_out", "accruals", "counter_numbers", "counter_values", "last_times"}
    attributes = {**profile["attribute_texts"], **profile["attribute_numbers"], **profile["attribute_truths"]}
    inside = {name for name, is_inside in profile["segments_assigned"].items() if is_inside}
    together = {
        "attributes": attributes,
        "purchases": {name: profile[f"purchases_{name}"] for name in ("count", "total", "first_at", "last_at")},
        "segments": sorted(inside | set(profile["segments_inside"]) - profile["segments_assigned"].keys()),
        "rfm": {name: profile[f"rfm_{name}"] for name in ("segment", "recency", "frequency", "monetary")},
        "consent": profile["statements"],
    }
    parts = ("attribute_", "purchases_", "segments_", "rfm_", "_")
    plain = {
        name: value
        for name, value in profile.items()
        if name not in own and name != "statements" and not name.startswith(parts)
    }
    whole = {**plain, **{name: _filled(value) for name, value in together.items()}}
    return {name: value for name, value in whole.items() if value not in (None, "", [], {})}


def _filled(value: Any) -> Any:
    return {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else value


def _show(lines: list["Row"]) -> None:
    import msgspec

    if not sys.stdout.isatty():
        encode = msgspec.json.Encoder(decimal_format="number").encode
        for line in lines:
            click.echo(_WHOLE_SECONDS.sub(r'\1Z"', encode(line).decode()))
        return
    from rich.console import Console
    from rich.table import Table

    profile, habits, *happened = lines
    console = Console()
    for title, row, names in (
        (f"Member {profile['member_id']}, as of {_at(profile['at'])}", profile, _SHOWN),
        ("Habits", habits, tuple(habits)[2:]),
    ):
        table = Table(show_header=False, title=plain(title), title_justify="left", box=None)
        for name in names:
            if name in row:
                table.add_row(name.replace("_", " "), plain(_text(row[name])))
        console.print(table)
    table = Table(
        "at", "what", "campaign", "details", title=f"The last {len(happened)} activities", title_justify="left"
    )
    for row in happened:
        table.add_row(*map(plain, (_at(row["at"]), *_activity(row))))
    console.print(table)


def _activity(row: "Row") -> tuple[str, str, str]:
    campaign = f"{row['campaign']}/{row['version']}" if "campaign" in row else ""
    match row["kind"]:
        case "event":
            return row["type"], "", _text(row["body"])
        case "dispatch":
            became = [f"{each['status']}{_because(each)}" for each in row["statuses"]] or ["not reported"]
            return f"{row['channel']} message", campaign, f"to {row['to']}: {' → '.join(became)}"
        case "award":
            return "award", campaign, f"{row['amount']} {row['currency']}"
        case "attribution":
            return "attribution", campaign, f"{row['amount']} of {row['event']} ({row['touch']})"
        case "webhook":
            return "webhook", campaign, row["url"]
        case _:
            return row["outcome"], campaign, f"{row['reason']} {row['action'] or ''}".rstrip()


def _because(status: Mapping[str, Any]) -> str:
    return f" ({status['reason']})" if "reason" in status else ""


def _text(value: Any) -> str:
    return ", ".join(_parts(value)) if isinstance(value, dict | list) else _at(value)


def _parts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        yield from ("; ".join(_parts(each)) if isinstance(each, dict) else str(each) for each in value)
    else:
        for name, each in value.items():
            if each not in (None, [], {}, 0):
                yield f"{name}: {'; '.join(_parts(each)) if isinstance(each, dict | list) else _at(each)}"


def _at(value: Any) -> str:
    """Times without their milliseconds where there are none."""
    return _WHOLE_SECONDS.sub(r'\1Z"', f'"{value}"')[1:-1]
