"""Which segment of RFM a member belongs to: a complete partition of scores, in one place. Pure.

Recency, frequency and monetary value are scored 1 to 5 by quintiles, 5 the best. Frequency and monetary value are
averaged, halves upwards, to one score, so that the grid has two sides and 25 fields. The names are those that the trade
knows from Putler's report (champions, loyal, potential loyalist, new, promising, need attention, about to sleep, at
risk, can't lose, hibernating, lost). What vendors print as rules for them overlap and leave gaps; here each field has
one name.
"""

SCORES = 5
GRID = (
    # of frequency and monetary value: 1, 2, 3, 4, 5
    ("lost", "lost", "at_risk", "at_risk", "cant_lose"),  # recency 1
    ("hibernating", "hibernating", "at_risk", "at_risk", "cant_lose"),
    ("about_to_sleep", "about_to_sleep", "need_attention", "loyal", "loyal"),
    ("promising", "potential_loyalist", "potential_loyalist", "loyal", "loyal"),
    ("new", "potential_loyalist", "potential_loyalist", "champions", "champions"),
)
SEGMENTS = tuple(dict.fromkeys(name for row in reversed(GRID) for name in reversed(row)))
"""The names, best first."""


def segment_of(recency: int, frequency: int, monetary: int) -> str:
    """Name the segment of three scores, each from 1 to 5."""
    return GRID[recency - 1][(frequency + monetary + 1) // 2 - 1]


def segment_sql(recency: str, frequency: str, monetary: str) -> str:
    """Write the same as SQL of three columns."""
    names = ", ".join(f"'{name}'" for row in GRID for name in row)
    return f"[{names}][({recency} - 1) * {SCORES} + intDiv({frequency} + {monetary} + 1, 2)]"
