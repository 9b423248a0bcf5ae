"""`rekindle sender CHANNEL`: hand the dispatches of one channel to its gateway."""

import click


@click.command
@click.argument("channel")
def command(channel: str) -> None:
    """Hand the dispatches of CHANNEL to its gateway and report what became of them.

    Runs until SIGTERM; start more to scale.
    """
    from sinks.process import configure_logging, stop_on_signals
    from sinks.senders.run import channels, run_sender
    from streams import settings

    if channel not in channels():
        raise click.UsageError(f"no channel {channel!r}: expected {', '.join(channels())}")
    loaded = settings.load()
    configure_logging(loaded)
    run_sender(loaded, channel, stop_on_signals())
