"""The engine's bounds that a generated history may reach; a test makes them small in both."""

JOURNEYS_MAX = 200
STEPS_MAX = 1_000
