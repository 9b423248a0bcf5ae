-- Sums by day (UTC), kept up to date by each insert; read them with sum() or uniqMerge(), since rows merge later.
-- The targets have deduplication windows of their own: a retried insert is recognised there too.

CREATE TABLE IF NOT EXISTS daily_events
(
    day Date,
    type LowCardinality(String),
    events UInt64
)
ENGINE = SummingMergeTree
ORDER BY (day, type)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS daily_events_feed TO daily_events AS
SELECT toDate(occurred_at, 'UTC') AS day, type, count() AS events
FROM events
GROUP BY day, type;

-- total, discount and bonus_paid of returns are in their own rows (type purchase_returned), not taken off.
CREATE TABLE IF NOT EXISTS daily_purchases
(
    day Date,
    type LowCardinality(String),
    receipts SimpleAggregateFunction(sum, UInt64),
    total SimpleAggregateFunction(sum, Decimal(38, 6)),
    discount SimpleAggregateFunction(sum, Decimal(38, 6)),
    bonus_paid SimpleAggregateFunction(sum, Decimal(38, 6)),
    members AggregateFunction(uniq, String)
)
ENGINE = AggregatingMergeTree
ORDER BY (day, type)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS daily_purchases_feed TO daily_purchases AS
SELECT
    toDate(occurred_at, 'UTC') AS day,
    type,
    count() AS receipts,
    sum(coalesce(total, 0)) AS total,
    sum(coalesce(discount, 0)) AS discount,
    sum(coalesce(bonus_paid, 0)) AS bonus_paid,
    uniqState(key) AS members
FROM purchases
GROUP BY day, type;

CREATE TABLE IF NOT EXISTS daily_dispatches
(
    day Date,
    campaign LowCardinality(String),
    version UInt32,
    channel LowCardinality(String),
    dispatches UInt64
)
ENGINE = SummingMergeTree
ORDER BY (day, campaign, version, channel)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS daily_dispatches_feed TO daily_dispatches AS
SELECT toDate(at, 'UTC') AS day, campaign, version, channel, count() AS dispatches
FROM dispatches
GROUP BY day, campaign, version, channel;

CREATE TABLE IF NOT EXISTS daily_decisions
(
    day Date,
    campaign LowCardinality(String),
    outcome LowCardinality(String),
    reason LowCardinality(String),
    decisions UInt64
)
ENGINE = SummingMergeTree
ORDER BY (day, campaign, outcome, reason)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS daily_decisions_feed TO daily_decisions AS
SELECT toDate(at, 'UTC') AS day, campaign, outcome, reason, count() AS decisions
FROM decisions
GROUP BY day, campaign, outcome, reason;
