"""What is wrong with a campaign directory, said so that a person can mend it."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from streams.errors import InputError

Severity = Literal["error", "warning"]
_SUGGESTION = re.compile(r"\(did you mean `([^`]+)`\?\)|[:;] ((?:write|raise|name|state|add|remove|take) .+)$")


class Problem(NamedTuple):
    """One mistake (it cannot run) or one doubt (it can never hold, render or be reached), and where it stands.

    Lines and columns count from 1; `field` is the path in the file, empty for the whole.
    """

    file: str
    line: int
    column: int
    field: str
    message: str
    severity: Severity = "error"

    @property
    def suggestion(self) -> str | None:
        """What to write or do instead, if the message knows it."""
        found = _SUGGESTION.search(self.message)
        return None if found is None else found[1] or found[2]

    def __str__(self) -> str:
        field = f" {self.field}:" if self.field else ""
        doubt = " warning:" if self.severity == "warning" else ""
        return f"{self.file}:{self.line}:{self.column}:{doubt}{field} {self.message}"


class ProblemsError(InputError):
    """A campaign directory that cannot run: every problem, one to a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """By file, then by place; each once."""
    return sorted(set(problems))


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Those without which it could run."""
    return [problem for problem in problems if problem.severity == "error"]
