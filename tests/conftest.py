"""Kafka, the registry and ClickHouse for a test session: the real ones, started once, ended for certain.

A test that needs them carries `@pytest.mark.services` and takes `settings` (for code in this process) or
`environment` (for `rekindle` as a process); both have folders of the test's own. Topics have fixed names, so a test
that needs an empty log takes `fresh_topics`, one that needs empty tables `fresh_database`.

Tests that look at a page with a browser are chosen only where there is one.

In this process everything is plain Python unless REKINDLE_COMPILED says otherwise, so that a test can reach into it and
an edit needs no compiler; what a test starts runs as it does anywhere.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

os.environ.setdefault("REKINDLE_COMPILED", "0")
import schemas.wire  # noqa: F401 - which of both is loaded is decided here
import streams.engine
import streams.members
import streams.profiles  # noqa: F401 - and here

if os.environ["REKINDLE_COMPILED"] == "0":
    del os.environ["REKINDLE_COMPILED"]

from infra import local
from infra.local import Services
from streams import settings as settings_module
from streams.settings import Settings
from tests.support import Command, Guard, find_browser, renew_database, renew_topics


@pytest.fixture(scope="session")
def guard() -> Iterator[Guard]:
    """Ends what the session started, also when pytest itself is killed (a timeout by thread, a kill -9)."""
    guard = Guard()
    yield guard
    guard.close()


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory, guard: Guard) -> Services:
    """One broker, one registry, one ClickHouse for the session; the guard ends them."""
    directory = tmp_path_factory.mktemp("services")
    guard.watch_services(directory)
    return local.up(directory)


@pytest.fixture
def environment(services: Services, tmp_path: Path) -> dict[str, str]:
    """The settings of `rekindle` processes: these services, and folders of this test."""
    return _environment(services, tmp_path)


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """The same as a value, for code that runs in this process."""
    return settings_module.load(environment)


@pytest.fixture(scope="module")
def module_environment(services: Services, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """As `environment`, one for all tests of a module."""
    return _environment(services, tmp_path_factory.mktemp("module"))


@pytest.fixture(scope="module")
def module_settings(module_environment: dict[str, str]) -> Settings:
    """As `settings`, one for all tests of a module."""
    return settings_module.load(module_environment)


@pytest.fixture
def fresh_topics(settings: Settings) -> None:
    """All topics of the pipeline, empty, and no consumer groups."""
    renew_topics(settings)


@pytest.fixture(scope="module")
def module_fresh_topics(module_settings: Settings) -> None:
    """As `fresh_topics`, once for a module."""
    renew_topics(module_settings)


@pytest.fixture
def fresh_database(settings: Settings) -> None:
    """The pipeline's ClickHouse database, empty: no tables, no applied migrations."""
    renew_database(settings)


@pytest.fixture
def process(environment: dict[str, str], tmp_path: Path, guard: Guard) -> Iterator[Callable[..., Command]]:
    """Starts a long-running `rekindle` command: `process("worker", env={...})`; all are ended with the test."""
    with ExitStack() as started:

        def start(*args: str | Path, env: Mapping[str, str] | None = None) -> Command:
            log = tmp_path / f"{len(list(tmp_path.glob('*.log')))}-{args[0]}.log"
            return started.enter_context(Command(*args, env={**environment, **(env or {})}, log=log, guard=guard))

        yield start


def _environment(services: Services, directory: Path) -> dict[str, str]:
    own = {"REKINDLE_DATA_DIR": str(directory / "data"), "REKINDLE_OUTBOX": str(directory / "outbox")}
    return {**services.environment(), **own}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, visibly, what needs a browser where there is none; `.ci/run` installs one."""
    if find_browser() is not None:
        return
    without = [item for item in items if item.get_closest_marker("browser") is not None]
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]
