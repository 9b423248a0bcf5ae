-- Events that came to a state that had gone, and were sent on to its heir. The log has such an event twice, under both
-- keys; the tables have it once, as it came, and here stands to whom it was sent: for each time, if it had to be again.
CREATE TABLE IF NOT EXISTS sent_on
(
    event_id String,
    source LowCardinality(String),
    into String,
    occurred_at DateTime64(3, 'UTC'),
    _topic LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
    INDEX by_offset _offset TYPE minmax
)
ENGINE = MergeTree
ORDER BY (into, occurred_at, _offset)
SETTINGS non_replicated_deduplication_window = 10000;

-- Where in the log they came, under which key. Other keys than those that went to who is named above needn't be looked at.
CREATE VIEW IF NOT EXISTS sent_on_places AS
SELECT key, event_id, source, _partition, _offset FROM events
WHERE key IN (SELECT gone FROM moves WHERE into IN (SELECT into FROM sent_on))
    AND (event_id, source) IN (SELECT event_id, source FROM sent_on);

-- The same, and whose they are in the end: by the last note of each, should there be several.
CREATE VIEW IF NOT EXISTS sent_on_rows AS
SELECT came.key AS key, came._partition AS _partition, came._offset AS _offset, sent.member_id AS member_id
FROM sent_on_places AS came
INNER JOIN
(
    SELECT
        sent_on.event_id AS event_id,
        sent_on.source AS source,
        argMax(coalesce(nullIf(merged_members.member_id, ''), sent_on.into), (sent_on._inserted_at, sent_on._offset)) AS member_id
    FROM sent_on
    LEFT JOIN merged_members ON merged_members.key = sent_on.into
    GROUP BY event_id, source
) AS sent ON sent.event_id = came.event_id AND sent.source = came.source;

-- What stands under keys of before, as the heirs' (migration 13), anew: what was sent on is of whom it was sent to,
-- though it came after the move. Whoever it came back to has it under their own key.

CREATE OR REPLACE VIEW inherited_events AS
SELECT owners.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT * FROM events
    WHERE (startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
        OR key IN (SELECT gone FROM mergers))
        AND (_partition, _offset) NOT IN (SELECT _partition, _offset FROM sent_on_places)
) AS held
INNER ASOF JOIN
(
    SELECT key, _partition, _until, member_id FROM owners WHERE key IN
    (
        SELECT key FROM events
        WHERE startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
            OR key IN (SELECT gone FROM mergers)
    )
) AS owners ON owners.key = held.key AND owners._partition = held._partition AND held._offset < owners._until
UNION ALL
SELECT sent.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT * FROM events
    WHERE key IN (SELECT key FROM sent_on_places) AND (_partition, _offset) IN (SELECT _partition, _offset FROM sent_on_places)
) AS held
INNER JOIN sent_on_rows AS sent ON sent._partition = held._partition AND sent._offset = held._offset
WHERE sent.member_id != sent.key;

CREATE OR REPLACE VIEW inherited_purchases AS
SELECT owners.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT * FROM purchases
    WHERE (startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
        OR key IN (SELECT gone FROM mergers))
        AND (_partition, _offset) NOT IN (SELECT _partition, _offset FROM sent_on_places)
) AS held
INNER ASOF JOIN
(
    SELECT key, _partition, _until, member_id FROM owners WHERE key IN
    (
        SELECT key FROM purchases
        WHERE startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
            OR key IN (SELECT gone FROM mergers)
    )
) AS owners ON owners.key = held.key AND owners._partition = held._partition AND held._offset < owners._until
UNION ALL
SELECT sent.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT * FROM purchases
    WHERE key IN (SELECT key FROM sent_on_places) AND (_partition, _offset) IN (SELECT _partition, _offset FROM sent_on_places)
) AS held
INNER JOIN sent_on_rows AS sent ON sent._partition = held._partition AND sent._offset = held._offset
WHERE sent.member_id != sent.key;

CREATE OR REPLACE VIEW inherited_purchase_lines AS
SELECT owners.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT * FROM purchase_lines
    WHERE (startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
        OR key IN (SELECT gone FROM mergers))
        AND (_partition, _offset) NOT IN (SELECT _partition, _offset FROM sent_on_places)
) AS held
INNER ASOF JOIN
(
    SELECT key, _partition, _until, member_id FROM owners WHERE key IN
    (
        SELECT key FROM purchase_lines
        WHERE startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
            OR key IN (SELECT gone FROM mergers)
    )
) AS owners ON owners.key = held.key AND owners._partition = held._partition AND held._offset < owners._until
UNION ALL
SELECT sent.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT * FROM purchase_lines
    WHERE key IN (SELECT key FROM sent_on_places) AND (_partition, _offset) IN (SELECT _partition, _offset FROM sent_on_places)
) AS held
INNER JOIN sent_on_rows AS sent ON sent._partition = held._partition AND sent._offset = held._offset
WHERE sent.member_id != sent.key;

CREATE OR REPLACE VIEW inherited_delivery_statuses AS
SELECT owners.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT *, member_id AS key FROM delivery_statuses
    WHERE (startsWith(member_id, 'visitor:') OR startsWith(member_id, 'card:') OR startsWith(member_id, 'phone:') OR startsWith(member_id, 'email:')
        OR member_id IN (SELECT gone FROM mergers))
        AND (_partition, _offset) NOT IN (SELECT _partition, _offset FROM sent_on_places)
) AS held
INNER ASOF JOIN
(
    SELECT key, _partition, _until, member_id FROM owners WHERE key IN
    (
        SELECT member_id FROM delivery_statuses
        WHERE startsWith(member_id, 'visitor:') OR startsWith(member_id, 'card:') OR startsWith(member_id, 'phone:') OR startsWith(member_id, 'email:')
            OR member_id IN (SELECT gone FROM mergers)
    )
) AS owners ON owners.key = held.key AND owners._partition = held._partition AND held._offset < owners._until
UNION ALL
SELECT sent.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT *, member_id AS key FROM delivery_statuses
    WHERE _offset IN (SELECT _offset FROM sent_on_places) AND (_partition, _offset) IN (SELECT _partition, _offset FROM sent_on_places)
) AS held
INNER JOIN sent_on_rows AS sent ON sent._partition = held._partition AND sent._offset = held._offset
WHERE sent.member_id != sent.key;
