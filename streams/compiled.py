"""Hot modules as machine code, where they were compiled (`python -m streams.compile_engine`).

They lie in a folder named by the hash of their package's sources and of their own names, beside Python's own compiled
files; the package looks there first. Code of other sources or of another Python has another name and is never taken:
edit a file and plain Python runs, until it is compiled again. Both do the same, and the tests hold both to it.
`REKINDLE_COMPILED=0` asks for plain Python, `REKINDLE_COMPILED=1` for machine code or an error.
"""

import hashlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SETTING = "REKINDLE_COMPILED"
ROOT = Path(__file__).parent.parent


class Part(NamedTuple):
    """A package of which some modules are compiled together: functions and classes of our own."""

    package: str  # its folder, from the root
    group: str
    modules: Sequence[str]

    def folder(self, root: Path = ROOT) -> Path:
        """Where the machine code of these very sources, modules and this Python is, or would be."""
        package = root / self.package
        digest = hashlib.sha256("\n".join([sys.version, *self.modules]).encode())
        for source in sorted(package.rglob("*.py")):
            digest.update(source.relative_to(package).as_posix().encode())
            digest.update(source.read_bytes())
        return package / "__pycache__" / f"compiled-{digest.hexdigest()[:16]}"

    @property
    def is_compiled(self) -> bool:
        """Whether this process runs the machine code."""
        return f"{self.group}__mypyc" in sys.modules


ENGINE = Part(
    "streams/engine",
    "rekindle_engine",
    (
        "attribution",
        "bonus",
        "calendar_timers",
        "carry_over",
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
    ),
)
WIRE = Part("schemas/wire", "rekindle_wire", ("read", "write"))
MEMBERS = Part("streams/members", "rekindle_members", ("emit", "overlay", "step"))
PROFILES = Part("streams/profiles", "rekindle_profiles", ("make",))
PARTS = (ENGINE, WIRE, MEMBERS, PROFILES)


def prefer(path: list[str], part: Part) -> None:
    """Have a package, whose `path` it is, load what is compiled.

    Raises `ImportError` if that is asked for and not there.
    """
    asked = os.environ.get(SETTING, "auto")
    if asked == "0":
        return
    built = any((ROOT / part.package / "__pycache__").glob("compiled-*"))  # else the sources needn't be read
    shared = next(part.folder(ROOT).glob(f"{part.group}__mypyc.*"), None) if built else None
    if shared is None:
        if asked == "1":
            raise ImportError(f"{SETTING}=1, but these sources aren't compiled: python -m streams.compile_engine")
        return
    spec = importlib.util.spec_from_file_location(f"{part.group}__mypyc", shared)
    assert spec is not None, "it is an extension module"
    assert spec.loader is not None, "it is an extension module"
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
    path.insert(0, str(shared.parent))
