"""The engine's hot modules as machine code, where they were compiled (`python -m streams.compile_engine`).

They lie in a folder named by the hash of the sources, beside Python's own compiled files; `streams.engine` looks there
first. Code of other sources or of another Python has another name and is never taken: edit a file and plain Python
runs, until it is compiled again. Both decide the same, and the tests hold both to it. `REKINDLE_COMPILED=0` asks for
plain Python, `REKINDLE_COMPILED=1` for machine code or an error.
"""

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

SETTING = "REKINDLE_COMPILED"
MODULES = (
    "attribution",
    "bonus",
    "calendar_timers",
    "cart",
    "counting",
    "entry_body",
    "handling",
    "ids",
    "journeys",
    "local_time",
    "message_data",
    "message_plans",
    "pending",
    "plans",
    "profile",
    "quick_text",
    "reacting",
    "row_values",
    "script",
    "segments",
    "sending",
    "spans",
    "state",
    "state_bytes",
    "step",
    "timers",
    "view",
    "waiting",
    "weight",
    "windows",
)
"""Modules of `streams.engine` that are functions and classes of our own; definitions are others' classes."""
GROUP = "rekindle_engine"
ENGINE = Path(__file__).parent / "engine"


def folder(engine: Path = ENGINE) -> Path:
    """Where the machine code of these very sources and this Python is, or would be."""
    digest = hashlib.sha256(sys.version.encode())
    for source in sorted(engine.rglob("*.py")):
        digest.update(source.relative_to(engine).as_posix().encode())
        digest.update(source.read_bytes())
    return engine / "__pycache__" / f"compiled-{digest.hexdigest()[:16]}"


def prefer(path: list[str]) -> None:
    """Have the engine's package, whose `path` it is, load what is compiled.

    Raises `ImportError` if that is asked for and not there.
    """
    asked = os.environ.get(SETTING, "auto")
    if asked == "0":
        return
    built = any((ENGINE / "__pycache__").glob("compiled-*"))  # else the sources needn't be read
    shared = next(folder().glob(f"{GROUP}__mypyc.*"), None) if built else None
    if shared is None:
        if asked == "1":
            raise ImportError(f"{SETTING}=1, but these sources aren't compiled: python -m streams.compile_engine")
        return
    spec = importlib.util.spec_from_file_location(f"{GROUP}__mypyc", shared)
    assert spec is not None, "it is an extension module"
    assert spec.loader is not None, "it is an extension module"
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
    path.insert(0, str(shared.parent))


def is_compiled() -> bool:
    """Whether this process runs the machine code."""
    return f"{GROUP}__mypyc" in sys.modules
