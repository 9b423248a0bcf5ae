"""`rekindle schema`: the campaign language as JSON Schema, for editors."""

import json

import click


@click.command(name="schema")
@click.argument("file", required=False)
def command(file: str | None) -> None:
    """Print the JSON Schema of the files of a campaign directory, or of one kind of FILE.

    FILE is campaign, policies, counters, templates, segment or poll.
    """
    from streams.programme.json_schema import FILES, json_schema

    if file is not None and file not in FILES:
        raise click.UsageError(f"unknown kind of file {file!r}: expected {', '.join(FILES)}")
    click.echo(json.dumps(json_schema(file), indent=2, ensure_ascii=False))
