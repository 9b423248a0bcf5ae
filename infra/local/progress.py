"""What a long start tells the person who waits: sentences, and bytes downloaded. Silent unless a caller listens."""

from typing import Protocol


class Progress(Protocol):
    """Receives what happens, possibly from several threads at once."""

    def say(self, text: str) -> None:
        """Take note of one sentence: something began or ended."""

    def downloaded(self, done_bytes: int, total_bytes: int) -> None:
        """Take note of how far the downloads of this run have come."""


class Silent:
    """Tells nobody."""

    def say(self, text: str) -> None:
        """Drop it."""

    def downloaded(self, done_bytes: int, total_bytes: int) -> None:
        """Drop it."""
