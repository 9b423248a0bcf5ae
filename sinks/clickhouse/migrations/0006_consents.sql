-- The evidence of what members stated about being written to: when, how (`event` and `source`), and which text they
-- saw: `text`, or the message by whose link they said it (`dispatch_id`, with its wording in `dispatches`). Nothing updates or expires it.
CREATE TABLE IF NOT EXISTS consents
(
    occurred_at DateTime64(3, 'UTC'),
    member_id String,
    channel LowCardinality(Nullable(String)),
    messaging_type LowCardinality(Nullable(String)),
    subscribed Nullable(Bool),
    event LowCardinality(String),
    source LowCardinality(String),
    text LowCardinality(Nullable(String)),
    dispatch_id Nullable(String),
    event_id String,
    historical Bool,
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (member_id, occurred_at, _offset)
SETTINGS non_replicated_deduplication_window = 10000;
