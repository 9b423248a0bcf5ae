"""`rekindle local`: the real services of folders of their own, started, found again, killed and ended."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from infra import local
from infra.local import Services, kafka_fence, ports, processes, services, state
from infra.local.processes import Process
from infra.local.state import Running
from streams.errors import RekindleError
from tests.support import Command, Guard, run_rekindle, until

pytestmark = pytest.mark.services

NAMES = ["kafka", "registry", "clickhouse"]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, guard: Guard) -> Iterator[Services]:
    # letters and blanks that Java, log4j and the engine each could stumble over
    directory = tmp_path_factory.mktemp("own") / "наша папка"
    guard.watch_services(directory)
    yield local.up(directory)
    local.down(directory)


def pids(directory: Path) -> dict[str, int]:
    return {name: item.process.pid for name, item in state.read(directory).items()}


def test_a_second_up_finds_the_first(own: Services) -> None:
    before = pids(own.directory)
    began = time.monotonic()
    done = run_rekindle("local", "up", "--dir", own.directory)
    assert time.monotonic() - began < 5
    assert done.returncode == 0
    lines = [line.removeprefix("export ").partition("=") for line in done.stdout.splitlines()]
    assert {name: value.strip("'") for name, _, value in lines} == own.environment()
    assert all(line.startswith("export REKINDLE_") for line in done.stdout.splitlines())
    assert "all services run already" in done.stderr
    assert pids(own.directory) == before


def test_the_exports_name_the_whole_interface(own: Services) -> None:
    environment = own.environment()
    assert environment["REKINDLE_SCHEMA_REGISTRY_URL"].endswith("/apis/ccompat/v7")
    assert environment["REKINDLE_CLICKHOUSE_DSN"].endswith("/rekindle")
    assert environment["REKINDLE_LOCAL_DIR"] == str(own.directory)
    assert Path(environment["REKINDLE_DATA_DIR"]).is_relative_to(own.directory)


def test_status_is_json_when_piped(own: Services) -> None:
    done = run_rekindle("local", "status", env={"REKINDLE_LOCAL_DIR": str(own.directory)})
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [row["service"] for row in rows]) == (0, NAMES)
    assert [row["state"] for row in rows] == ["up"] * 3
    assert {row["service"]: row["pid"] for row in rows} == pids(own.directory)
    assert sum(row["memory_bytes"] for row in rows) < 1.5 * 2**30


def test_one_that_was_killed_is_reported_and_started_again_where_it_was(own: Services) -> None:
    before = pids(own.directory)
    os.kill(before["registry"], signal.SIGKILL)
    killed = state.read(own.directory)["registry"].process
    until(lambda: not processes.alive(killed), 10)
    done = run_rekindle("local", "status", "--dir", own.directory)
    assert done.returncode == 1
    assert [json.loads(line)["state"] for line in done.stdout.splitlines()] == ["up", "down", "up"]

    again = local.up(own.directory)
    assert again == own
    after = pids(own.directory)
    assert after.pop("registry") != before.pop("registry")
    assert after == before
    assert {row.state for row in local.status(own.directory)} == {"up"}


def test_a_broker_that_was_killed_is_known_to_be_gone_before_the_next_one_starts(own: Services) -> None:
    """Else a transaction that was decided in the moment of the kill can stay open for ever: infra/local/kafka_fence."""
    directory = own.directory / "kafka"
    killed = state.read(own.directory)["kafka"].process
    assert not (directory / kafka_fence.LOG).exists()
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: not processes.alive(killed), 10)
    assert kafka_fence.was_killed(directory / "data")
    assert local.up(own.directory) == own
    assert kafka_fence.SAYS in (directory / kafka_fence.LOG).read_bytes()


def test_one_that_hangs_is_silent(own: Services) -> None:
    pid = pids(own.directory)["clickhouse"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert [row.state for row in local.status(own.directory)] == ["up", "up", "silent"]
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_port_that_another_program_took_is_named(own: Services) -> None:
    item = state.read(own.directory)["registry"]
    processes.stop([item.process], grace_s=20)
    with socket.create_server((ports.HOST, item.ports["http"])):
        with pytest.raises(RekindleError, match=rf"registry is down and another .* port {item.ports['http']}; end"):
            local.up(own.directory)
        assert [row.state for row in local.status(own.directory)] == ["up", "down", "up"]
    assert local.up(own.directory) == own


def test_two_ups_at_once_start_one_set_and_down_leaves_nothing(tmp_path: Path, guard: Guard) -> None:
    guard.watch_services(tmp_path)
    found: list[Services] = []
    threads = [threading.Thread(target=lambda: found.append(local.up(tmp_path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]
    bootstrap = {"bootstrap.servers": found[0].environment()["REKINDLE_KAFKA_BOOTSTRAP_SERVERS"]}
    client = AdminClient(bootstrap)
    client.create_topics([NewTopic("kept", 1)])["kept"].result(timeout=10)
    del client

    running = state.read(tmp_path)
    done = run_rekindle("local", "down", "--dir", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert all(name in done.stderr for name in NAMES)
    assert not any(processes.alive(item.process) for item in running.values())
    assert not any(ports.answers(port) for item in running.values() for port in item.ports.values())
    assert local.down(tmp_path) == []
    done = run_rekindle("local", "status", "--dir", tmp_path)
    assert done.returncode == 1
    assert [json.loads(line)["state"] for line in done.stdout.splitlines()] == ["down"] * 3

    again = local.up(tmp_path)  # on other ports, with the data of before
    bootstrap = {"bootstrap.servers": again.environment()["REKINDLE_KAFKA_BOOTSTRAP_SERVERS"]}
    assert "kept" in AdminClient(bootstrap).list_topics(timeout=10).topics
    assert sorted(local.down(tmp_path)) == sorted(NAMES)


def test_a_crash_is_reported_with_the_end_of_its_log_and_the_others_are_taken_back(tmp_path: Path) -> None:
    damaged = tmp_path / "kafka/data/meta.properties"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("version=1\nnode.id=77\ncluster.id=another\n", encoding="utf-8")
    done = run_rekindle("local", "up", "--dir", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "kafka ended while it started; the end of its log" in done.stderr
    assert "77" in done.stderr  # what Kafka itself says
    assert "Traceback" not in done.stderr
    assert state.read(tmp_path) == {}
    assert not processes_of(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_up_that_is_interrupted_takes_back_what_it_started(tmp_path: Path, guard: Guard, number: int) -> None:
    guard.watch_services(tmp_path)
    with Command("local", "up", "--dir", tmp_path, env={}, log=tmp_path / "up.log", guard=guard) as command:
        command.until(lambda: len(state.read(tmp_path)) > 0, 30, "the first service's start")
        os.kill(command.pid, number)
        assert until(lambda: command.returncode, 30, "the end of up") in {1, 128 + number}
        assert "Traceback" not in command.output
    assert state.read(tmp_path) == {}
    assert not processes_of(tmp_path)


def test_an_up_that_is_interrupted_between_two_starts_takes_back_the_first(
    tmp_path: Path, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(ThreadPoolExecutor):
        starts = 0

        def submit(self, fn: Callable[..., object], /, *args: object, **kwargs: object) -> Future[object]:  # type: ignore[override]
            self.starts += 1
            if self.starts == len(NAMES):
                until(lambda: len(state.read(tmp_path)) > 0, 30, "the first service's start")
                raise KeyboardInterrupt
            return super().submit(fn, *args, **kwargs)

    guard.watch_services(tmp_path)
    monkeypatch.setattr(services, "ThreadPoolExecutor", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        local.up(tmp_path)
    assert state.read(tmp_path) == {}
    assert not processes_of(tmp_path)


def test_a_pid_that_another_process_has_now_is_left_alone(tmp_path: Path) -> None:
    ours = processes.find(os.getpid())
    assert ours
    state.write(tmp_path, {"kafka": Running(Process(ours.pid, "an earlier start"), {"broker": 1, "controller": 2})})
    assert [row.state for row in local.status(tmp_path)] == ["down"] * 3
    assert local.down(tmp_path) == []
    assert processes.alive(ours)


def test_a_port_taken_at_the_last_moment_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ports.choose(5)  # two for Kafka, two for the registry, the last for ClickHouse
    monkeypatch.setattr(ports, "choose", lambda _count: chosen)
    with (
        socket.create_server((ports.HOST, chosen[-1])),
        pytest.raises(
            RekindleError, match=rf"^clickhouse ended: another program took one of its ports .{chosen[-1]}.;"
        ),
    ):
        local.up(tmp_path)
    assert state.read(tmp_path) == {}
    assert not processes_of(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = run_rekindle("local", "up", "--dir", tmp_path / "file" / "folder")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot be used as a folder for the services" in done.stderr


def test_the_guard_ends_services_of_a_session_that_was_killed(tmp_path: Path) -> None:
    guard = Guard()
    guard.watch_services(tmp_path)
    local.up(tmp_path)
    running = state.read(tmp_path)
    guard.close()  # its input ends, as it does when the session's process is killed
    assert not any(processes.alive(item.process) for item in running.values())


def processes_of(directory: Path) -> list[str]:
    """Command lines of all processes that mention the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found
