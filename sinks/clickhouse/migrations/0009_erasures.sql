-- Whom the members stage has erased: rows of these members up to `at` are deleted from the other tables, and come into
-- them no more. Consents stay: they are the evidence, and hold no personal fields. So do the daily sums, which name nobody.
CREATE TABLE IF NOT EXISTS erasures
(
    at DateTime64(3, 'UTC'),
    member_id String,
    occurred_at DateTime64(3, 'UTC'),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (member_id, at)
TTL toDateTime(_inserted_at) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000;

-- Bytes of records that nobody could read: whose they are, nobody can tell, so they stay no longer than in Kafka.
ALTER TABLE dead_letters MODIFY TTL toDateTime(_inserted_at) + INTERVAL 30 DAY;

-- A member is found in tables that are sorted by campaign. For rows from here on; for those of before it isn't needed.
ALTER TABLE dispatches ADD INDEX IF NOT EXISTS by_member member_id TYPE bloom_filter GRANULARITY 4;
ALTER TABLE webhooks ADD INDEX IF NOT EXISTS by_member member_id TYPE bloom_filter GRANULARITY 4;
ALTER TABLE awards ADD INDEX IF NOT EXISTS by_member member_id TYPE bloom_filter GRANULARITY 4;
ALTER TABLE decisions ADD INDEX IF NOT EXISTS by_member member_id TYPE bloom_filter GRANULARITY 4;
ALTER TABLE attributions ADD INDEX IF NOT EXISTS by_member member_id TYPE bloom_filter GRANULARITY 4;
ALTER TABLE delivery_statuses ADD INDEX IF NOT EXISTS by_member member_id TYPE bloom_filter GRANULARITY 4;
ALTER TABLE profile_checks ADD INDEX IF NOT EXISTS by_member member_id TYPE bloom_filter GRANULARITY 4;
