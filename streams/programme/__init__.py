"""The programme: all definitions of a directory, read, checked and indexed for the engine."""

from streams.programme.bundle import Bundle, read_directory, read_files
from streams.programme.load import compare_bundles, lint, load
from streams.programme.problems import Problem, ProblemsError
from streams.programme.programme import Programme

__all__ = [
    "Bundle",
    "Problem",
    "ProblemsError",
    "Programme",
    "compare_bundles",
    "lint",
    "load",
    "read_directory",
    "read_files",
]
