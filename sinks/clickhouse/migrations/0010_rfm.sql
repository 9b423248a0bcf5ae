-- RFM, run by run. Whatever was prepared by a run that wasn't decided in the end is left out by the views.
--
-- Values and scores of each member in the last runs: days since the last purchase, purchases, money net of returns.
CREATE TABLE IF NOT EXISTS rfm_values
(
    run String,
    member_id String,
    days UInt32,
    purchases UInt32,
    spent Decimal(18, 6),
    recency UInt8,
    frequency UInt8,
    monetary UInt8,
    segment LowCardinality(String),
    computed_at DateTime DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY member_id;

-- The same before the scores are known.
CREATE TABLE IF NOT EXISTS rfm_staged
(
    run String,
    member_id String,
    days UInt32,
    purchases UInt32,
    spent Decimal(18, 6),
    staged_at DateTime DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY member_id
TTL staged_at + INTERVAL 2 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS rfm_run_thresholds
(
    run String,
    measure LowCardinality(String),
    score UInt8,
    least Decimal(18, 6),
    most Decimal(18, 6),
    members UInt64
)
ENGINE = MergeTree
ORDER BY (run, measure, score);

CREATE TABLE IF NOT EXISTS rfm_run_transitions
(
    run String,
    from_segment LowCardinality(String),
    to_segment LowCardinality(String),
    members UInt64
)
ENGINE = MergeTree
ORDER BY (run, from_segment, to_segment);

-- Between which values each score lies, both included, and how many members have it; `recency` in days, `frequency` in
-- purchases, `monetary` in money.
CREATE VIEW IF NOT EXISTS rfm_thresholds AS
SELECT runs.number AS number, runs.at AS at, found.measure AS measure, found.score AS score, found.least AS least,
    found.most AS most, found.members AS members
FROM rfm_run_thresholds AS found
INNER JOIN (SELECT run, number, at FROM segment_runs WHERE list = 'rfm') AS runs ON runs.run = found.run;

-- Who came from where, run by run. An empty `from_segment` is a member who had no purchase in the period before, an
-- empty `to_segment` one who has none any more. The sizes of segments are the sums by `to_segment`.
CREATE VIEW IF NOT EXISTS rfm_transitions AS
SELECT runs.number AS number, runs.at AS at, found.from_segment AS from_segment, found.to_segment AS to_segment,
    found.members AS members
FROM rfm_run_transitions AS found
INNER JOIN (SELECT run, number, at FROM segment_runs WHERE list = 'rfm') AS runs ON runs.run = found.run;
