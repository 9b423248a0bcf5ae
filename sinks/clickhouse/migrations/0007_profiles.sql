-- What is known of each member, as the topic member.profiles has it: one row per member counts, the one of the highest
-- offset, so read it with FINAL (`FROM profiles FINAL`), which also leaves out who is gone. Everything that a condition
-- can ask of a member is here: what depends on the time of asking (counters, balances) as what it is reckoned from.
--
-- time_zone is the zone that counts, null the programme's. counter_numbers and counter_values hold the buckets of the
-- counters (streams/engine/windows.py); those of another `definition` than the counter's count nothing. Of segments,
-- segments_assigned is what was said (it overrides list and condition), segments_inside the memberships last known of
-- those that campaigns listen to. Numbers of attributes are as fine as a campaign may set them (`set: {share: 1e-7}`).
-- left_out names fields that were too large for the record and are empty here.
CREATE TABLE IF NOT EXISTS profiles
(
    member_id String,
    at DateTime64(3, 'UTC'),
    is_deleted UInt8,
    registered_at Nullable(DateTime64(3, 'UTC')),
    first_name Nullable(String),
    middle_name Nullable(String),
    last_name Nullable(String),
    phone Nullable(String),
    email Nullable(String),
    birth_date Nullable(Date32),
    gender LowCardinality(Nullable(String)),
    city LowCardinality(Nullable(String)),
    address Nullable(String),
    time_zone LowCardinality(Nullable(String)),
    stated_time_zone LowCardinality(Nullable(String)),
    referrer_id Nullable(String),
    status LowCardinality(Nullable(String)),
    card_number Nullable(String),
    push_token Nullable(String),
    platform LowCardinality(Nullable(String)),
    attribute_texts Map(String, String),
    attribute_numbers Map(String, Decimal(76, 44)),
    attribute_truths Map(String, Bool),
    social Map(String, String),
    purchases_count Int64,
    purchases_total Decimal(38, 6),
    purchases_first_at Nullable(DateTime64(3, 'UTC')),
    purchases_last_at Nullable(DateTime64(3, 'UTC')),
    counter_numbers Array(Tuple(name String, definition String, bucket Int64, number Decimal(38, 6))),
    counter_values Array(Tuple(name String, definition String, bucket Int64, value String)),
    last_times Array(Tuple(type String, latest DateTime64(3, 'UTC'), earlier Nullable(DateTime64(3, 'UTC')))),
    accruals Array(Tuple(accrual_id String, currency String, amount Decimal(38, 6), spent Decimal(38, 6), accrued_at DateTime64(3, 'UTC'), activates_at DateTime64(3, 'UTC'), expires_at Nullable(DateTime64(3, 'UTC')), cancelled Bool)),
    segments_assigned Map(String, Bool),
    segments_inside Array(String),
    rfm_segment LowCardinality(Nullable(String)),
    rfm_recency Nullable(Int64),
    rfm_frequency Nullable(Int64),
    rfm_monetary Nullable(Int64),
    statements Array(Tuple(channel Nullable(String), messaging_type Nullable(String), subscribed Bool, at DateTime64(3, 'UTC'))),
    undeliverable Map(String, String),
    journeys Array(Tuple(campaign String, version Int64, entered_at DateTime64(3, 'UTC'), waits_at Nullable(String))),
    left_out Array(String),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(_offset, is_deleted)
ORDER BY member_id
SETTINGS non_replicated_deduplication_window = 10000;
