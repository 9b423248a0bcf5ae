"""`rekindle links`: serve the links by which members unsubscribe and confirm."""

import click


@click.command
def command() -> None:
    """Serve the links of messages, and turn what members say by them into events.

    Runs until SIGTERM; start more behind a balancer to scale. It speaks HTTP: TLS is the balancer's.
    """
    import threading

    from sinks.process import configure_logging, stop_on_signals
    from streams import settings
    from streams.consent.serve import make_server, publisher
    from streams.serve_metrics import serve_metrics

    loaded = settings.load()
    configure_logging(loaded)
    stop = stop_on_signals()
    server = make_server(loaded, publisher(loaded))
    serve_metrics(loaded)
    host, port = server.server_address[:2]
    click.echo(f"links on http://{host!s}:{port}", err=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stop.wait()
    server.shutdown()
    server.server_close()
