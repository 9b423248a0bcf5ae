"""What no definition can know by itself: whether the names in it stand for something."""

from collections.abc import Iterator

from streams.programme.definitions import Reading
from streams.programme.problems import Problem


def check(reading: Reading) -> Iterator[Problem]:
    """Every reference to something that isn't there, and every doubt."""
    yield from ()
