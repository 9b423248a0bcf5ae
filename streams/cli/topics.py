"""`rekindle topics`: the topics that the project declares, and those that there are."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from schemas.topics import TopicState


@click.group()
def command() -> None:
    """Create and list the topics of the pipeline."""


@command.command()
def create() -> None:
    """Register all schemas and create the topics that are missing.

    Running it again changes nothing: a topic that exists is left as it is, and what differs is said. How many
    partitions and replicas: REKINDLE_PARTITIONS, REKINDLE_REPLICATION_FACTOR. How long records are kept:
    REKINDLE_TOPIC_PROFILE, replay (for ever) or production (what each topic declares).
    """
    from schemas.topics import create_topics
    from streams import settings

    states = create_topics(settings.load())
    _show(states)
    for topic in states:
        if topic.partitions != topic.wanted:
            click.echo(f"rekindle: topic {topic.name} {topic.state}; it was left as it is", err=True)


@command.command("list")
def list_topics() -> None:
    """List the declared topics with what there is of them."""
    from schemas.topics import topic_states
    from streams import settings

    _show(topic_states(settings.load()))


def _show(topics: Sequence["TopicState"]) -> None:
    if not sys.stdout.isatty():
        for topic in topics:
            line = {
                "topic": topic.name,
                "state": topic.state,
                "partitions": topic.partitions,
                "retention": topic.declaration.retention,
                "cleanup": topic.declaration.cleanup,
                "owner": topic.declaration.owner,
                "schemas": list(topic.declaration.schemas),
            }
            click.echo(json.dumps(line))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("topic", "state", "partitions", "retention", "cleanup", "owner", "holds")
    for topic in topics:
        partitions = "-" if topic.partitions is None else str(topic.partitions)
        declared = topic.declaration
        table.add_row(
            topic.name, topic.state, partitions, declared.retention, declared.cleanup, declared.owner, declared.doc
        )
    Console().print(table)
