"""What rendering may cost: every node, list, text and filter of a template is paid from one allowance.

Limits on output and loops alone don't hold a template back: a filter may multiply a text in a single expression, sort
a long list in every round of a loop, or square a number until it has a million digits. A unit is about a microsecond
at most, so that the allowance is a bound on time, and yet depends on nothing but the template and its data.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from liquid.exceptions import ResourceLimitError

from streams.engine.limits import NUMBER_DIGITS_MAX, TEMPLATE_TEXT_BYTES_MAX, TEMPLATE_WORK_MAX

_CHARS_PER_UNIT = 64
QUICK_CHARS_PER_UNIT = 16
"""A text that takes no python-liquid costs little but its characters."""
_NUMBER_MAX = 10**NUMBER_DIGITS_MAX


class Work:
    """The allowance of one campaign in one handling of a member."""

    __slots__ = ("left",)

    def __init__(self, left: int = TEMPLATE_WORK_MAX) -> None:
        self.left = left

    def charge(self, units: int) -> None:
        """Pay. Raises `ResourceLimitError` when the allowance is used up."""
        self.left -= units
        if self.left < 0:
            raise ResourceLimitError(f"does more work than {TEMPLATE_WORK_MAX} units", token=None)


def size_of(value: Any) -> int:
    """The units that looking at a value costs."""
    if isinstance(value, str):
        return len(value) // _CHARS_PER_UNIT
    if isinstance(value, list | tuple | range):
        return len(value)
    return 0


def check_number(number: int | Decimal) -> int | Decimal:
    """The number, if it isn't too large to be written out. Raises `ResourceLimitError`."""
    too_large = abs(number) >= _NUMBER_MAX if isinstance(number, int) else _is_too_large(number)
    if too_large:
        raise ResourceLimitError(f"makes a number of more than {NUMBER_DIGITS_MAX} digits", token=None)
    return number


def _is_too_large(number: Decimal) -> bool:
    return number.is_finite() and bool(number) and abs(number.adjusted()) > NUMBER_DIGITS_MAX


def metered(work: Work, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, paid from `work`, with a result of bounded size."""

    def apply(left: Any, *args: Any, **options: Any) -> Any:
        work.charge(1 + size_of(left) + sum(map(size_of, args)))
        foresee = _GROWTH.get(name)
        if foresee is not None:
            _check_chars(foresee(left, args))
        result = function(left, *args, **options)
        if isinstance(result, str):
            _check_chars(len(result))
        work.charge(size_of(result))
        return result

    return apply


def _check_chars(chars: int) -> None:
    if chars > TEMPLATE_TEXT_BYTES_MAX:
        raise ResourceLimitError(f"makes a text of more than {TEMPLATE_TEXT_BYTES_MAX} characters", token=None)


def _joined(values: Any, args: tuple[Any, ...]) -> int:
    return len(values) * len(str(args[0])) if args and isinstance(values, list | tuple | range) else 0


def _replaced(text: Any, args: tuple[Any, ...]) -> int:
    if not args or not isinstance(text, str):
        return 0
    found = len(text) // max(1, len(str(args[0]))) + 1
    return found * len(str(args[1])) if len(args) > 1 else 0


def _compared(values: Any, _: tuple[Any, ...]) -> int:
    """Each is looked for among all before it."""
    return len(values) ** 2 // 8 if isinstance(values, list | tuple | range) else 0


_GROWTH: Mapping[str, Callable[[Any, tuple[Any, ...]], int]] = {
    "join": _joined,
    "replace": _replaced,
    "uniq": _compared,
}
"""What a filter is about to make, where that may be far more than what it was given."""
