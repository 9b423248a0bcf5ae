"""`python -m streams.compile_engine [FOLDER]`: compile the hot modules, if there is what it takes.

With mypyc, which comes with mypy, and the machine's C compiler. Says in a line for each part what was done; that it
can't is no error, since plain Python does the same. FOLDER is where the same sources are installed elsewhere.
"""

import contextlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streams.compiled import PARTS, ROOT, Part

_MINUTES_MAX = 20


def main(arguments: list[str]) -> None:
    """Compile, or say why not."""
    root = Path(arguments[0]) if arguments else ROOT
    missing = _missing()
    with ThreadPoolExecutor() as pool:  # each waits for a compiler
        for part, said in zip(PARTS, pool.map(lambda part: _provide(part, root, missing), PARTS), strict=True):
            print(f"{part.package}: {said}", flush=True)  # noqa: T201 - a command


def _provide(part: Part, root: Path, missing: str | None) -> str:
    """Compile a part if it isn't; say what was done."""
    found = part.folder(root)
    if found.is_dir():
        return f"compiled already ({len(part.modules)} modules)"
    problem = missing or _compile(part, found)
    return f"plain Python, slower: {problem}" if problem else f"compiled {len(part.modules)} modules"


def _missing() -> str | None:
    if importlib.util.find_spec("mypyc") is None or importlib.util.find_spec("setuptools") is None:
        return "mypy and setuptools aren't installed"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler `{compiler}`"
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "Python's C headers aren't installed"
    return None


def _compile(part: Part, found: Path) -> str | None:
    """Compile into a new folder and put it into place whole; what is wrong, None if nothing."""
    found.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="compiling-", dir=found.parent) as scratch:
        command = [sys.executable, "-m", __spec__.name, "--build", part.package, scratch]
        try:
            done = subprocess.run(  # noqa: S603 - ourselves
                command,
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
                timeout=_MINUTES_MAX * 60,
            )
        except subprocess.TimeoutExpired:
            return f"the compiler took more than {_MINUTES_MAX} minutes"
        if done.returncode != 0:
            return (done.stderr or done.stdout).strip().rpartition("\n")[2] or "the compiler failed"
        for other in found.parent.glob("compiled-*"):
            shutil.rmtree(other, ignore_errors=True)
        made = Path(scratch) / "made"
        made.mkdir()
        for extension in [*Path(scratch, "lib").rglob("*.so"), *Path(scratch, "lib").rglob("*.pyd")]:
            extension.rename(made / extension.name)
        with contextlib.suppress(OSError):  # somebody else was quicker
            made.rename(found)
    return None


def _build(package: str, scratch: str) -> None:
    """What the child process does: translate to C, and compile that."""
    from mypyc.build import mypycify  # noqa: PLC0415 - only developers and the image's build have it
    from setuptools import Distribution  # noqa: PLC0415 - the same

    options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", f"--cache-dir={scratch}/types"]
    (part,) = (each for each in PARTS if each.package == package)
    sources = [f"{part.package}/{name}.py" for name in part.modules]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            extensions = mypycify(
                ["--disable-error-code=import-untyped", *options, *sources],
                opt_level="3",
                target_dir=f"{scratch}/c",
                group_name=part.group,
            )
        except SystemExit:
            raise SystemExit(said.getvalue().strip() or "mypyc failed") from None
        command = Distribution({"name": part.group, "ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = f"{scratch}/lib", f"{scratch}/temp"
        command.ensure_finalized()
        command.run()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        _build(*sys.argv[2:])
    else:
        main(sys.argv[1:])
