"""The report: one file that loads nothing, with every figure it was given, whatever the tables hold."""

import re
from datetime import date
from html import escape
from html.parser import HTMLParser
from typing import Any

import pytest

from streams.demo.report import Facts, Phase, Sample, StepTime
from streams.demo.report.page import render
from streams.demo.report.queries import QUERIES, Answer
from streams.demo.report.sections import _progress

SUMMARY = {
    "receipts": 155_848,
    "members": 2_469,
    "events": 245_001,
    "dispatches": {"come-back": {"sms": 9_272}, "<b>&": {"email": 3}},
    "awards": 1_571,
    "suppressed": {"frequency_cap": 3_148},
    "dead_letters": 0,
    "agrees_with_simulate": True,
    "seconds": 183.2,
    "events_per_second": 5_120.4,
}
ROWS: dict[str, list[dict[str, Any]]] = {
    "by_day": [
        {"day": date(2017, 2, 1), "campaign": "come-back", "dispatches": 9_272},
        {"day": date(2018, 6, 30), "campaign": "<b>&", "dispatches": 3},
    ],
    "purchases_by_day": [{"day": date(2017, 1, 1), "receipts": 155_848, "total": 4_596_039.58, "members": 2_469}],
    "events_by_type": [{"type": "purchase_completed", "events": 155_848}],
    "funnel": [
        {
            "campaign": name,
            "channel": channel,
            "dispatched": count,
            "sent": count - 1,
            "delivered": 0,
            "opened": 0,
            "clicked": 0,
            "failed": 1,
        }
        for name, channel, count in (("come-back", "sms", 9_272), ("<b>&", "email", 3))
    ],
    "awards": [{"campaign": "come-back", "currency": "points", "awards": 7, "amount": 1_400.0}],
    "attributed": [{"campaign": "come-back", "purchases": 21, "amount": 765.4}],
    "decisions": [
        {"outcome": "suppressed", "reason": "frequency_cap", "campaign": "come-back", "decisions": 3_148},
        {"outcome": "unheard_of", "reason": "new", "campaign": "come-back", "decisions": 5},
    ],
    "by_hour": [{"hour": 9, "channel": "sms", "dispatches": 9_272}, {"hour": 23, "channel": "email", "dispatches": 3}],
    "purchases_by_hour": [{"hour": 17, "receipts": 155_848}],
    "come_back": [{"weeks": 0, "members": 700}, {"weeks": 8, "members": 70}],
    "rfm": [
        {
            "r": 5,
            "f": 5,
            "members": 215,
            "money": 4.9,
            "spent_together": 957_395.0,
            "receipts_each": 160.2,
            "days_since": 1.5,
        }
    ],
    "arrivals": [{"second": 1_000, "events": 4_000}, {"second": 1_009, "events": 3_000}],
}
FACTS = Facts(
    summary=SUMMARY,
    phases=[Phase(name="services", began_s=0, seconds=12.3)],
    steps=[
        StepTime(stage="members", step="engine", batches=120, p50_s=0.01, p95_s=0.04, total_s=3.3),
    ],
    samples=[Sample(at_s=998.5, ingested=0, decided=0), Sample(at_s=1_001.0, ingested=5_000, decided=3_000)],
    campaign_names={"come-back": "Two weeks without a purchase"},
    zone="America/New_York",
    machine="two cores",
)


class _Balance(HTMLParser):
    """Collects what is wrong with the nesting of tags, and every address that would be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [str(value) for name, value in attrs if name in {"src", "href", "data", "srcset"}]
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def _page(rows: dict[str, list[dict[str, Any]]], facts: Facts = FACTS) -> str:
    return render({name: Answer(sql, rows.get(name, [])) for name, sql in QUERIES.items()}, facts)


def _parsed(page: str) -> _Balance:
    parser = _Balance()
    parser.feed(page)
    return parser


def test_page_is_whole_and_loads_nothing() -> None:
    page = _page(ROWS)
    parsed = _parsed(page)
    assert (parsed.wrong, parsed.open, parsed.loaded) == ([], [], [])
    assert "url(" not in page
    assert "@import" not in page
    assert "<script" not in page


def test_figures_are_on_the_page() -> None:
    page = _page(ROWS)
    for figure in (
        "155,848",
        "2,469",
        "245,001",
        "9,275",
        "1,571",
        "3,148",
        "5,120",
        "1,400 points",
        "$4,453",
        "21<small>$765",
    ):
        assert figure in page, figure
    for words in ("agree, to the id", "Two weeks without a purchase", "frequency cap", "Unheard_of", "members: engine"):
        assert words in page, words
    for sql in QUERIES.values():
        assert escape(sql.strip().splitlines()[0]) in page


def test_progress_is_counted_from_the_beginning_of_the_replay() -> None:
    found = _progress({"arrivals": Answer("", ROWS["arrivals"])}, FACTS)
    assert found["ingested"] == [(0.0, 0), (2.5, 5_000)]
    assert found["stored"] == [(0.0, 0.0), (2.5, 0.0), (2.5, 4_000), (11.5, 4_000), (11.5, 7_000)]


def test_names_cannot_break_the_page() -> None:
    page = _page(ROWS)
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page


def test_coordinates_are_numbers_within_the_drawing() -> None:
    for name in ("x", "y", "width", "height"):
        values = re.findall(rf'<rect [^>]*\b{name}="([^"]*)"', _page(ROWS))
        assert values
        assert all(0 <= float(value) <= 2000 for value in values)


def test_disagreement_is_said() -> None:
    page = _page(ROWS, Facts(summary={**SUMMARY, "agrees_with_simulate": False}))
    assert "differ" in page
    assert "agree, to the id" not in page


@pytest.mark.parametrize("missing", sorted(QUERIES))
def test_empty_tables_still_make_a_page(missing: str) -> None:
    parsed = _parsed(_page({name: rows for name, rows in ROWS.items() if name != missing}))
    assert (parsed.wrong, parsed.open) == ([], [])


def test_nothing_at_all_still_makes_a_page() -> None:
    assert _parsed(_page({})).wrong == []


def test_every_query_is_covered_here() -> None:
    assert set(ROWS) == set(QUERIES)
