"""Makes a failing case of the comparison with the model small: `python -m tests.properties.shrink SEED [EXAMPLES]`.

Draws cases by the seed until one fails, then leaves out whatever can be left out while it still fails in the same way:
programmes, campaigns, actions, keys, lines of the history, statuses. What remains is printed, to be kept as a test.
"""

import copy
import json
import sys
import traceback
from collections.abc import Iterator
from typing import Any

from hypothesis import given, seed, settings

from tests.properties.test_against_model import cases, compare, quick

Path = tuple[Any, ...]


def failure(case: Any) -> str | None:
    """How the case fails, None if it doesn't."""
    try:
        compare(*copy.deepcopy(case))
    except Exception as error:  # noqa: BLE001 - whatever it is
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {frame.name}"
    return None


def smaller(case: Any) -> Any:
    """The case without all that it fails without."""
    wanted, found = failure(case), json.loads(json.dumps(case))
    goes_on = True
    while goes_on:
        goes_on = False
        for path in sorted(paths(found), key=len):
            if len(path) > 1 and (without_it := without(found, path)) and failure(without_it) == wanted:
                found, goes_on = without_it, True
    return found


def paths(value: Any, prefix: Path = ()) -> Iterator[Path]:
    """Everything in the mappings and lists of a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*prefix, key)
        yield from paths(item, (*prefix, key))


def without(value: Any, path: Path) -> Any:
    """The value without what stands at the path; None if nothing does."""
    found = copy.deepcopy(value)
    inner = found
    try:
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
    except (LookupError, TypeError):
        return None
    return found


def main() -> None:
    """Search, make small, print."""
    examples = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    found: list[Any] = []

    @seed(int(sys.argv[1]))
    @settings(quick, max_examples=examples)
    @given(cases())
    def search(case: Any) -> None:
        if not found and failure(case):
            found.append(case)

    search()
    for case in found:
        sys.stdout.write(f"{failure(case)} {json.dumps(smaller(case), indent=1)}\n")


if __name__ == "__main__":
    main()
