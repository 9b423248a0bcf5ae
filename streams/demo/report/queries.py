"""The queries behind the report, each printed in it beneath what it draws.

`{zone}` is the programme's time zone: hours are those of the members' clocks, not of the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client

BY_DAY = """
SELECT day, campaign, sum(dispatches) AS dispatches
FROM daily_dispatches
GROUP BY day, campaign
ORDER BY day, campaign
"""

PURCHASES_BY_DAY = """
SELECT day, sum(receipts) AS receipts, toFloat64(sum(total)) AS total, uniqMerge(members) AS members
FROM daily_purchases
WHERE type = 'purchase_completed'
GROUP BY day
ORDER BY day
"""

EVENTS_BY_TYPE = """
SELECT type, sum(events) AS events
FROM daily_events
GROUP BY type
ORDER BY events DESC
"""

FUNNEL = """
SELECT campaign, channel,
       sum(dispatched) AS dispatched, sum(sent) AS sent, sum(delivered) AS delivered,
       sum(opened) AS opened, sum(clicked) AS clicked, sum(failed) AS failed
FROM dispatch_funnel
GROUP BY campaign, channel
ORDER BY dispatched DESC, campaign, channel
"""

AWARDS = """
SELECT campaign, currency, count() AS awards, toFloat64(sum(amount)) AS amount
FROM awards
GROUP BY campaign, currency
ORDER BY awards DESC
"""

ATTRIBUTED = """
SELECT campaign, countIf(event = 'purchase_completed') AS purchases, toFloat64(sum(amount)) AS amount
FROM attributions
GROUP BY campaign
ORDER BY amount DESC
"""

DECISIONS = """
SELECT outcome, reason, campaign, sum(decisions) AS decisions
FROM daily_decisions
GROUP BY outcome, reason, campaign
ORDER BY decisions DESC
"""

BY_HOUR = """
SELECT toHour(at, '{zone}') AS hour, channel, count() AS dispatches
FROM dispatches
GROUP BY hour, channel
ORDER BY hour, channel
"""

PURCHASES_BY_HOUR = """
SELECT toHour(occurred_at, '{zone}') AS hour, count() AS receipts
FROM purchases
WHERE type = 'purchase_completed'
GROUP BY hour
ORDER BY hour
"""

COME_BACK = """
SELECT weeks, count() AS members
FROM
(
    SELECT d.member_id, d.at,
           least(intDiv(dateDiff('day', d.at, p.occurred_at), 7), 8) AS weeks
    FROM dispatches AS d
    ASOF INNER JOIN (SELECT key, occurred_at FROM purchases WHERE type = 'purchase_completed') AS p
        ON d.member_id = p.key AND d.at < p.occurred_at
    WHERE d.campaign = 'come-back'
)
GROUP BY weeks
ORDER BY weeks
"""

RFM = """
WITH
    members AS
    (
        SELECT key, maxIf(occurred_at, type = 'purchase_completed') AS last_at,
               countIf(type = 'purchase_completed') AS receipts,
               sum(if(type = 'purchase_returned', -total, total)) AS spent
        FROM purchases
        WHERE type IN ('purchase_completed', 'purchase_returned') AND total IS NOT NULL
        GROUP BY key
        HAVING receipts > 0
    ),
    scored AS
    (
        SELECT key, receipts, spent, last_at,
               ntile(5) OVER (ORDER BY last_at, key) AS r,
               ntile(5) OVER (ORDER BY receipts, key) AS f,
               ntile(5) OVER (ORDER BY spent, key) AS m
        FROM members
    )
SELECT r, f, count() AS members, avg(m) AS money, toFloat64(sum(spent)) AS spent_together,
       avg(receipts) AS receipts_each,
       avg(dateDiff('day', last_at, (SELECT max(last_at) FROM members))) AS days_since
FROM scored
GROUP BY r, f
ORDER BY r, f
"""

ARRIVALS = """
SELECT toUnixTimestamp(_inserted_at) AS second, count() AS events
FROM events
GROUP BY second
ORDER BY second
"""

QUERIES: Mapping[str, str] = {
    "by_day": BY_DAY,
    "purchases_by_day": PURCHASES_BY_DAY,
    "events_by_type": EVENTS_BY_TYPE,
    "funnel": FUNNEL,
    "awards": AWARDS,
    "attributed": ATTRIBUTED,
    "decisions": DECISIONS,
    "by_hour": BY_HOUR,
    "purchases_by_hour": PURCHASES_BY_HOUR,
    "come_back": COME_BACK,
    "rfm": RFM,
    "arrivals": ARRIVALS,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of one query, by column name, and its text."""

    sql: str
    rows: list[dict[str, Any]]


def ask(client: Client, zone: str) -> dict[str, Answer]:
    """Run every query. Raises the driver's `ClickHouseError` when the server fails."""
    answers = {}
    for name, template in QUERIES.items():
        sql = template.replace("{zone}", zone).strip()
        found = client.query(sql)
        answers[name] = Answer(sql, [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows])
    return answers
