-- Lists that are published into the log from outside: uploads, SQL and RFM. `list` is a segment's id, or `rfm`.
--
-- One row per run that was decided; the first insert for (list, number) wins, by its deduplication token.
CREATE TABLE IF NOT EXISTS segment_runs
(
    list String,
    number UInt32,
    run String,
    origin LowCardinality(String),
    at DateTime64(3, 'UTC'),
    definition String,
    members UInt64,
    entered UInt64,
    gone UInt64,
    decided_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (list, number)
SETTINGS non_replicated_deduplication_window = 10000;

-- How far a run came: `published` after each portion, with the last change of it; `recorded` at the end.
CREATE TABLE IF NOT EXISTS segment_run_steps
(
    run String,
    step LowCardinality(String),
    published UInt64,
    member_id String,
    segment String,
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (run, published);

-- The lines of an upload that is being read. A run's partition goes when it is through, what a crash left after two days.
CREATE TABLE IF NOT EXISTS segment_staged
(
    run String,
    line UInt64,
    member_id String,
    staged_at DateTime DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY (member_id, line)
TTL staged_at + INTERVAL 2 DAY
SETTINGS ttl_only_drop_parts = 1;

-- What a run changes, in the order of its publication. `was` tells who was inside before.
CREATE TABLE IF NOT EXISTS segment_changes
(
    run String,
    member_id String,
    segment String,
    inside Bool,
    was Bool,
    decided_at DateTime DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY (member_id, segment)
TTL decided_at + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

-- Who was put into a segment (inside) or taken out of it, by what was published last. Read it with FINAL.
CREATE TABLE IF NOT EXISTS segment_members
(
    segment String,
    member_id String,
    inside Bool,
    since DateTime64(3, 'UTC'),
    run String,
    number UInt32
)
ENGINE = ReplacingMergeTree(number)
ORDER BY (segment, member_id);
