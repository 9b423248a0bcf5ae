-- How good the personal fields of registrations, profile and binding events were, one row for each field; none of their
-- values: those stand in `events` under (source, event_id), as they came.
CREATE TABLE IF NOT EXISTS profile_checks
(
    at DateTime64(3, 'UTC'),
    member_id String,
    source LowCardinality(String),
    event LowCardinality(String),
    event_id String,
    occurred_at DateTime64(3, 'UTC'),
    field LowCardinality(String),
    outcome LowCardinality(String),
    rule LowCardinality(Nullable(String)),
    detail LowCardinality(Nullable(String)),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (source, field, occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- The report: of the values that a source was asked for, which share was taken as it came, changed, doubtful, rejected
-- or missing.
CREATE VIEW IF NOT EXISTS profile_quality AS
SELECT
    source,
    field,
    count() AS values,
    countIf(outcome = 'valid') / count() AS valid,
    countIf(outcome = 'changed') / count() AS changed,
    countIf(outcome = 'doubtful') / count() AS doubtful,
    countIf(outcome = 'rejected') / count() AS rejected,
    countIf(outcome = 'missing') / count() AS missing
FROM profile_checks
GROUP BY source, field;
