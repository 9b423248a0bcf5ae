"""The second stage: every member's state, its timers, and the engine that decides; load, step, store, emit."""
