-- How far the dispatches of each campaign, channel and day (of the dispatch, UTC) came.
-- A view that is computed when it is read: statuses come days after their dispatch, so no insert could keep sums right.
-- Later steps imply earlier ones: a message that was opened counts as delivered and sent, even without those reports.

CREATE VIEW IF NOT EXISTS dispatch_funnel AS
SELECT
    toDate(dispatches.at, 'UTC') AS day,
    dispatches.campaign AS campaign,
    dispatches.channel AS channel,
    count() AS dispatched,
    countIf(reached.step >= 1) AS sent,
    countIf(reached.step >= 2) AS delivered,
    countIf(reached.step >= 3) AS opened,
    countIf(reached.step >= 4) AS clicked,
    countIf(reached.failed > 0) AS failed,
    countIf(reached.complained > 0) AS complained,
    countIf(reached.unsubscribed > 0) AS unsubscribed
FROM dispatches
LEFT JOIN
(
    SELECT
        dispatch_id,
        max(transform(status, ['message_sent', 'message_delivered', 'message_opened', 'message_clicked'], [1, 2, 3, 4], 0)) AS step,
        countIf(status = 'message_failed') AS failed,
        countIf(status = 'message_complained') AS complained,
        countIf(status = 'member_unsubscribed') AS unsubscribed
    FROM delivery_statuses
    GROUP BY dispatch_id
) AS reached ON reached.dispatch_id = dispatches.dispatch_id
GROUP BY day, campaign, channel;
