"""Which events a programme takes without their lists of records: the lines of a receipt are most of its cost to decode.

Only of purchases can it be told: what else looks at a purchase's lines is the member's (a cart to take skus out of, a
referrer to tell), and `needs_records` says so. Everything that any bundle defines counts, since journeys keep their
versions.
"""

from collections.abc import Iterator

from streams.engine.campaign import Campaign
from streams.engine.state import MemberState
from streams.programme.programme import Programme, named_records
from streams.programme.watching import matches

PURCHASE = "purchase_completed"
LINES = frozenset({"lines", "entry.lines"})


def recordless_types(programme: Programme) -> frozenset[str]:
    """The event types of which nothing in the programme looks at a list of records."""
    counters = programme.counters_by_event.get(PURCHASE, ())
    counted = {name for _, counter in counters if counter.where is not None for name in counter.where.names()}
    fields = {counter.field for _, counter in counters}
    if LINES & (counted | fields) or any(_looks(each, programme) for each in programme.known()):
        return frozenset()
    return frozenset({PURCHASE})


def needs_records(state: MemberState) -> bool:
    """Whether a purchase of this member is looked at line by line, whatever the programme says."""
    return bool(state.cart or state.profile.referrer_id)


def _looks(campaign: Campaign, programme: Programme) -> bool:
    remembered = named_records(campaign, programme.templates)
    return remembered is None or not LINES.isdisjoint(remembered) or not LINES.isdisjoint(_asked(campaign))


def _asked(campaign: Campaign) -> Iterator[str]:
    if campaign.audience is not None:
        yield from campaign.audience.names()
    for match in matches(campaign):
        if match.where is not None:
            yield from match.where.names()
