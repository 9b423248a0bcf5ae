-- What a member does by habit, reckoned when it is asked from what the tables hold under the member's key. These are
-- views: ask for one member (WHERE member_id = ...) and only theirs is read.

-- Receipts by store and by hour of the day (UTC): of stores with as many receipts the one visited last.
CREATE VIEW IF NOT EXISTS purchase_habits AS
SELECT
    member_id,
    sum(times) AS receipts,
    argMax(store_id, (times, last_at)) AS favourite_store,
    sumMap(by_hour) AS receipts_by_hour_utc
FROM
(
    SELECT
        key AS member_id,
        store_id,
        count() AS times,
        max(occurred_at) AS last_at,
        sumMap(map(toHour(occurred_at), toUInt64(1))) AS by_hour
    FROM purchases
    WHERE type = 'purchase_completed'
    GROUP BY key, store_id
)
GROUP BY member_id;

-- The three categories with most lines on receipts, most first.
CREATE VIEW IF NOT EXISTS category_habits AS
SELECT
    member_id,
    arrayMap(each -> each.2, arraySlice(arraySort(each -> (-each.1, each.2), groupArray((times, named))), 1, 3)) AS favourite_categories
FROM
(
    SELECT key AS member_id, assumeNotNull(category) AS named, toInt64(count()) AS times
    FROM purchase_lines
    WHERE type = 'purchase_completed' AND category IS NOT NULL
    GROUP BY key, named
)
GROUP BY member_id;

-- How messages of each channel were answered: the preferred one has the greatest share of messages that were opened or
-- clicked, reckoned as if three more had gone unanswered, because one or two prove little.
CREATE VIEW IF NOT EXISTS channel_habits AS
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
    FROM delivery_statuses
    WHERE status IN ('message_sent', 'message_delivered', 'message_opened', 'message_clicked')
    GROUP BY member_id, channel
)
GROUP BY member_id;

-- Visits of site and app, and the section that was looked at most; of equals the one looked at last.
CREATE VIEW IF NOT EXISTS visit_habits AS
SELECT
    member_id,
    sum(times) AS visits,
    max(seen_at) AS last_seen_at,
    nullIf(argMax(section, (section != '', views, seen_at)), '') AS favourite_section
FROM
(
    SELECT
        key AS member_id,
        JSONExtractString(body, 'section') AS section,
        countIf(type = 'site_visited') AS times,
        countIf(type = 'section_visited') AS views,
        max(occurred_at) AS seen_at
    FROM events
    WHERE type IN ('site_visited', 'section_visited', 'product_viewed')
    GROUP BY key, section
)
GROUP BY member_id;

-- Members whom a member brought.
CREATE VIEW IF NOT EXISTS referral_habits AS
SELECT assumeNotNull(referrer_id) AS member_id, count() AS referrals
FROM profiles FINAL
WHERE referrer_id IS NOT NULL
GROUP BY referrer_id;

-- All of it together, a row for every member.
CREATE VIEW IF NOT EXISTS member_habits AS
SELECT
    known.member_id AS member_id,
    purchase_habits.receipts AS receipts,
    purchase_habits.favourite_store AS favourite_store,
    purchase_habits.receipts_by_hour_utc AS receipts_by_hour_utc,
    category_habits.favourite_categories AS favourite_categories,
    nullIf(channel_habits.preferred_channel, '') AS preferred_channel,
    channel_habits.messages_sent AS messages_sent,
    channel_habits.messages_answered AS messages_answered,
    visit_habits.visits AS visits,
    visit_habits.last_seen_at AS last_seen_at,
    visit_habits.favourite_section AS favourite_section,
    referral_habits.referrals AS referrals
FROM (SELECT member_id FROM profiles FINAL) AS known
LEFT JOIN purchase_habits ON purchase_habits.member_id = known.member_id
LEFT JOIN category_habits ON category_habits.member_id = known.member_id
LEFT JOIN channel_habits ON channel_habits.member_id = known.member_id
LEFT JOIN visit_habits ON visit_habits.member_id = known.member_id
LEFT JOIN referral_habits ON referral_habits.member_id = known.member_id;
