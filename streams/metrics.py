"""Every metric of every process, declared once, with the sentence that explains it (served by `streams.serve_metrics`).

Names begin with `rekindle_`; durations are in seconds, sizes in bytes. Labels stay few and bounded.
"""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_RECORDS = (1, 10, 50, 100, 500, 1000, 2000, 5000, 10000, 50000)

stage_running = Gauge("rekindle_stage_running", "1 for the stage that this process runs.", ["stage"])

# what goes through the stages ingest, members and profiles
records_in = Counter("rekindle_records_in", "Records read, by stage and topic.", ["stage", "topic"])
records_out = Counter("rekindle_records_out", "Records put out in committed transactions.", ["stage", "topic"])
dead_letters = Counter("rekindle_dead_letters", "Records put aside into dead.letters.", ["stage"])
batch_records = Histogram("rekindle_batch_records", "Records handled in one batch.", ["stage"], buckets=_RECORDS)
step_seconds = Histogram(
    "rekindle_step_seconds",
    "Time of one step of a batch: sift, append; decode, load, engine (with encoding), commit, store; make, commit.",
    ["stage", "step"],
    buckets=_SECONDS,
)
transactions = Counter("rekindle_transactions", "Kafka transactions, by outcome.", ["stage", "outcome"])
last_commit_timestamp_seconds = Gauge(
    "rekindle_last_commit_timestamp_seconds", "When the stage last committed, in seconds since the epoch.", ["stage"]
)
lag_records = Gauge(
    "rekindle_lag_records",
    "Records of a partition that were fetched or announced by the broker but not handled yet.",
    ["stage", "topic", "partition"],
)
stalled_seconds = Gauge(
    "rekindle_stalled_seconds",
    "For how long the stage has had lag, or partitions that aren't ready, and made no progress; past "
    "REKINDLE_WATCHDOG_SECONDS the process ends.",
    ["stage"],
)
stale_batches = Counter(
    "rekindle_stale_batches", "Batches dropped because the partitions were dealt out anew after the fetch.", ["stage"]
)

# timers and state of the members stage
timers_due = Counter("rekindle_timers_due", "Members that the due index named when a tick was handled.", [])
timers_fired = Counter("rekindle_timers_fired", "Members whose due timers were fired by a tick.", [])
oldest_due_timestamp_seconds = Gauge(
    "rekindle_oldest_due_timestamp_seconds",
    "The earliest due time in the index, in seconds since the epoch.",
    ["partition"],
)
engine_errors = Counter(
    "rekindle_engine_errors",
    "Events that the engine could not handle; each is in dead.letters with its reason.",
    ["type"],
)
limits_exceeded = Counter(
    "rekindle_limits_exceeded",
    "Decisions by which a campaign was stopped for a member because it exceeded a bound, by bound.",
    ["limit"],
)
state_bytes = Gauge("rekindle_state_bytes", "Estimated size of a partition's local state.", ["partition"])
recovery_remaining_records = Gauge(
    "rekindle_recovery_remaining_records",
    "Changelog records that a partition has still to read before it is ready, at most; 0: none.",
    ["partition"],
)
recovered_records = Counter("rekindle_recovered_records", "Changelog records applied to local state in recovery.", [])
recovery_steps = Counter(
    "rekindle_recovery_steps",
    "Steps of recovery: portions of a changelog applied, or of an index made. The watchdog waits for each.",
    [],
)
programme_number = Gauge("rekindle_programme_number", "Number of the programme in force.", ["partition"])

# sealing
records_sealed = Counter("rekindle_records_sealed", "Records that were sealed on their way into member.events.", [])
records_shredded = Counter(
    "rekindle_records_shredded", "Records passed over because the key that they are sealed with was destroyed.", []
)
members_erased = Counter("rekindle_members_erased", "Members whose state was erased and whose keys were destroyed.", [])

# the time that ingest writes into the log
clock_offset_seconds = Gauge(
    "rekindle_clock_offset_seconds",
    "How far the worker's clock is ahead of the Kafka broker's, in seconds, as compared last.",
    [],
)
tick_timestamp_seconds = Gauge(
    "rekindle_tick_timestamp_seconds",
    "The last tick appended to a partition, in seconds since the epoch.",
    ["partition"],
)

# the sink
sink_rows = Counter("rekindle_sink_rows", "Rows inserted into ClickHouse, by table.", ["table"])
sink_rows_erased = Counter("rekindle_sink_rows_erased", "Rows of erased members deleted from ClickHouse.", ["table"])
sink_retries = Counter("rekindle_sink_retries", "Attempts at ClickHouse that failed and are repeated.", [])
sink_paused_partitions = Gauge(
    "rekindle_sink_paused_partitions", "Partitions that are not read because what was read waits for ClickHouse.", []
)

# the senders
sender_statuses = Counter("rekindle_sender_statuses", "Delivery statuses reported, by type.", ["channel", "status"])
sender_in_flight = Gauge(
    "rekindle_sender_in_flight",
    "Dispatches claimed and not yet reported: at the gateway, or waiting for it.",
    ["channel"],
)
sender_gateway_seconds = Histogram(
    "rekindle_sender_gateway_seconds", "Time of one call of the gateway.", ["channel"], buckets=_SECONDS
)
sender_retries = Counter(
    "rekindle_sender_retries", "Hand-overs that the gateway put off and are repeated.", ["channel"]
)
sender_duplicates = Counter(
    "rekindle_sender_duplicates", "Dispatches that came again and were passed over, by the ledger.", ["channel"]
)

# the links
link_answers = Counter("rekindle_link_answers", "Answers of `rekindle links`, by HTTP status.", ["status"])

# segments that are decided outside the engine
segment_changes = Counter(
    "rekindle_segment_changes",
    "Members put into segments or taken out of them, published, by origin: upload, sql or rfm.",
    ["origin"],
)
segment_failures = Counter(
    "rekindle_segment_failures", "Evaluations of SQL segments and RFM that failed, by segment.", ["list"]
)
segment_due_timestamp_seconds = Gauge(
    "rekindle_segment_due_timestamp_seconds",
    "When a SQL segment or RFM is to be evaluated next, in seconds since the epoch; while it fails, when it was to be.",
    ["list"],
)
