"""The report's questions of ClickHouse where the real year has no answer to check: what came back is taken off."""

import pytest

from sinks.clickhouse.connect import connect
from sinks.clickhouse.migrate import migrate
from streams.demo.report.queries import ATTRIBUTED, RFM
from streams.settings import Settings

pytestmark = pytest.mark.services
PURCHASES = "INSERT INTO purchases (occurred_at, type, key, total) VALUES "


def test_rfm_and_attributed_revenue_are_net_of_returns(settings: Settings, fresh_database: None) -> None:
    with connect(settings.clickhouse_dsn, create_database=True) as client:
        migrate(client)
        client.command(
            f"{PURCHASES} ('2017-01-05 10:00:00', 'purchase_completed', 'm1', 100), "
            "('2017-01-09 10:00:00', 'purchase_returned', 'm1', 99.5), "
            "('2017-01-06 10:00:00', 'purchase_completed', 'm2', 10), "
            "('2017-01-06 11:00:00', 'purchase_completed', 'm2', NULL), "
            "('2017-01-10 10:00:00', 'purchase_returned', 'stranger', 5)"
        )
        client.command(
            "INSERT INTO attributions (occurred_at, campaign, event, amount) VALUES "
            "('2017-01-05 10:00:00', 'come-back', 'purchase_completed', 100), "
            "('2017-01-09 10:00:00', 'come-back', 'purchase_returned', -99.5)"
        )
        attributed = client.query(ATTRIBUTED).result_rows
        answer = client.query(RFM)
        found = [dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows]
    assert attributed == [("come-back", 1, 0.5)]
    # m1 bought first and kept the least: the lowest quintile of recency and money; who only returned is nobody.
    assert [(row["r"], row["members"], row["money"], row["spent_together"]) for row in found] == [
        (1, 1, 1.0, 0.5),
        (2, 1, 2.0, 10.0),
    ]
    assert [row["days_since"] for row in found] == [1.0, 0.0]
