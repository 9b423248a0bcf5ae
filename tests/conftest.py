"""What holds for all tests: those that look at a page with a browser are chosen only where there is one."""

import pytest

from tests.support import find_browser


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, visibly, what needs a browser where there is none; `.ci/run` installs one."""
    if find_browser() is not None:
        return
    without = [item for item in items if item.get_closest_marker("browser") is not None]
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]
