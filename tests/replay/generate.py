"""How the made-up histories came about: `python -m tests.replay.generate NAME` writes the log of one of them anew.

`demo-year` is none of these: it is the log of twenty-five members as `rekindle log --export` wrote it after a run of
`rekindle demo`. A log that is written anew is another history: record it, and say so in the change log.
"""

import random
from collections.abc import Callable
from itertools import product

import click

from streams.engine.events import ProgrammeApplied
from tests.replay.history import HOME, History, write_gzip
from tests.replay.living import DAY, HOUR, MINUTE, SECOND, Pipeline, make_event
from tests.replay.shopping import moment, shop

_TURNS = (
    *("2024-02-28T20:00", "2024-02-29T12:00", "2024-03-10T06:00", "2024-03-30T23:00", "2024-10-26T23:00"),
    *("2024-11-03T05:00", "2024-12-31T12:00", "2025-02-28T12:00", "2025-03-30T00:00"),
)
_ZONES = (
    *("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"),
    *("America/Sao_Paulo", "Pacific/Apia", None),
)
_BIRTHDAYS = ("1992-02-29", "1988-02-29", "1990-03-31", "1985-10-27", "1979-12-31", "2001-01-30", "1996-02-28")


def library_live(history: History) -> list[str]:
    """The library, switched on, over fourteen months: ticks follow event time, as in a replay of history."""
    pipeline = Pipeline(history.programmes(), seed=11, wall=False)
    begin, until = moment("2023-12-20T00:00"), moment("2025-02-20T00:00")
    pipeline.put(begin - 90 * DAY, ProgrammeApplied(occurred_at=begin - 90 * DAY, programme=1))
    shop(pipeline, seed=12, members=10, begin=begin, until=until)
    return pipeline.run(until)


def every_kind(history: History) -> list[str]:
    """Every trigger, action, channel and reason, by the wall clock, with an outage of a night and one of five days."""
    outages = (("2024-03-05T19:00", "2024-03-06T07:30"), ("2024-04-10T12:00", "2024-04-15T08:00"))
    pipeline = Pipeline(
        history.programmes(), seed=21, wall=True, outages=tuple((moment(a), moment(b)) for a, b in outages)
    )
    begin, until = moment("2024-01-10T00:00"), moment("2024-06-10T00:00")
    shop(pipeline, seed=22, members=9, begin=begin, until=until, often=2)
    pipeline.put(begin + 25 * DAY, ProgrammeApplied(occurred_at=begin + 25 * DAY, programme=1))
    for number in range(206):  # more journeys than a member may have
        at = begin + 100 * DAY + number * SECOND
        pipeline.put(at, make_event("m01", "balance_inquired", at, receipt_id="again"))
    for key, day in (("m02", 90), ("m05", 120)):
        pipeline.put(begin + day * DAY, make_event(key, "member_erased", begin + day * DAY))
    return pipeline.run(until)


def programme_changes(history: History) -> list[str]:
    """Four programmes, one after the other, while journeys run; the third comes at the end of an outage."""
    applied = ("2024-01-02T09:00", "2024-03-15T12:00", "2024-04-20T21:30", "2024-05-25T09:00")
    outage = moment("2024-04-18T20:00"), moment("2024-04-20T21:00")
    pipeline = Pipeline(history.programmes(), seed=31, wall=True, outages=(outage,))
    begin, until = moment("2024-01-05T00:00"), moment("2024-07-15T00:00")
    for number, at in enumerate(map(moment, applied), 1):
        pipeline.put(at, ProgrammeApplied(occurred_at=at, programme=number))
    shop(pipeline, seed=32, members=7, begin=begin, until=until, often=2)
    return pipeline.run(until)


def clocks(history: History) -> list[str]:
    """Zones, clocks that are put forward and back, 29 February, the ends of months and years, members who move."""
    chance = random.Random(41)
    pipeline = Pipeline(history.programmes(), seed=42, wall=False)
    begin, until = moment("2024-01-20T00:00"), moment("2025-04-20T00:00")
    pipeline.put(begin, ProgrammeApplied(occurred_at=begin, programme=1))
    for number, (zone, born) in enumerate(zip(_ZONES, _BIRTHDAYS, strict=True)):
        key, at = f"m{number:02d}", begin + HOUR + number * MINUTE
        stated = {"birth_date": born, **({"time_zone": zone} if zone else {"city": "Омск"})}
        pipeline.put(at, make_event(key, "registration_completed", at, **stated))
        if number < 2:
            pipeline.put(at, make_event(key, "app_installed", at, push_token=f"token-{number}"))
        accrued = {"amount": 10, "currency": "points", "activates_at": at + DAY}
        for month, expires in enumerate(("2024-03-31T01:30", "2025-02-28T22:00")):
            more = {"accrual_id": f"{key}/{month}", "expires_at": moment(expires), **accrued}
            pipeline.put(at + HOUR, make_event(key, "bonus_accrued", at + HOUR, **more))
    for number, turn in product(range(len(_ZONES)), _TURNS):
        for _ in range(chance.choice([1, 1, 3])):
            at = moment(turn) + chance.randint(-8 * 60, 8 * 60) * MINUTE
            late = chance.choice([0, 0, 0, 5 * HOUR])
            pipeline.put(at + late, make_event(f"m{number:02d}", "site_visited", at))
    for number, zone, day in ((0, "Pacific/Apia", 200), (3, "Europe/London", 69), (5, "America/New_York", 300)):
        at = begin + day * DAY
        pipeline.put(at, make_event(f"m{number:02d}", "profile_updated", at, time_zone=zone))
    return pipeline.run(until)


WORLDS: dict[str, Callable[[History], list[str]]] = {
    "library-live": library_live,
    "every-kind": every_kind,
    "programme-changes": programme_changes,
    "clocks": clocks,
}


@click.command()
@click.argument("name", type=click.Choice(list(WORLDS)))
def command(name: str) -> None:
    """Write the log of the history NAME."""
    history = History(HOME / name)
    lines = WORLDS[name](history)
    write_gzip(history.directory / "log.jsonl.gz", lines)
    click.echo(f"{name}: {len(lines)} records; now record it")


if __name__ == "__main__":
    command()
