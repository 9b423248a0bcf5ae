"""RFM as segments: recency, frequency and monetary value are reckoned outside and come back as `segment_assigned`.

The id says what is known: `rfm.segment.champions` gives `rfm.segment` the value `champions`, `rfm.recency.5` gives
`rfm.recency` the number 5; frequency and monetary likewise. A member has one value of each: another replaces it, and
removing one that isn't the member's any more changes nothing.
"""

from streams.engine.state import MemberState

FAMILIES = ("segment", "recency", "frequency", "monetary")
"""The first is a name, the others are scores: whole numbers."""


def parse(segment_id: str) -> tuple[str, int | str] | None:
    """The name and value that a segment's id stands for; None for a segment like any other."""
    if not segment_id.startswith("rfm."):
        return None
    family, _, value = segment_id.removeprefix("rfm.").partition(".")
    if family == FAMILIES[0]:
        return (family, value) if value else None
    is_score = family in FAMILIES and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX
    return (family, int(value)) if is_score else None


def assign(state: MemberState, segment_id: str, *, inside: bool) -> bool:
    """Take over what an RFM segment says of the member; False if it is none."""
    found = parse(segment_id)
    if found is None:
        return False
    family, value = found
    if inside:
        state.rfm[family] = value
    elif state.rfm.get(family) == value:
        del state.rfm[family]
    return True


def holds(state: MemberState, segment_id: str) -> bool:
    """Whether it is an RFM segment and the member is in it."""
    found = parse(segment_id)
    return found is not None and state.rfm.get(found[0]) == found[1]


_DIGITS_MAX = 9
