"""Jars and archives: downloaded once, verified against the sha256 in `artifacts.txt`, kept in a cache for all runs.

Which files there are is not resolved at run time: `artifacts.txt` names every one with its exact version, size and
sha256 (`pin_artifacts.py` writes it), so two machines run the same bytes. jgo's Maven layer fetches single files; it
only warns when a checksum differs, hence our own list.

A file reaches the cache by a rename after its checksum was found right, under a lock: a killed run, a full disk or
two runs at once never leave half a file there. A cached file is hashed again on every start (50 MB, 0.1 s).
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.local.disk import require_space
from infra.local.download import Counter, fetch
from infra.local.progress import Progress
from streams.errors import RekindleError

LIST = Path(__file__).parent / "artifacts.txt"
DOWNLOADS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a Maven repository, pinned."""

    group: str
    name: str
    version: str
    classifier: str
    packaging: str
    size_bytes: int
    sha256: str

    @property
    def coordinate(self) -> str:
        """As in `artifacts.txt`."""
        parts = [self.group, self.name, self.version]
        return ":".join(parts + ([self.classifier, self.packaging] if self.classifier else []))

    @property
    def file_name(self) -> str:
        """The file's name in the cache."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.packaging}"


def read_list(path: Path = LIST) -> list[Artifact]:
    """All pinned artifacts. Raises `RekindleError` naming the line that isn't `coordinate size sha256`."""
    artifacts = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            coordinate, size, digest = line.split()
            group, name, version, *rest = coordinate.split(":")
            classifier, packaging = rest or ("", "jar")
            artifacts.append(Artifact(group, name, version, classifier, packaging, int(size), digest))
        except ValueError:
            raise RekindleError(
                f"{path}:{number}: expected `group:artifact:version size sha256`, not {line!r}"
            ) from None
    return artifacts


def user_cache() -> Path:
    """`rekindle` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "rekindle"


def provide(
    artifacts: Sequence[Artifact], cache: Path, progress: Progress, *, mirror: str | None = None
) -> dict[str, Path]:
    """Paths of all artifacts by coordinate: jars as files, archives unpacked as folders; downloads what is missing.

    `mirror` is the address of a Maven repository to use instead of the central one.

    Raises `RekindleError` when one cannot be had, isn't what the list says, or the disk is full.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache, progress):
            for stale in cache.glob("staging-*"):
                shutil.rmtree(stale, ignore_errors=True)
            missing = [artifact for artifact in artifacts if not _is_cached(artifact, cache)]
            if missing:
                _download_all(missing, cache, progress, mirror)
    except OSError as error:
        raise RekindleError(f"cannot keep downloads in {cache}: {error.strerror or error}") from error
    return {artifact.coordinate: _place(artifact, cache) for artifact in artifacts}


def sha256_of(path: Path) -> str:
    """Return the file's sha256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(artifact: Artifact, cache: Path) -> Path:
    if artifact.packaging == "jar":
        return cache / artifact.file_name
    return cache / f"{artifact.file_name}.{artifact.sha256[:16]}"


def _is_cached(artifact: Artifact, cache: Path) -> bool:
    place = _place(artifact, cache)
    if artifact.packaging != "jar":
        return place.is_dir()
    return place.is_file() and sha256_of(place) == artifact.sha256


@contextlib.contextmanager
def _locked(cache: Path, progress: Progress) -> Iterator[None]:
    with (cache / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("waiting for another run that is filling the cache")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download_all(missing: Sequence[Artifact], cache: Path, progress: Progress, mirror: str | None) -> None:
    total = sum(artifact.size_bytes for artifact in missing)
    # An archive needs its own size and that of what is in it, jars again.
    require_space(cache, sum(artifact.size_bytes * (1 if artifact.packaging == "jar" else 3) for artifact in missing))
    progress.say(f"downloading {len(missing)} files, {total / 1e6:.0f} MB, into {cache}")
    counter = Counter(total, progress)
    staging = Path(tempfile.mkdtemp(prefix="staging-", dir=cache))
    try:
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            jobs = [
                pool.submit(_download_one, artifact, cache, staging / str(number), counter, mirror)
                for number, artifact in enumerate(sorted(missing, key=lambda artifact: -artifact.size_bytes))
            ]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _download_one(artifact: Artifact, cache: Path, staging: Path, counter: Counter, mirror: str | None) -> None:
    file = fetch(artifact.coordinate, staging, counter, mirror)
    found = sha256_of(file)
    if found != artifact.sha256:
        raise RekindleError(
            f"{artifact.coordinate}: downloaded, it has sha256 {found}, expected {artifact.sha256}; it was not kept"
        )
    if artifact.packaging != "jar":
        file = _unpack(file, staging / "unpacked")
    file.replace(_place(artifact, cache))


def _unpack(archive: Path, into: Path) -> Path:
    with tarfile.open(archive) as tar:
        # The filter exists since 3.11.4; the archive is one that we have verified.
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        tar.extractall(into)  # noqa: S202 - filtered and verified
    archive.unlink()
    return into
