"""The bounds that keep a campaign, or a flood of events, from stalling a worker.

A journey beyond one ends with `limit_exceeded`; of the state, the oldest or the newest beyond one is left out.
"""

STEPS_PER_RUN_MAX = 1_000
"""Actions of one journey from one wait to the next."""
JOURNEYS_PER_MEMBER_MAX = 200
TIMERS_FIRED_PER_HANDLING_MAX = 10_000
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
ASSIGNED_MAX = 1_000
MAILED_KEPT_MAX = 1_000
SEEN_MAX = 10_000
"""Event ids remembered of one member: some 140 kB. Beyond, the oldest are forgotten before their week is over."""
SEEN_FOR_MS = 7 * 86_400_000
"""An event id is remembered for seven days from its first (contract §4.4)."""
OUTAGE_MS = 300_000
"""A tick of the clock that comes later than this after a timer was due makes it happen at the tick (contract §4.2)."""
