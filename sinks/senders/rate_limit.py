"""A token bucket: at most so many hand-overs per second, evenly rather than in bursts.

Pure: the time, in seconds of a monotonic clock, is passed in.
"""

import math

BURST_S = 0.1


class TokenBucket:
    """Grants `rate` tokens per second and saves up a tenth of a second, at least one. A rate of 0 is no limit."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._burst = max(1.0, rate * BURST_S)
        self._tokens = self._burst
        self._at = now

    def take(self, wanted: int, now: float) -> int:
        """Take up to `wanted` tokens; returns how many there were."""
        if self._rate <= 0:
            return wanted
        self._refill(now)
        granted = max(0, min(wanted, math.floor(self._tokens + 1e-9)))
        self._tokens -= granted
        return granted

    def charge(self, tokens: int, now: float) -> None:
        """Take tokens that are not there yet (for repeated attempts): those who come next wait for them."""
        if self._rate > 0:
            self._refill(now)
            self._tokens -= tokens

    def _refill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = max(self._at, now)
