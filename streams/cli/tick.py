"""`rekindle tick`: writes the time into the log, as the last word of a replay."""

import click


@click.command()
@click.option("--until", required=True, metavar="TIME", help="ISO 8601 with offset, such as 2018-06-30T00:00:00Z.")
def command(until: str) -> None:
    """Have ingest append a tick to every partition: all timers due by TIME fire.

    For replays of history (REKINDLE_CLOCK=event), where time ends with the last event otherwise. By the wall clock,
    only a TIME that has passed is taken: the log's time never goes back, and one ahead
    would stop the ticks of the clock.
    """
    from schemas.values import parse_time
    from streams import settings
    from streams.clock import wall_clock
    from streams.engine.events import Tick
    from streams.runtime.control import announce_tick

    configured = settings.load()
    try:
        moment = parse_time(until)
    except ValueError as error:
        raise click.UsageError(f"--until {until}: {error}") from None
    wall = configured.clock == "wall"
    if wall and moment > wall_clock():
        raise click.UsageError(f"--until {until} lies ahead of the clock; REKINDLE_CLOCK=event is for replays")
    partitions = announce_tick(configured, Tick(occurred_at=moment, wall=wall))
    click.echo(f"tick until {until} announced to {partitions} partitions", err=True)
