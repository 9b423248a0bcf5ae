"""`rekindle sink`: keep ClickHouse up to date with the pipeline's output."""

import click


@click.command
@click.option("--migrate-only", is_flag=True, help="Bring the tables up to date and end.")
def command(*, migrate_only: bool) -> None:
    """Write events, dispatches, awards, decisions, statuses and dead letters into ClickHouse, each exactly once.

    Runs until SIGTERM; start more to scale.
    """
    from sinks.clickhouse.run import migrate_database, run_sink
    from sinks.process import configure_logging, stop_on_signals
    from streams import settings

    loaded = settings.load()
    configure_logging(loaded)
    if migrate_only:
        for migration in migrate_database(loaded):
            click.echo(f"{migration.number:04}_{migration.name}")
        return
    run_sink(loaded, stop_on_signals())
