"""Grafana's questions to ClickHouse are answered by the tables that the migrations make."""

import json
import re
from typing import Any

import pytest

from sinks.clickhouse.connect import connect
from sinks.clickhouse.migrate import migrate
from streams.settings import Settings
from tests.support import ROOT

pytestmark = pytest.mark.services

DASHBOARD = json.loads((ROOT / "infra/grafana/dashboards/communications.json").read_text())
QUERIES = [target["rawSql"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
VARIABLES = [variable["query"] for variable in DASHBOARD["templating"]["list"]]


def without_macros(query: str) -> str:
    """The query as Grafana sends it for a month of 2017 and one campaign."""
    query = re.sub(r"\$__dateFilter\((\w+)\)", r"\1 >= toDate('2017-01-01') AND \1 <= toDate('2017-01-31')", query)
    query = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= toDateTime(1483228800) AND \1 <= toDateTime(1485820800)", query)
    query = query.replace("${campaign:singlequote}", "'come-back'")
    assert "$" not in query
    return query


def insert_one_of_each(client: Any) -> None:
    at = "2017-01-05 10:00:00"
    for statement in (
        f"INSERT INTO dispatches (at, dispatch_id, campaign, channel) VALUES ('{at}', 'd1', 'come-back', 'sms')",
        (
            "INSERT INTO delivery_statuses (occurred_at, dispatch_id, channel, status, reason) VALUES "
            f"('{at}', 'd1', 'sms', 'message_sent', NULL), ('{at}', 'd1', 'sms', 'message_failed', 'unknown')"
        ),
        (
            "INSERT INTO decisions (at, campaign, outcome, reason) VALUES "
            f"('{at}', 'come-back', 'suppressed', 'frequency_cap'), ('{at}', 'come-back', 'ended', 'completed')"
        ),
        f"INSERT INTO awards (at, campaign, amount, currency) VALUES ('{at}', 'come-back', 200, 'points')",
        (
            "INSERT INTO attributions (at, occurred_at, campaign, event, amount) VALUES "
            f"('{at}', '{at}', 'come-back', 'purchase_completed', 20), "
            f"('{at}', '{at}', 'come-back', 'purchase_returned', -5)"
        ),
        f"INSERT INTO purchases (occurred_at, type, key, total) VALUES ('{at}', 'purchase_completed', 'm1', 12.5)",
        f"INSERT INTO events (occurred_at, type, key) VALUES ('{at}', 'purchase_completed', 'm1')",
        (
            "INSERT INTO profile_checks (at, occurred_at, source, field, outcome) VALUES "
            f"('{at}', '{at}', 'crm', 'phone', 'valid'), ('{at}', '{at}', 'crm', 'phone', 'rejected')"
        ),
        (
            "INSERT INTO segment_runs (list, number, run, origin, at, entered) VALUES "
            f"('rfm', 1, 'a', 'rfm', '{at}', 1), ('fans', 1, 'b', 'sql', '{at}', 2)"
        ),
        (
            "INSERT INTO rfm_run_transitions (run, from_segment, to_segment, members) VALUES "
            "('a', '', 'new', 1), ('b', 'lost', 'new', 2)"
        ),
        "INSERT INTO rfm_run_thresholds (run, measure, score, least, most) VALUES ('a', 'recency', 1, 1, 2)",
        f"INSERT INTO dead_letters (at, origin_topic, reason) VALUES ('{at}', 'pos.receipts', 'no schema')",
    ):
        client.command(statement)


def test_every_panel_shows_what_is_there(settings: Settings, fresh_database: None) -> None:
    with connect(settings.clickhouse_dsn, create_database=True) as client:
        migrate(client)
        insert_one_of_each(client)
        empty = [query for query in [*QUERIES, *VARIABLES] if not client.query(without_macros(query)).result_rows]
    assert empty == []
