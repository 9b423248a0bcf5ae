"""What can be enforced about the code as text: a pure engine, small modules, metrics in one place, no stray paths."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase

from streams import metrics

ROOT = Path(__file__).parents[2]
PACKAGES = ("streams", "schemas", "sinks", "infra")
LINES_MAX = 500
POLLING = ROOT / "tests/support.py"  # the one place that waits: `until`, with a deadline

IMPURE_MODULES = {
    *("aiohttp", "aiokafka", "asyncio", "clickhouse_connect", "concurrent", "confluent_kafka", "faust", "http", "io"),
    *("kafka", "logging", "mode", "multiprocessing", "os", "prometheus_client", "random", "requests", "rocksdict"),
    *("secrets", "signal", "socket", "subprocess", "tempfile", "threading", "time", "urllib", "uuid"),
}
IMPURE_ATTRIBUTES = {"now", "utcnow", "today", "read_text", "write_text", "read_bytes", "write_bytes"}
# hash() of a string differs from process to process; the engine's own hashes are SHA-256
IMPURE_CALLS = {"open", "print", "input", "hash", "exec", "eval"}
# the engine, what it knows of phones, addresses and zones, whose events are, conditions as SQL, and what of our own
# code all may lean on
PURE = ("streams/engine", "streams/profile", "streams/identity", "streams/segments/sql")
PURE_OURS = ("streams.engine", "streams.profile", "streams.identity", "streams.errors", "schemas.catalogue")
PURE_OURS = (*PURE_OURS, "streams.compiled", "streams.segments.sql")
WRITES_CODE = ROOT / "streams/engine/conditions/writing.py"  # runs the functions that it has written, of our own words


def modules(*folders: str) -> list[Path]:
    return sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts
    )


def committed() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def impurities(tree: ast.AST) -> Iterator[str]:
    """One line for each import or call that reaches out of a pure function (not: what type checkers alone read)."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef) and node.name == "__hash__":
            continue
        yield from impurities(node)
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            if name.split(".")[0] in IMPURE_MODULES:
                yield f"line {node.lineno}: imports {name}"
            if name.split(".")[0] in PACKAGES and not name.startswith(PURE_OURS):
                yield f"line {node.lineno}: imports {name}, which is not part of the engine"
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                yield f"line {node.lineno}: calls {node.func.id}()"
            if isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_ATTRIBUTES:
                yield f"line {node.lineno}: calls .{node.func.attr}()"


@pytest.mark.parametrize("path", modules(*PURE), ids=lambda path: str(path.relative_to(ROOT)))
def test_engine_is_pure(path: Path) -> None:
    allowed = ["calls exec()"] if path == WRITES_CODE else []
    assert [line.partition(": ")[2] for line in impurities(ast.parse(path.read_text()))] == allowed


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from datetime import datetime; datetime.now()",
        "import os.path",
        "from faust import App",
        "hash('m1')",
        "from streams.settings import load",
    ],
)
def test_impurities_are_seen(line: str) -> None:
    assert list(impurities(ast.parse(line)))


def test_modules_stay_small() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules(*PACKAGES, "tests", "bench")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}


def test_committed_text_names_no_path_of_a_machine() -> None:
    pattern = re.compile(r"(?<![\w.-])/(?:work|farm|root|home|Users)/[A-Za-z]")
    found = []
    for path in committed():
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}:{n}: {line}" for n, line in enumerate(lines, 1) if pattern.search(line)]
    assert found == []


def test_tests_neither_sleep_nor_skip() -> None:
    unwanted = re.compile(r"(?:time\.sleep|pytest\.skip|pytest\.importorskip|pytest\.mark\.(?:skip|skipif|xfail))")
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {name}"
        for path in modules("tests")
        if path != POLLING
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and unwanted.fullmatch(name := ast.unparse(node))
    ]
    assert found == []


def declared_metrics() -> dict[str, Metric]:
    """Name in streams/metrics.py -> what it serves."""
    return {
        name: next(iter(value.collect()))
        for name, value in vars(metrics).items()
        if isinstance(value, MetricWrapperBase)
    }


def test_every_metric_is_named_and_explained() -> None:
    wrong = [
        name
        for name, metric in declared_metrics().items()
        if not (metric.name.startswith("rekindle_") and metric.documentation.endswith("."))
    ]
    assert declared_metrics()
    assert wrong == []


def test_metrics_are_declared_in_one_module() -> None:
    kinds = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    found = []
    for path in modules(*PACKAGES):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        theirs = {
            alias.asname or alias.name
            for node in nodes
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
            for alias in node.names
        }
        made = {f"prometheus_client.{kind}" for kind in kinds} | (kinds & theirs)
        found += [
            f"{path.relative_to(ROOT)}:{node.lineno}"
            for node in nodes
            if isinstance(node, ast.Call) and ast.unparse(node.func) in made
        ]
    assert {place.partition(":")[0] for place in found} == {"streams/metrics.py"}


def test_every_metric_is_kept_by_some_process() -> None:
    code = "\n".join(path.read_text() for path in modules(*PACKAGES) if path != ROOT / "streams/metrics.py")
    unused = [name for name in declared_metrics() if not re.search(rf"\b(?:metrics\.)?{name}\b", code)]
    assert unused == []
