-- One table per kind of record, and the sink's own ledger of batches.
--
-- Every row says where it comes from (_topic, _partition, _offset), so that a figure can be traced to its record.
-- No table is partitioned: one insert is then one part, there as a whole or not at all. The deduplication window keeps
-- the tokens of the last 10,000 inserts; an insert that comes again under a known token changes nothing.

-- Which offsets form one batch, decided once: the first insert for (topic, partition, first_offset) wins.
CREATE TABLE IF NOT EXISTS sink_batches
(
    topic LowCardinality(String),
    partition UInt32,
    first_offset UInt64,
    last_offset UInt64,
    decided_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (topic, partition, first_offset)
SETTINGS non_replicated_deduplication_window = 10000;

-- Every event of member.events; `key` is the member id or a stranger's own key, `body` its fields as JSON.
CREATE TABLE IF NOT EXISTS events
(
    event_id String,
    type LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    key String,
    member_id Nullable(String),
    historical Bool,
    body String CODEC(ZSTD(1)),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (key, occurred_at, _offset)
SETTINGS non_replicated_deduplication_window = 10000;

-- One row per receipt: `type` is purchase_completed or purchase_returned.
CREATE TABLE IF NOT EXISTS purchases
(
    event_id String,
    type LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    key String,
    member_id Nullable(String),
    historical Bool,
    receipt_id Nullable(String),
    store_id LowCardinality(Nullable(String)),
    pos_id LowCardinality(Nullable(String)),
    total Nullable(Decimal(18, 6)),
    discount Nullable(Decimal(18, 6)),
    bonus_paid Nullable(Decimal(18, 6)),
    lines UInt32,
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (key, occurred_at, _offset)
SETTINGS non_replicated_deduplication_window = 10000;

-- One row per line of a receipt; `line` counts from 0.
CREATE TABLE IF NOT EXISTS purchase_lines
(
    event_id String,
    type LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    key String,
    member_id Nullable(String),
    historical Bool,
    receipt_id Nullable(String),
    store_id LowCardinality(Nullable(String)),
    line UInt32,
    sku Nullable(String),
    name Nullable(String),
    category LowCardinality(Nullable(String)),
    quantity Nullable(Decimal(18, 6)),
    price Nullable(Decimal(18, 6)),
    discount Nullable(Decimal(18, 6)),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (key, occurred_at, _offset, line)
SETTINGS non_replicated_deduplication_window = 10000;

-- Intended messages, one row per dispatch; `recipient` is the record's `to`, `content` its rendered parts as JSON.
CREATE TABLE IF NOT EXISTS dispatches
(
    at DateTime64(3, 'UTC'),
    dispatch_id String,
    member_id String,
    campaign LowCardinality(String),
    version UInt32,
    action LowCardinality(String),
    channel LowCardinality(String),
    recipient String,
    content String CODEC(ZSTD(1)),
    messaging_type LowCardinality(String),
    not_after Nullable(DateTime64(3, 'UTC')),
    network LowCardinality(Nullable(String)),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (campaign, channel, at, dispatch_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS webhooks
(
    at DateTime64(3, 'UTC'),
    webhook_id String,
    member_id String,
    campaign LowCardinality(String),
    version UInt32,
    action LowCardinality(String),
    url String,
    body String CODEC(ZSTD(1)),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (campaign, at, webhook_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS awards
(
    at DateTime64(3, 'UTC'),
    award_id String,
    member_id String,
    campaign LowCardinality(String),
    version UInt32,
    action LowCardinality(String),
    amount Decimal(18, 6),
    currency LowCardinality(String),
    activates_at Nullable(DateTime64(3, 'UTC')),
    expires_at Nullable(DateTime64(3, 'UTC')),
    legal_entity LowCardinality(Nullable(String)),
    description Nullable(String),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (campaign, at, award_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- Why something was or wasn't done.
CREATE TABLE IF NOT EXISTS decisions
(
    at DateTime64(3, 'UTC'),
    member_id String,
    campaign LowCardinality(String),
    version UInt32,
    action LowCardinality(Nullable(String)),
    outcome LowCardinality(String),
    reason LowCardinality(String),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (campaign, at, member_id, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 10000;

-- What the gateways reported: `status` is the event's type (message_sent, message_delivered, message_failed ...).
CREATE TABLE IF NOT EXISTS delivery_statuses
(
    event_id String,
    status LowCardinality(String),
    occurred_at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    member_id String,
    dispatch_id String,
    channel LowCardinality(String),
    link Nullable(String),
    reason LowCardinality(Nullable(String)),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (dispatch_id, occurred_at, status)
SETTINGS non_replicated_deduplication_window = 10000;

-- Records that could not be handled, with their origin and bytes; also those that the sink itself cannot read.
CREATE TABLE IF NOT EXISTS dead_letters
(
    at DateTime64(3, 'UTC'),
    origin_topic LowCardinality(String),
    origin_partition UInt32,
    origin_offset UInt64,
    key Nullable(String),
    value String CODEC(ZSTD(1)),
    reason String,
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (at, origin_topic, origin_partition, origin_offset)
SETTINGS non_replicated_deduplication_window = 10000;
