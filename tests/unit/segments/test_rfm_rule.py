"""The grid of RFM is complete, its SQL says the same, and the documentation shows it."""

import re
from itertools import product
from pathlib import Path

import pytest

from streams.engine.rfm import parse
from streams.segments.rfm_rule import GRID, SEGMENTS, segment_of

DOCS = (Path(__file__).parents[3] / "docs/segments.md").read_text(encoding="utf-8")
SCORES = range(1, 6)


def test_each_of_the_scores_has_a_segment_that_the_engine_takes():
    found = {segment_of(*scores) for scores in product(SCORES, SCORES, SCORES)}
    assert found == set(SEGMENTS)
    assert len(SEGMENTS) == 11
    assert all(parse(f"rfm.segment.{name}") == ("segment", name) for name in SEGMENTS)


@pytest.mark.parametrize(
    ("scores", "name"),
    [
        ((5, 5, 5), "champions"),
        ((5, 5, 2), "champions"),
        ((5, 1, 1), "new"),
        ((5, 1, 2), "potential_loyalist"),
        ((1, 1, 1), "lost"),
        ((2, 2, 1), "hibernating"),
        ((1, 5, 4), "cant_lose"),
        ((3, 3, 3), "need_attention"),
    ],
)
def test_frequency_and_money_are_averaged_upwards(scores, name):
    assert segment_of(*scores) == name


def test_the_documentation_shows_the_grid():
    rows = dict(re.findall(r"^\| \*\*(\d)\*\* \| (.+) \|$", DOCS, re.MULTILINE))
    assert {int(recency): tuple(row.split(" | ")) for recency, row in rows.items()} == dict(enumerate(GRID, 1))
