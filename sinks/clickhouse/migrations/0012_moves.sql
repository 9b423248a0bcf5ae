-- Keys of strangers, and of members merged into others, whose state became part of a member's: what other tables have
-- under `gone` is of `into`, too.
CREATE TABLE IF NOT EXISTS moves
(
    gone String,
    into String,
    occurred_at DateTime64(3, 'UTC'),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (into, gone, _offset)
SETTINGS non_replicated_deduplication_window = 10000;
