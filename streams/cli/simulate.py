"""`rekindle simulate`: what would the campaigns do with these events? Virtual time, no Kafka."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click


class Moment(click.ParamType):
    """A time in ISO 8601; without offset it is UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds since the epoch."""
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r}: expected a time in ISO 8601 such as 2018-06-30T00:00:00Z", param, ctx)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)


@click.command()
@click.argument("campaigns", type=click.Path(path_type=Path))
@click.argument("events", type=click.Path(path_type=Path))
@click.option(
    "--until", type=Moment(), required=True, help="Timers due at this time still fire; later events are left out."
)
@click.option("--start", type=Moment(), help="When the campaigns come into force; by default before the first event.")
@click.option("--in-order", is_flag=True, help="Handle the events as they stand, as a log would.")
@click.option("--decisions", is_flag=True, help="Also print why something was not done.")
@click.option("--attributions", is_flag=True, help="Also print which dispatch each purchase is attributed to.")
@click.option("--quality", is_flag=True, help="Also print how good the personal fields of registrations are.")
def command(
    campaigns: Path,
    events: Path,
    until: int,
    start: int | None,
    in_order: bool,
    decisions: bool,
    attributions: bool,
    quality: bool,
) -> None:
    """Run CAMPAIGNS over EVENTS (JSON lines) and print dispatches and awards as JSON lines."""
    from schemas.json_lines import read_file
    from streams.engine.commands import Attribution, Decision, ProfileCheck
    from streams.output_lines import format_command
    from streams.programme import load, read_directory
    from streams.sealing.master import MasterKeys
    from streams.settings import load as load_settings
    from streams.simulate import simulate

    master = MasterKeys.from_setting(load_settings().master_key)
    secret = b"" if master is None else master.naming_secret
    programme = load([read_directory(campaigns)])
    records = read_file(events)
    wanted = {Decision: decisions, Attribution: attributions, ProfileCheck: quality}
    left_out = tuple(kind for kind, shown in wanted.items() if not shown)
    for item in simulate(programme, records, until=until, start=start, in_order=in_order, secret=secret):
        if not isinstance(item, left_out):
            sys.stdout.write(format_command(item) + "\n")  # type: ignore[arg-type]
