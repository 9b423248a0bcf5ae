"""The sections of the page: what each shows, and why it is worth a look."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from streams.demo.report import charts, style
from streams.demo.report.facts import Facts
from streams.demo.report.html import columns, legend, milliseconds, section, share, table
from streams.demo.report.queries import Answer
from streams.demo.report.svg import whole

_NIGHT = (21, 9)
_STATUSES = ("sent", "delivered", "opened", "clicked", "failed")
_OUTCOMES = {
    "suppressed": "messages that were not sent at all",
    "deferred": "messages put off to the first permitted moment, and then decided anew",
    "cancelled": "journeys that an event of the member took back",
    "superseded": "journeys replaced by a newer one",
    "refused": "journeys that did not begin",
    "ended": "journeys that came to their end",
}
_SEGMENTS = (
    ("Champions", "bought lately and often", (4, 5), (4, 5)),
    ("Loyal", "often, of late less so", (3, 3), (3, 5)),
    ("Promising", "lately, not often yet", (4, 5), (1, 3)),
    ("At risk", "bought often, and have stopped", (1, 2), (3, 5)),
    ("Asleep", "seldom and long ago", (1, 3), (1, 2)),
)
"""Name, meaning, and from which to which quintile of recency and of frequency; together they cover every cell."""

_ABOUT_HOURS = (
    "The quiet hours are shaded; what falls due in them waits for nine o'clock. Some members live an hour behind: "
    "their nine is ten here. Dashed: the hours of the receipts."
)
_ABOUT_RETURN = (
    "For members who did come back. The purchases are history and knew of no message: this is how long such members "
    "stay away, not an effect."
)

Answers = Mapping[str, Answer]


def purchases(answers: Answers) -> str:
    """Show the input: receipts by day, events by type."""
    answer = answers["purchases_by_day"]
    series = {"receipts": {row["day"]: row["receipts"] for row in answer.rows}}
    chart = charts.by_day(series, _span(answers), {"receipts": style.ACCENT}, label="Receipts by day", height=170)
    spent = sum(row["total"] for row in answer.rows)
    events = ", ".join(f"{whole(row['events'])} {row['type']}" for row in answers["events_by_type"].rows)
    lead = f"{whole(spent)} dollars on the year's receipts. All events by type: {events}."
    return section("Receipts by day", lead, chart, answer, answers["events_by_type"])


def messages(answers: Answers, colours: Mapping[str, str]) -> str:
    """Show what was sent when."""
    answer = answers["by_day"]
    series: dict[str, dict[date, float]] = {name: {} for name in colours}
    for row in answer.rows:
        series[row["campaign"]][row["day"]] = row["dispatches"]
    chart = charts.by_day(series, _span(answers), colours, label="Dispatches by day and campaign", height=250)
    lead = "What the engine decided to send, on the day on which it was due (UTC), stacked by campaign."
    return section("Messages by day and campaign", lead, legend(colours) + chart, answer)


def campaigns(answers: Answers, facts: Facts, colours: Mapping[str, str]) -> str:
    """Tabulate what each campaign did on each channel."""
    decided: Counter[tuple[str, str]] = Counter()
    for row in answers["decisions"].rows:
        decided[row["campaign"], row["outcome"]] += row["decisions"]
    awards = {row["campaign"]: row for row in answers["awards"].rows}
    attributed = {row["campaign"]: row for row in answers["attributed"].rows}
    reported = _reported(answers)
    rows: list[Sequence[str]] = []
    shown: set[str] = set()
    for row in answers["funnel"].rows:
        campaign, of = row["campaign"], row["dispatched"]
        award = None if campaign in shown else awards.get(campaign)
        bought = None if campaign in shown else attributed.get(campaign)
        counts = [
            "" if campaign in shown else whole(decided[campaign, kind])
            for kind in ("suppressed", "deferred", "cancelled")
        ]
        shown.add(campaign)
        dot = f'<span class="dot" style="background:{colours[campaign]}"></span>'
        name = f"<small class=name>{escape(facts.campaign_names.get(campaign, ''))}</small>"
        given = (
            f"{whole(award['awards'])}<small>{whole(award['amount'])} {escape(award['currency'])}</small>"
            if award
            else ""
        )
        statuses = [share(row[status], of) for status in reported]
        owed = f"{whole(bought['purchases'])}<small>${whole(bought['amount'])}</small>" if bought else ""
        what = f"{dot}{escape(campaign)}{name}", escape(row["channel"]), whole(of)
        rows.append([*what, *statuses, *counts, given, owed])
    heads = (
        "campaign",
        "channel",
        "dispatched",
        *reported,
        "suppressed",
        "deferred",
        "cancelled",
        "awards",
        "attributed",
    )
    lead = (
        "Shares are of what was dispatched; the last five columns count the whole campaign. Attributed: purchases in "
        "the period of the campaign's goal, net of returns. These purchases knew of no message; it is no effect."
    )
    return section(
        "Campaigns and channels",
        lead,
        table(heads, rows, text_columns=2),
        *(answers[name] for name in ("funnel", "decisions", "awards", "attributed")),
    )


def funnels(answers: Answers, colours: Mapping[str, str]) -> str:
    """Draw how far the messages of each campaign came."""
    due: Counter[str] = Counter()
    for row in answers["decisions"].rows:
        if row["outcome"] == "suppressed":
            due[row["campaign"]] += row["decisions"]
    reached: dict[str, Counter[str]] = {name: Counter() for name in colours}
    channels: dict[str, list[str]] = {name: [] for name in colours}
    for row in answers["funnel"].rows:
        channels[row["campaign"]].append(row["channel"])
        reached[row["campaign"]].update({step: row[step] for step in ("dispatched", *_STATUSES)})
    reported = _reported(answers)
    cells = []
    for name, counts in reached.items():
        steps = [("due", counts["dispatched"] + due[name]), ("dispatched", counts["dispatched"])]
        steps += [(step, counts[step]) for step in reported if step != "failed"]
        chart = charts.funnel(steps, colours[name], label=f"Funnel of {name}")
        cells.append((f"{name}, {' and '.join(channels[name])}", "", chart))
    lead = "Due: its step had come, and nothing put it off any more or took it back. Then what the gateways reported."
    if "delivered" not in reported:
        lead += " The demo's gateway writes to files: what is written is sent, and nobody opens anything."
    return section("Funnels", lead, columns(*cells), answers["funnel"], answers["decisions"])


def reasons(answers: Answers) -> str:
    """Count why something was not done."""
    by_outcome: dict[str, Counter[str]] = {}
    for row in answers["decisions"].rows:
        by_outcome.setdefault(row["outcome"], Counter())[row["reason"]] += row["decisions"]
    order = [name for name in (*_OUTCOMES, *sorted(set(by_outcome) - set(_OUTCOMES))) if name in by_outcome]
    cells = []
    for index, outcome in enumerate(order):
        bars = [
            (reason.replace("_", " "), count, whole(count), style.SERIES[index % len(style.SERIES)])
            for reason, count in by_outcome[outcome].most_common()
        ]
        cells.append((outcome.capitalize(), _OUTCOMES.get(outcome, ""), charts.bars(bars, label=f"Reasons: {outcome}")))
    lead = "Every message not sent, every journey that ended or did not begin has a decision that says why."
    return section("Why something was not done", lead, columns(*cells), answers["decisions"])


def hours_and_return(answers: Answers, facts: Facts) -> str:
    """Show that the quiet hours are quiet, and when members came back."""
    hours = answers["by_hour"].rows
    channels = sorted({row["channel"] for row in hours})
    series: dict[str, dict[int, float]] = {channel: {} for channel in channels}
    for row in hours:
        series[row["channel"]][row["hour"]] = row["dispatches"]
    colours = style.colours(channels)
    receipts = {row["hour"]: row["receipts"] for row in answers["purchases_by_hour"].rows}
    by_hour = charts.by_hour(series, receipts, colours, _NIGHT, label="Dispatches by hour")
    names = {0: "within a week", 8: "later"}
    weeks = [
        (names.get(row["weeks"], f"in week {row['weeks'] + 1}"), row["members"], whole(row["members"]), style.ACCENT)
        for row in answers["come_back"].rows
    ]
    body = columns(
        (
            f"Messages by hour, {facts.zone}",
            _ABOUT_HOURS,
            legend(colours) + by_hour,
        ),
        (
            "From a come-back message to the next purchase",
            _ABOUT_RETURN,
            charts.bars(weeks, label="Weeks until the next purchase"),
        ),
    )
    used = (answers[name] for name in ("by_hour", "purchases_by_hour", "come_back"))
    return section("Hours of the day, and coming back", "", body, *used)


def rfm(answers: Answers) -> str:
    """Sort the members by recency, frequency and money."""
    answer = answers["rfm"]
    everyone = sum(row["members"] for row in answer.rows)
    spent = sum(row["spent_together"] for row in answer.rows) or 1
    rows = []
    for name, meaning, recency, frequency in _SEGMENTS:
        cells = [r for r in answer.rows if _within(r["r"], recency) and _within(r["f"], frequency)]
        members = sum(row["members"] for row in cells)
        together = sum(row["spent_together"] for row in cells)
        days = sum(row["days_since"] * row["members"] for row in cells)
        rows.append(
            [
                f"{name}<small class=name>{meaning}</small>",
                share(members, everyone),
                f"{together / spent:.0%}",
                f"${together / (members or 1):,.0f}",
                f"{days / (members or 1):.0f}",
            ]
        )
    heads = ("segment", "members", "of sales", "spent each", "days since")
    grid: dict[tuple[int, int], Mapping[str, Any]] = {(row["r"], row["f"]): row for row in answer.rows}
    body = columns(
        (
            "Recency by frequency",
            "Members in each cell, and what they spent in the year on average; the darker, the more.",
            charts.quintiles(grid, label="Members by quintiles of recency and frequency"),
        ),
        (
            "Segments",
            "Named from the quintiles; days from the last receipt to the end of the data.",
            table(heads, rows, text_columns=1),
        ),
    )
    return section("RFM", "Quintiles over all purchases of the year; 5 is best.", body, answer)


def run(answers: Answers, facts: Facts) -> str:
    """Tell where the time went."""
    phases = [(phase.name, phase.began_s, phase.seconds) for phase in facts.phases]
    timeline = charts.timeline(phases, label="Phases of the run") if phases else ""
    progress = _progress(answers, facts)
    colours = style.colours(progress)
    cells = [
        (
            "Throughput",
            "Records behind each stage, by second of the replay: ingested and decided by offsets, stored by rows.",
            legend(colours) + charts.lines(progress, colours, label="Records behind each stage over time"),
        )
    ]
    if facts.steps:
        rows = [
            [
                escape(f"{step.stage}: {step.step}"),
                whole(step.batches),
                *(milliseconds(seconds) for seconds in (step.p50_s, step.p95_s)),
                f"{step.total_s:,.1f} s",
            ]
            for step in facts.steps
        ]
        heads = ("stage and step", "batches", "median", "95 %", "in all")
        about = "From the processes' own metrics, both workers together; a worker's batch is one transaction."
        cells.append(("Latency of a batch", about, table(heads, rows, text_columns=1)))
    return section("The run itself", facts.machine, timeline + columns(*cells), answers["arrivals"])


def _progress(answers: Answers, facts: Facts) -> dict[str, list[tuple[float, float]]]:
    """Give the records behind each stage, by seconds since the first sample (without samples, the first row)."""
    arrivals = answers["arrivals"].rows
    began = facts.samples[0].at_s if facts.samples else min((row["second"] for row in arrivals), default=0)
    stored: list[tuple[float, float]] = [(0.0, 0.0)]
    for row in arrivals:
        second = max(row["second"] + 1 - began, 0)
        stored += [(second, stored[-1][1]), (second, stored[-1][1] + row["events"])]
    return {
        "ingested": [(sample.at_s - began, sample.ingested) for sample in facts.samples],
        "decided": [(sample.at_s - began, sample.decided) for sample in facts.samples],
        "stored": stored,
    }


def _reported(answers: Answers) -> list[str]:
    """Name the statuses that any gateway reported; sent in any case."""
    rows = answers["funnel"].rows
    return [status for status in _STATUSES if status == "sent" or any(row[status] for row in rows)]


def _within(value: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= value <= bounds[1]


def _span(answers: Answers) -> tuple[date, date]:
    days = [row["day"] for name in ("by_day", "purchases_by_day") for row in answers[name].rows]
    return (min(days), max(days)) if days else (date(2017, 1, 1), date(2017, 12, 31))
