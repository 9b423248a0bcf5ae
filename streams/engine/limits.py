"""The bounds that keep a campaign from stalling a worker. Beyond one, the journey ends with `limit_exceeded`."""

STEPS_PER_HANDLING_MAX = 1_000
JOURNEYS_PER_MEMBER_MAX = 200
TIMERS_FIRED_PER_HANDLING_MAX = 10_000
SENT_KEPT_MAX = 500
ORDERS_KEPT_MAX = 50
CART_LINES_MAX = 500
ACCRUALS_KEPT_MAX = 1_000
DISTINCT_VALUES_MAX = 1_000
ATTRIBUTES_MAX = 500
SEEN_FOR_MS = 7 * 86_400_000
"""An event id is remembered for seven days from its first (contract §4.4)."""
OUTAGE_MS = 300_000
"""A tick of the clock that comes later than this after a timer was due makes it happen at the tick (contract §4.2)."""
