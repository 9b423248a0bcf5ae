"""The second stage: every member's state, its timers, and the engine that decides; load, step, store, emit."""

from streams.compiled import MEMBERS, prefer

prefer(__path__, MEMBERS)
