"""Downloads against a real HTTP server that has the layout of a Maven repository."""

import gc
import hashlib
import io
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.local.artifacts import LIST, Artifact, provide, read_list
from infra.local.disk import require_space
from infra.local.progress import Silent
from streams.errors import RekindleError


class Repository:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: Counter[str] = Counter()
        repository = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *args) -> None:
                super().__init__(*args, directory=str(root))

            def do_GET(self) -> None:
                repository.requests[Path(self.path).name] += 1
                super().do_GET()

            def log_message(self, *args) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def add(self, name: str, content: bytes, classifier: str = "", packaging: str = "jar") -> Artifact:
        digest = hashlib.sha256(content).hexdigest()
        artifact = Artifact("org.example", name, "1.0", classifier, packaging, len(content), digest)
        path = self.root / "org/example" / name / "1.0" / artifact.file_name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return artifact


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    (tmp_path / "repository").mkdir()
    repository = Repository(tmp_path / "repository")
    thread = threading.Thread(target=repository.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield repository
    repository.server.shutdown()
    repository.server.server_close()
    thread.join()


def test_the_pinned_list_is_complete() -> None:
    pinned = read_list()
    assert len({artifact.coordinate for artifact in pinned}) == len(pinned)
    assert all(len(artifact.sha256) == 64 and artifact.size_bytes > 0 for artifact in pinned)
    # without it Kafka writes no log
    assert {"kafka_2.13", "apicurio-registry-app", "log4j-slf4j-impl"} <= {artifact.name for artifact in pinned}
    assert len([artifact for artifact in pinned if artifact.packaging != "jar"]) == 1


@pytest.mark.parametrize("line", ["org.example:a:1.0", "org.example:a:1.0 many abc", "org.example:a 1 abc"])
def test_a_wrong_line_of_the_list_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "artifacts.txt"
    path.write_text(f"# heading\n{line}\n", encoding="utf-8")
    with pytest.raises(RekindleError, match=r"artifacts.txt:2: expected"):
        read_list(path)


def test_what_was_downloaded_is_kept_between_runs(repository: Repository, tmp_path: Path) -> None:
    jars = [repository.add(f"jar-{number}", bytes([number]) * 100_000) for number in range(12)]
    cache = tmp_path / "cache"
    told: list[int] = []

    class Listener(Silent):
        def downloaded(self, done_bytes: int, total_bytes: int) -> None:
            assert total_bytes == 1_200_000
            told.append(done_bytes)

    paths = provide(jars, cache, Listener(), mirror=repository.address)
    assert [paths[jar.coordinate].read_bytes()[:1] for jar in jars] == [bytes([number]) for number in range(12)]
    assert max(told) == 1_200_000
    assert provide(jars, cache, Silent(), mirror=repository.address) == paths
    assert {repository.requests[jar.file_name] for jar in jars} == {1}
    assert not list(cache.glob("staging-*"))


def test_a_wrong_checksum_is_refused_and_nothing_kept(repository: Repository, tmp_path: Path) -> None:
    jar = replace(repository.add("jar", b"other bytes than we know"), sha256="0" * 64)
    with pytest.raises(RekindleError, match=rf"org.example:jar:1.0: .*expected {'0' * 64}"):
        provide([jar], tmp_path / "cache", Silent(), mirror=repository.address)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lock"]


def test_a_file_damaged_in_the_cache_is_downloaded_again(repository: Repository, tmp_path: Path) -> None:
    jar = repository.add("jar", b"as it should be")
    path = provide([jar], tmp_path / "cache", Silent(), mirror=repository.address)[jar.coordinate]
    path.write_bytes(b"damaged")
    provide([jar], tmp_path / "cache", Silent(), mirror=repository.address)
    assert path.read_bytes() == b"as it should be"


def test_an_archive_is_unpacked_once(repository: Repository, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("lib/application.jar")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"bytes"))
    archive = repository.add("application", buffer.getvalue(), classifier="all", packaging="tar.gz")
    for _ in range(2):
        folder = provide([archive], tmp_path / "cache", Silent(), mirror=repository.address)[archive.coordinate]
        assert (folder / "lib/application.jar").read_bytes() == b"bytes"
    assert repository.requests[archive.file_name] == 1


def test_what_the_repository_does_not_have_is_named(repository: Repository, tmp_path: Path) -> None:
    jar = Artifact("org.example", "missing", "1.0", "", "jar", 10, "0" * 64)
    with pytest.raises(RekindleError, match=r"org.example:missing:1.0 cannot be downloaded: the repository"):
        provide([jar], tmp_path / "cache", Silent(), mirror=repository.address)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the client leaves refused sockets to the collector
def test_a_repository_that_does_not_answer_is_one_sentence(repository: Repository, tmp_path: Path) -> None:
    jar = repository.add("jar", b"bytes")
    with pytest.raises(RekindleError, match="no answer, ConnectionError"):
        provide([jar], tmp_path / "cache", Silent(), mirror="http://127.0.0.1:1")
    gc.collect()  # now, not in the middle of another test


def test_two_runs_at_once_download_once(repository: Repository, tmp_path: Path) -> None:
    jars = [repository.add(f"jar-{number}", bytes([number]) * 300_000) for number in range(5)]
    found: list[dict[str, Path]] = []

    def run() -> None:
        found.append(provide(jars, tmp_path / "cache", Silent(), mirror=repository.address))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert {repository.requests[jar.file_name] for jar in jars} == {1}


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    with pytest.raises(RekindleError, match="cannot keep downloads in"):
        provide([], tmp_path / "file", Silent())


def test_too_little_space_is_said_before_it_is_needed(tmp_path: Path) -> None:
    with pytest.raises(RekindleError, match=r"no disk space: .* needs 1000000000000 MB, \d+ MB are free"):
        require_space(tmp_path / "not/there/yet", 10**18)
    require_space(tmp_path, 1)


def test_the_list_names_no_host() -> None:
    assert "http" not in LIST.read_text(encoding="utf-8")
