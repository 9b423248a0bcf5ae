"""Has several pytest sessions share their tests, module by module: `-p tests.share`, REKINDLE_TEST_SHARE a folder.

Whoever is free takes the next module, by making a file of its name there, so nobody has to know how long tests take.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import pytest

VARIABLE = "REKINDLE_TEST_SHARE"


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run what this session takes; the rest is for the others."""
    if session.testsfailed or session.config.option.collectonly:
        return None  # pytest's own says so
    taken = _take(session.items, Path(os.environ[VARIABLE]))
    item = next(taken, None)
    while item is not None:
        following = next(taken, None)  # known before, so that what both need stays up
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True


def _take(items: Iterable[pytest.Item], folder: Path) -> Iterator[pytest.Item]:
    for module, own in groupby(items, lambda item: item.nodeid.partition("::")[0]):
        try:
            (folder / module.replace("/", "-")).touch(exist_ok=False)
        except FileExistsError:
            continue
        yield from own
