"""`up`, `down` and `status` of the three services in one folder. See the package for what they promise."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.local import artifacts, ports, processes, state
from infra.local.clickhouse import ClickHouse
from infra.local.disk import require_space
from infra.local.kafka import Kafka
from infra.local.progress import Progress, Silent
from infra.local.registry import Registry
from infra.local.service import Place, Service
from infra.local.state import Running
from streams.errors import RekindleError
from streams.settings import Settings, load

SERVICES: tuple[Service, ...] = (Kafka(), Registry(), ClickHouse())
START_TIMEOUT_S = 120.0
STOP_GRACE_S = 20.0
POLL_S = 0.05
LOG_LINES_SHOWN = 20
DISK_NEEDED_BYTES = 256_000_000
BUSY_PORT_SIGNS = ("Address already in use", "BindException", "already bound", "seems to be in use")


@dataclass(frozen=True, slots=True)
class Services:
    """The running services of one folder."""

    directory: Path
    ports: Mapping[str, Mapping[str, int]]

    def environment(self) -> dict[str, str]:
        """Return the `REKINDLE_...` variables with which all other commands reach them."""
        kafka, registry, clickhouse = (service.address(self.ports[service.name]) for service in SERVICES)
        return {
            "REKINDLE_KAFKA_BOOTSTRAP_SERVERS": kafka,
            "REKINDLE_SCHEMA_REGISTRY_URL": registry,
            "REKINDLE_CLICKHOUSE_DSN": clickhouse,
            "REKINDLE_LOCAL_DIR": str(self.directory),
            "REKINDLE_DATA_DIR": str(self.directory / "data"),
        }


@dataclass(frozen=True, slots=True)
class Status:
    """How one service is: `down` when its process is gone, `silent` when it runs and doesn't answer."""

    service: str
    state: Literal["up", "silent", "down"]
    address: str
    pid: int | None
    memory_bytes: int | None
    log: str


def up(directory: Path, *, settings: Settings | None = None, progress: Progress | None = None) -> Services:
    """Start what doesn't run yet and wait until all answer. Raises `RekindleError`, nothing new left running."""
    settings, progress = settings or load(), progress or Silent()
    directory = directory.absolute()
    with state.locked(directory), _disk_errors(directory):
        running = state.read(directory)
        dead = [service for service in SERVICES if not _runs(service, running)]
        if dead:
            pinned = artifacts.read_list()
            needed = [artifact for service in dead for artifact in service.artifacts(pinned)]
            require_space(directory, DISK_NEEDED_BYTES)
            cache = (settings.cache_dir or artifacts.user_cache()).absolute()
            files = artifacts.provide(needed, cache, progress, mirror=settings.maven_mirror)
            _start_all(dead, directory, running, files, progress)
        else:
            progress.say("all services run already")
        for service in SERVICES:
            if service not in dead:
                _await(service, directory, running[service.name], progress)
    return Services(directory, {name: item.ports for name, item in running.items()})


def down(directory: Path) -> list[str]:
    """End all services of the folder and return the names of those that ran. Raises `RekindleError` if one survives."""
    directory = directory.absolute()
    if not directory.is_dir():
        return []
    with state.locked(directory):
        running = state.read(directory)
        ended = [name for name, item in running.items() if processes.alive(item.process)]
        processes.stop([item.process for item in running.values()], grace_s=STOP_GRACE_S)
        state.write(directory, {})
    return ended


def status(directory: Path) -> list[Status]:
    """How each service of the folder is now; all of them `down` when none was ever started there."""
    directory = directory.absolute()
    running = state.read(directory)
    rows = []
    for service in SERVICES:
        item = running.get(service.name)
        log = str(_log(directory, service))
        if item is None or not processes.alive(item.process):
            rows.append(Status(service.name, "down", service.address(item.ports) if item else "", None, None, log))
            continue
        answers = service.is_ready(Place(directory / service.name, item.ports, {}))
        memory = processes.resident_bytes(item.process)
        address = service.address(item.ports)
        rows.append(Status(service.name, "up" if answers else "silent", address, item.process.pid, memory, log))
    return rows


@contextlib.contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RekindleError(f"{error.filename or directory}: {error.strerror or error}") from error


def _runs(service: Service, running: Mapping[str, Running]) -> bool:
    item = running.get(service.name)
    return item is not None and processes.alive(item.process)


def _start_all(
    dead: list[Service],
    directory: Path,
    running: dict[str, Running],
    files: Mapping[str, Path],
    progress: Progress,
) -> None:
    """Start these in parallel, each on the ports that it had before, and wait until they answer; or take all back."""
    pinned, before_all = artifacts.read_list(), dict(running)
    free = iter(ports.choose(sum(len(service.ports) for service in dead)))
    places = {}
    for service in dead:
        before = running.pop(service.name, None)
        if before is not None:
            progress.say(f"{service.name} is down, starting it again")
            _require_free(service, before.ports)
        chosen = before.ports if before else {purpose: next(free) for purpose in service.ports}
        own = {artifact.coordinate: files[artifact.coordinate] for artifact in service.artifacts(pinned)}
        places[service.name] = Place(directory / service.name, chosen, own)
    started: list[processes.Process] = []
    given_up = False
    lock = threading.Lock()

    def start(service: Service) -> None:
        place = places[service.name]
        log = _log(directory, service)
        place.directory.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.replace(log.with_name("previous.log"))
        program = service.prepare(place)
        with lock:
            if given_up:
                return
            process = processes.start(program.command, program.environment, log)
            started.append(process)
            running[service.name] = Running(process, place.ports)
            state.write(directory, running)
        _await(service, directory, running[service.name], progress)

    with ThreadPoolExecutor(len(dead)) as pool:
        try:
            for job in as_completed([pool.submit(start, service) for service in dead]):
                job.result()
        except BaseException:
            with lock:
                given_up = True
            processes.stop(started, grace_s=STOP_GRACE_S)
            state.write(directory, before_all)
            raise


def _await(service: Service, directory: Path, item: Running, progress: Progress) -> None:
    began = time.monotonic()
    place = Place(directory / service.name, item.ports, {})
    while not service.is_ready(place):
        if not processes.alive(item.process):
            raise RekindleError(_why_it_ended(service, _log(directory, service), item))
        if time.monotonic() - began > START_TIMEOUT_S:
            raise RekindleError(
                f"{service.name} doesn't answer after {START_TIMEOUT_S:.0f} s; the end of its log:\n"
                f"{_end_of(_log(directory, service))}"
            )
        time.sleep(POLL_S)
    progress.say(f"{service.name} answers at {service.address(item.ports)} after {time.monotonic() - began:.1f} s")


def _why_it_ended(service: Service, log: Path, item: Running) -> str:
    end = _end_of(log)
    if any(sign in end for sign in BUSY_PORT_SIGNS):
        listed = ", ".join(str(port) for port in item.ports.values())
        return f"{service.name} ended: another program took one of its ports ({listed}); run `rekindle local up` again"
    return f"{service.name} ended while it started; the end of its log, {log}:\n{end}"


def _require_free(service: Service, wanted: Mapping[str, int]) -> None:
    busy = [port for port in wanted.values() if not ports.is_free(port)]
    if busy:
        raise RekindleError(
            f"{service.name} is down and another program listens on its port {busy[0]}; end that program, or run "
            "`rekindle local down` and `rekindle local up` for new ports"
        )


def _log(directory: Path, service: Service) -> Path:
    return directory / service.name / "output.log"


def _end_of(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(it wrote none)"
    return "\n".join(lines[-LOG_LINES_SHOWN:]) or "(it is empty)"
