"""The first stage: source topics in, one log of all events out, merged by time and carrying ticks."""
