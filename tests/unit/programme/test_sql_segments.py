"""Segments by SQL in a programme: what `lint` says of them, and that to the engine they are lists that others fill."""

import pytest

from streams.engine.values import Duration
from streams.programme import lint, load
from tests.simulation.support import event, run

CAMPAIGN = """\
id: c
trigger: {segment_entered: fans}
actions: [{send: {channel: in_app, template: a}}]
"""
FILES = {"c.yaml": CAMPAIGN, "templates/a.yaml": "templates: [{id: a, text: Hello}]\n"}
SQL = "SELECT member_id FROM purchases WHERE total > 100"


def problems(text: str) -> list[str]:
    return [str(each) for each in lint({**FILES, "segments/fans.yaml": text})]


@pytest.mark.parametrize(
    "when", ["every: PT1H", 'cron: "0 3 * * *"', 'cron: "0 3 * * *"\nzone: Asia/Tbilisi', "every: P1M"]
)
def test_a_schedule_is_every_so_often_or_by_cron(when):
    assert problems(f"id: fans\nsql: {SQL}\n{when}\n") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"sql: {SQL}", "every: expected exactly one of `every` and `cron` beside `sql`"),
        (f"sql: {SQL}\nevery: PT1H\ncron: 0 3 * * *", "every: expected exactly one of `every` and `cron` beside `sql`"),
        (f"sql: {SQL}\nevery: PT1H\nzone: Asia/Tbilisi", "zone: belongs to `cron`"),
        (f"sql: {SQL}\nevery: PT59S", "every: expected a minute at least"),
        (f"sql: {SQL}\nevery: hourly", "every: expected a duration"),
        (f"sql: {SQL}\ncron: 0 99 * * *", "cron: expected a cron expression"),
        (f"sql: {SQL}\ncron: 0 3 * * *\nzone: member", "zone: expected a time zone"),
        ("every: PT1H", "every: belongs to `sql`"),
        (f"sql: {SQL}\nevery: PT1H\nmembers: [m1]", "sql: a segment is SQL or `members`, not both"),
        (f"sql: {SQL}\nevery: PT1H\nwhere: {{member.city: Kazan}}", "sql: a segment is SQL or `where`, not both"),
        ("sql: DROP TABLE events\nevery: PT1H", "sql: expected one SELECT"),
        (f"sql: {SQL}; SELECT 1\nevery: PT1H", "sql: expected one statement, without a semicolon"),
    ],
)
def test_a_mistake_is_named_with_its_place(text, message):
    (problem,) = problems(f"id: fans\n{text}\n")
    assert problem.startswith("segments/fans.yaml:")
    assert message in problem


def test_to_the_engine_it_is_a_list_that_assignment_fills():
    programme = load([{**FILES, "segments/fans.yaml": f"id: fans\nsql: {SQL}\nevery: PT1H\n"}])
    assert programme.segments["fans"].every == Duration.parse("PT1H")
    assigned = event("m", "segment_assigned", "2018-01-02T12:00:00Z", segment="fans")
    removed = event("m", "segment_removed", "2018-01-03T12:00:00Z", segment="fans")
    again = event("m", "segment_assigned", "2018-01-04T12:00:00Z", segment="fans")
    assert len(run(programme, [assigned], "2018-02-01T00:00:00Z")) == 1
    assert len(run(programme, [assigned, removed, again], "2018-02-01T00:00:00Z")) == 2
