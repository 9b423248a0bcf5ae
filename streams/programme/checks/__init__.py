"""What no definition can know by itself: whether the names in it stand for something, and whether it can ever act.

Errors: it refers to something that doesn't exist. Warnings: it can never hold, render or be reached.
"""

from collections.abc import Iterator

from streams.programme.checks.campaigns import check_campaign
from streams.programme.checks.others import check_counters, check_links, check_policies, check_segments, check_templates
from streams.programme.definitions import Reading
from streams.programme.problems import Problem


def check(reading: Reading, *, in_force: bool = False) -> Iterator[Problem]:
    """Every mistake and every doubt about how the definitions stand to each other.

    A programme that is `in_force` goes on with mistakes that earlier releases let pass and that stop nothing.
    """
    for campaign, source in reading.campaigns:
        yield from check_campaign(reading, campaign, source, doubts=True)
    for campaign, source in reading.broken:
        yield from check_campaign(reading, campaign, source, doubts=False)
    yield from check_policies(reading)
    yield from check_counters(reading)
    yield from check_segments(reading)
    yield from check_templates(reading)
    if not in_force:
        yield from check_links(reading)
