"""The bounds that keep a campaign, or a flood of events, from stalling a worker.

A journey beyond one ends with `limit_exceeded`; of the state, the oldest or the newest beyond one is left out.
"""

STEPS_PER_RUN_MAX = 1_000
"""Actions of one journey from one wait to the next."""
ACTIONS_UNCOUNTED = 100
"""Actions in one handling of a member; only beyond them is each campaign's share looked at."""
ACTIONS_AT_ONCE_MAX = 5_000
"""Actions of all journeys of one campaign and member at one moment."""
ENTRIES_AT_ONCE_MAX = 100
"""Journeys of one campaign that a member enters at one moment: a campaign that triggers itself ends here."""
SEGMENT_ROUNDS_MAX = 10
"""How often what a change of segments triggers may change segments again, in one go."""
SEGMENT_DEPTH_MAX = 50
"""How far segments may ask for segments that ask for segments."""
SEGMENT_TESTS_MAX = 10_000
"""Tests in a segment's condition, with those of all segments that it asks for."""
JOURNEYS_PER_MEMBER_MAX = 200
PENDING_PER_MEMBER_MAX = 500
"""Messages that are deferred or wait for a status."""
ENTRY_BYTES_MAX = 262_144
"""Of what all running journeys of a member remember of the events that they were entered by."""
ENTRY_BYTES_SMALL = 512
"""Entry events of up to this are not added up: as many as there may be journeys are within the bound."""
NAMED_MAX = 20
"""Messages of a journey that a later wait can refer to, the latest."""
STATE_BYTES_MAX = 524_288
"""Of a member's whole state as encoded: half of the largest record that Kafka takes by default."""
JOURNEYS_LIGHT = 10
STATE_ITEMS_LIGHT = 20
"""A state with no more things than this in its lists is light; it isn't weighed."""
STATE_GATHERED_LIGHT = 1_000
"""Nor is one with no more messages and buckets of counters than this, when it has just become part of another."""
TIMERS_FIRED_PER_HANDLING_MAX = 5_000
"""The rest is fired with the next record."""
SENT_KEPT_MAX = 500
CLICKS_KEPT_MAX = 5
"""Clicks remembered of one message, the latest."""
LATE_PURCHASE_MS = 7 * 86_400_000
"""A purchase that comes later than this is attributed to nothing; so long a message is kept beyond its period."""
RETURN_MS = 30 * 86_400_000
"""A return corrects the attribution of a purchase that was made less than this before."""
ATTRIBUTED_KEPT_MAX = 20
"""Purchases remembered of those attributed to one message, the latest."""
ORDERS_KEPT_MAX = 50
CART_LINES_MAX = 500
ACCRUALS_KEPT_MAX = 1_000
DISTINCT_VALUES_MAX = 1_000
ATTRIBUTES_MAX = 500
TEXT_CHARS_MAX = 1_000
"""Texts of the profile, the cart and counters of different values are cut to this."""
STATEMENTS_MAX = 200
"""Beyond, one about a single messaging type is forgotten: the oldest yes, else the oldest no that a wider one says too,
else the oldest no; never one about a whole channel or everything."""
NAME_CHARS_MAX = 100
"""Names of messaging types that members make statements about are cut to this."""
ASSIGNED_MAX = 1_000
MAILED_KEPT_MAX = 1_000
TEMPLATE_SOURCE_CHARS_MAX = 250_000
TEMPLATE_TAGS_MAX = 2_000
"""Outputs and tags of a template, opened: parsing takes the square of those that are never closed."""
TEMPLATE_EXPRESSION_PARTS_MAX = 200
TEMPLATE_TEXT_BYTES_MAX = 262_144
"""Of one part of a message, as rendered; also of what `assign` and `capture` keep."""
TEMPLATE_LOOP_ROUNDS_MAX = 10_000
"""Of nested loops together."""
TEMPLATE_WORK_MAX = 200_000
"""Units of at most some microseconds that all templates of a campaign may take in one handling of a member."""
NUMBER_DIGITS_MAX = 30
"""Of a number that a template reckons."""
CONTENT_BYTES_MAX = 524_288
"""Of all parts of a message, or of a webhook's body: well below the largest record that Kafka takes by default."""
NOTICED_KEPT_MAX = 100
"""Notices of bonus points that were given, the latest."""
SEEN_MAX = 10_000
"""Event ids remembered of one member: some 140 kB. Beyond, the oldest are forgotten before their week is over."""
SEEN_FOR_MS = 7 * 86_400_000
"""An event id is remembered for seven days from its first (contract §4.4)."""
OUTAGE_MS = 300_000
"""A tick of the clock that comes later than this after a timer was due makes it happen at the tick (contract §4.2)."""
