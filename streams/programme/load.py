"""From bundles to a programme, or to the list of everything that is wrong."""

from collections.abc import Sequence

from streams.programme.bundle import Bundle
from streams.programme.checks import check
from streams.programme.compare import Comparison, compare, conflict_problems
from streams.programme.definitions import Reading, read_definitions
from streams.programme.problems import Problem, ProblemsError, errors, in_order
from streams.programme.programme import EMPTY, Definitions, Programme


def load(bundles: Sequence[Bundle], number: int | None = None) -> Programme:
    """The programme of these bundles, oldest first: the last is in force, the others supply what running journeys keep.

    Without any bundle it is the one in which nothing happens, in force before the first was applied.
    `number` is its number in the log if it was applied, by default that of the bundles. Raises `ProblemsError` if the
    last bundle has errors; an earlier one that this release reads no more supplies what of it is still sound.
    """
    if not bundles:
        return EMPTY
    reading, problems = _checked(bundles[-1], in_force=number is not None)
    if errors(problems):
        raise ProblemsError(errors(problems))
    return Programme.compile([*(_earlier(bundle) for bundle in bundles[:-1]), reading.definitions()], number)


def lint(bundle: Bundle) -> list[Problem]:
    """Everything that is wrong or doubtful, by file and place."""
    return _checked(bundle)[1]


def compare_bundles(earlier: Sequence[Bundle], bundle: Bundle) -> tuple[list[Problem], Comparison | None]:
    """What is wrong with the bundle, and what it changes against those before it (oldest first, the last in force).

    Other content under a version that was in force is a mistake among the others. No comparison without an earlier
    bundle, nor while the bundle has mistakes of its own.
    """
    reading, problems = _checked(bundle)
    if not earlier or errors(problems):
        return problems, None
    comparison = compare([_earlier(each) for each in earlier], reading.definitions())
    return in_order([*problems, *conflict_problems(reading, comparison.conflicts)]), comparison


def _checked(bundle: Bundle, *, in_force: bool = False) -> tuple[Reading, list[Problem]]:
    reading = read_definitions(bundle)
    return reading, in_order([*reading.problems, *check(reading, in_force=in_force)])


def _earlier(bundle: Bundle) -> Definitions:
    return read_definitions(bundle).definitions()
