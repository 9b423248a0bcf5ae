-- Which dispatch each purchase is attributed to. `amount` is negative for what was returned or cancelled of one: the sum
-- over a campaign is what it brought, net of returns. `event` tells purchases from corrections.
CREATE TABLE IF NOT EXISTS attributions
(
    at DateTime64(3, 'UTC'),
    attribution_id String,
    member_id String,
    dispatch_id String,
    campaign LowCardinality(String),
    version UInt32,
    action LowCardinality(String),
    channel LowCardinality(String),
    event LowCardinality(String),
    event_id String,
    occurred_at DateTime64(3, 'UTC'),
    purchase Nullable(String),
    amount Decimal(18, 6),
    touch LowCardinality(String),
    touched_at DateTime64(3, 'UTC'),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (campaign, occurred_at, attribution_id)
SETTINGS non_replicated_deduplication_window = 10000;
