"""Single files of a Maven repository, fetched through jgo with a count of bytes; judging them is the caller's.

jgo takes a half-written file in its folder for a whole one, so every attempt has a folder of its own.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from infra.local.progress import Progress
from streams.errors import RekindleError

ATTEMPTS_MAX = 3
READ_TIMEOUT_S = 60


class Counter:
    """Adds up the bytes of parallel downloads; a failed attempt's bytes are taken back."""

    def __init__(self, total_bytes: int, progress: Progress) -> None:
        self._total_bytes = total_bytes
        self._progress = progress
        self._done_bytes = 0
        self._lock = threading.Lock()

    def add(self, count_bytes: int) -> None:
        """Count so many more, negative: fewer."""
        with self._lock:
            self._done_bytes += count_bytes
            self._progress.downloaded(self._done_bytes, self._total_bytes)


class Attempt:
    """One attempt's share of the count, in the shape in which jgo reports progress."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._bytes = 0

    @contextlib.contextmanager
    def follow(self, _name: str, _size_bytes: int) -> Iterator[Callable[[int], None]]:
        """Give jgo what it calls for each piece."""
        yield self._add

    def take_back(self) -> None:
        """Uncount what a failed attempt had."""
        self._counter.add(-self._bytes)

    def _add(self, count_bytes: int) -> None:
        self._bytes += count_bytes
        self._counter.add(count_bytes)


def fetch(coordinate: str, staging: Path, counter: Counter, mirror: str | None) -> Path:
    """Download `group:artifact:version[:classifier:packaging]` into a folder of our own. Raises `RekindleError`."""
    try:
        import requests  # noqa: PLC0415 - with jgo, an optional dependency
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415
    except ImportError:
        raise RekindleError(
            "the services without Docker need the extra `local`: pip install 'rekindle[local]'"
        ) from None
    group, name, version, *rest = coordinate.split(":")
    classifier, packaging = rest or ("", "jar")
    last: Exception | None = None
    for number in range(ATTEMPTS_MAX):
        attempt = Attempt(counter)
        context = MavenContext(
            resolver=PythonResolver(progress_callback=attempt.follow),
            repo_cache=staging / str(number),
            remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
            timeout=READ_TIMEOUT_S,
        )
        component = context.project(group, name).at_version(version)
        try:
            return Path(component.artifact(classifier=classifier, packaging=packaging).resolve())
        except (requests.RequestException, RuntimeError) as error:  # jgo: RuntimeError for any answer but 200
            last = error
            attempt.take_back()
    reason = "the repository doesn't have it" if isinstance(last, RuntimeError) else f"no answer, {type(last).__name__}"
    raise RekindleError(f"{coordinate} cannot be downloaded: {reason}")
