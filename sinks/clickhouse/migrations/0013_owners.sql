-- Whose the rows are that stand under a key of before: a stranger's who turned out to be a member, or a member's who was
-- merged into another. They are the heir's if the log had them before the move, which has a record under the key that
-- goes: in the same partition, at a later offset. What comes under the key after that is somebody else's, or was sent
-- on and stands under the heir's key, too. No time is compared: a late event may be what makes the link.

-- Of the moves those of members who were merged into others, a few among many strangers'. One may stand here twice.
CREATE TABLE IF NOT EXISTS mergers
(
    gone String,
    into String,
    occurred_at DateTime64(3, 'UTC'),
    _offset UInt64
)
ENGINE = MergeTree
ORDER BY gone
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS mergers_feed TO mergers AS
SELECT gone, into, occurred_at, _offset FROM moves WHERE NOT match(gone, '^(visitor|card|phone|email):');

INSERT INTO mergers (gone, into, occurred_at, _offset)
SELECT gone, into, occurred_at, _offset FROM moves
WHERE NOT match(gone, '^(visitor|card|phone|email):') AND (gone, into) NOT IN (SELECT gone, into FROM mergers);

-- Ids of members who were merged into others, and who it is in the end, over at most 64 steps. Two who were merged into
-- each other at once go round in a circle: the one of the smaller id stays (streams/members/moves.py).
CREATE VIEW IF NOT EXISTS merged_members AS
WITH RECURSIVE
    latest AS (SELECT gone, argMax(into, (occurred_at, _offset)) AS heir FROM mergers GROUP BY gone),
    steps AS
    (
        SELECT gone, heir, 1 AS step FROM latest
        UNION ALL
        SELECT steps.gone, latest.heir, steps.step + 1
        FROM steps INNER JOIN latest ON latest.gone = steps.heir
        WHERE steps.step < 64
    )
SELECT gone AS key, if(max(step) = 64, min(heir), argMax(heir, step)) AS member_id
FROM steps
GROUP BY gone
HAVING member_id != key;

-- Rows under `key` are `member_id`'s where they stand in `_partition` of the log before `_until`: in each, the next.
CREATE VIEW IF NOT EXISTS owners AS
SELECT
    moves.gone AS key,
    moves._partition AS _partition,
    moves._offset AS _until,
    coalesce(nullIf(merged_members.member_id, ''), moves.into) AS member_id
FROM moves
LEFT JOIN merged_members ON merged_members.key = moves.into
WHERE member_id != key;

-- What stands under keys of before, as the heirs'. Such keys are those that begin as a stranger's does, and merged ids.
CREATE VIEW IF NOT EXISTS inherited_events AS
SELECT owners.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT * FROM events
    WHERE startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
        OR key IN (SELECT gone FROM mergers)
) AS held
INNER ASOF JOIN
(
    SELECT key, _partition, _until, member_id FROM owners WHERE key IN
    (
        SELECT key FROM events
        WHERE startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
            OR key IN (SELECT gone FROM mergers)
    )
) AS owners ON owners.key = held.key AND owners._partition = held._partition AND held._offset < owners._until;

CREATE VIEW IF NOT EXISTS inherited_purchases AS
SELECT owners.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT * FROM purchases
    WHERE startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
        OR key IN (SELECT gone FROM mergers)
) AS held
INNER ASOF JOIN
(
    SELECT key, _partition, _until, member_id FROM owners WHERE key IN
    (
        SELECT key FROM purchases
        WHERE startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
            OR key IN (SELECT gone FROM mergers)
    )
) AS owners ON owners.key = held.key AND owners._partition = held._partition AND held._offset < owners._until;

CREATE VIEW IF NOT EXISTS inherited_purchase_lines AS
SELECT owners.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT * FROM purchase_lines
    WHERE startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
        OR key IN (SELECT gone FROM mergers)
) AS held
INNER ASOF JOIN
(
    SELECT key, _partition, _until, member_id FROM owners WHERE key IN
    (
        SELECT key FROM purchase_lines
        WHERE startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
            OR key IN (SELECT gone FROM mergers)
    )
) AS owners ON owners.key = held.key AND owners._partition = held._partition AND held._offset < owners._until;

CREATE VIEW IF NOT EXISTS inherited_delivery_statuses AS
SELECT owners.member_id AS member_id, held.key AS key, held.* EXCEPT (key, member_id)
FROM
(
    SELECT *, member_id AS key FROM delivery_statuses
    WHERE startsWith(member_id, 'visitor:') OR startsWith(member_id, 'card:') OR startsWith(member_id, 'phone:') OR startsWith(member_id, 'email:')
        OR member_id IN (SELECT gone FROM mergers)
) AS held
INNER ASOF JOIN
(
    SELECT key, _partition, _until, member_id FROM owners WHERE key IN
    (
        SELECT member_id FROM delivery_statuses
        WHERE startsWith(member_id, 'visitor:') OR startsWith(member_id, 'card:') OR startsWith(member_id, 'phone:') OR startsWith(member_id, 'email:')
            OR member_id IN (SELECT gone FROM mergers)
    )
) AS owners ON owners.key = held.key AND owners._partition = held._partition AND held._offset < owners._until;

-- All that is a member's, from before they were known, too; `key` is what it stands under. Of strangers whom nobody
-- knows there is nothing.
CREATE VIEW IF NOT EXISTS member_events AS
SELECT key AS member_id, key, * EXCEPT (key, member_id) FROM events
WHERE NOT (startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
    OR startsWith(key, 'receipt:'))
    AND key NOT IN (SELECT key FROM merged_members)
UNION ALL
SELECT * FROM inherited_events;

CREATE VIEW IF NOT EXISTS member_purchases AS
SELECT key AS member_id, key, * EXCEPT (key, member_id) FROM purchases
WHERE NOT (startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
    OR startsWith(key, 'receipt:'))
    AND key NOT IN (SELECT key FROM merged_members)
UNION ALL
SELECT * FROM inherited_purchases;

CREATE VIEW IF NOT EXISTS member_purchase_lines AS
SELECT key AS member_id, key, * EXCEPT (key, member_id) FROM purchase_lines
WHERE NOT (startsWith(key, 'visitor:') OR startsWith(key, 'card:') OR startsWith(key, 'phone:') OR startsWith(key, 'email:')
    OR startsWith(key, 'receipt:'))
    AND key NOT IN (SELECT key FROM merged_members)
UNION ALL
SELECT * FROM inherited_purchase_lines;

CREATE VIEW IF NOT EXISTS member_delivery_statuses AS
SELECT member_id, member_id AS key, * EXCEPT (member_id) FROM delivery_statuses
WHERE NOT (startsWith(member_id, 'visitor:') OR startsWith(member_id, 'card:') OR startsWith(member_id, 'phone:') OR startsWith(member_id, 'email:')
    OR startsWith(member_id, 'receipt:'))
    AND member_id NOT IN (SELECT key FROM merged_members)
UNION ALL
SELECT * FROM inherited_delivery_statuses;

-- Habits (migration 11) of all that is a member's.

CREATE OR REPLACE VIEW purchase_habits AS
SELECT
    member_id,
    sum(times) AS receipts,
    argMax(store_id, (times, last_at)) AS favourite_store,
    sumMap(by_hour) AS receipts_by_hour_utc
FROM
(
    SELECT
        member_id,
        store_id,
        count() AS times,
        max(occurred_at) AS last_at,
        sumMap(map(toHour(occurred_at), toUInt64(1))) AS by_hour
    FROM member_purchases
    WHERE type = 'purchase_completed'
    GROUP BY member_id, store_id
)
GROUP BY member_id;

CREATE OR REPLACE VIEW category_habits AS
SELECT
    member_id,
    arrayMap(each -> each.2, arraySlice(arraySort(each -> (-each.1, each.2), groupArray((times, named))), 1, 3)) AS favourite_categories
FROM
(
    SELECT member_id, assumeNotNull(category) AS named, toInt64(count()) AS times
    FROM member_purchase_lines
    WHERE type = 'purchase_completed' AND category IS NOT NULL
    GROUP BY member_id, named
)
GROUP BY member_id;

CREATE OR REPLACE VIEW channel_habits AS
SELECT
    member_id,
    argMaxIf(channel, (reacted / (sent + 3), reacted, channel), reacted > 0) AS preferred_channel,
    mapFromArrays(groupArray(channel), groupArray(sent)) AS messages_sent,
    mapFromArrays(groupArray(channel), groupArray(reacted)) AS messages_answered
FROM
(
    SELECT
        member_id,
        toString(channel) AS channel,
        uniqExact(dispatch_id) AS sent,
        uniqExactIf(dispatch_id, status IN ('message_opened', 'message_clicked')) AS reacted
    FROM member_delivery_statuses
    WHERE status IN ('message_sent', 'message_delivered', 'message_opened', 'message_clicked')
    GROUP BY member_id, channel
)
GROUP BY member_id;

CREATE OR REPLACE VIEW visit_habits AS
SELECT
    member_id,
    sum(times) AS visits,
    max(seen_at) AS last_seen_at,
    nullIf(argMax(section, (section != '', views, seen_at)), '') AS favourite_section
FROM
(
    SELECT
        member_id,
        JSONExtractString(body, 'section') AS section,
        countIf(type = 'site_visited') AS times,
        countIf(type = 'section_visited') AS views,
        max(occurred_at) AS seen_at
    FROM member_events
    WHERE type IN ('site_visited', 'section_visited', 'product_viewed')
    GROUP BY member_id, section
)
GROUP BY member_id;

-- Members whom a member brought, also under an id that was merged into theirs.
CREATE OR REPLACE VIEW referral_habits AS
SELECT coalesce(nullIf(merged_members.member_id, ''), brought.by) AS member_id, count() AS referrals
FROM (SELECT assumeNotNull(referrer_id) AS by FROM profiles FINAL WHERE referrer_id IS NOT NULL) AS brought
LEFT JOIN merged_members ON merged_members.key = brought.by
GROUP BY member_id;

-- Purchases and returns of the period of a run of RFM that members have from before: with their own they make one member.
CREATE TABLE IF NOT EXISTS rfm_inherited
(
    run String,
    member_id String,
    id UInt64,
    occurred_at DateTime64(3, 'UTC'),
    bought Bool,
    amount Decimal(18, 6),
    staged_at DateTime DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY run
ORDER BY member_id
TTL staged_at + INTERVAL 2 DAY
SETTINGS ttl_only_drop_parts = 1;
