"""What a rule says of one value: what to keep of it, and how good it was. The original stays in the event.

A finding holds no personal data, so that a report of quality can be kept as long as anyone likes.
"""

from typing import Any, Literal, NamedTuple

Outcome = Literal["valid", "changed", "doubtful", "rejected", "missing"]
"""`valid`: taken as it came; `changed`: put into the one format; `doubtful`: taken, and likely wrong; `rejected`: it
cannot be, the field is cleared; `missing`: a registration doesn't have it."""


class Checked(NamedTuple):
    """A value as its rule leaves it, None if rejected. `rule` says what was found or done, `detail` more of it."""

    value: Any
    outcome: Outcome
    rule: str | None = None
    detail: str | None = None


class Finding(NamedTuple):
    """How good one field of an event was."""

    field: str
    outcome: Outcome
    rule: str | None = None
    detail: str | None = None


def as_record(finding: Finding) -> dict[str, Any]:
    """The finding as a record holds it: without what is None."""
    return {name: value for name, value in finding._asdict().items() if value is not None}


def compare(original: str, value: str, rule: str, detail: str | None = None) -> Checked:
    """`value` as valid if it is the original, else as changed by `rule`."""
    return Checked(value, "valid", None, detail) if value == original else Checked(value, "changed", rule, detail)
