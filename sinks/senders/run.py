"""The sender process, put together."""

import threading

from schemas.catalogue import EVENT_TYPES
from schemas.codec import Codec
from schemas.declarations import topic_declarations
from schemas.registry import Registry
from sinks.senders.gateways import make_gateway
from sinks.senders.ledger import KEPT_S, Ledger, create_ledger_topic, ledger_topic
from sinks.senders.ledger_copy import LedgerFolder
from sinks.senders.statuses import FAILED, SENT
from sinks.senders.worker import Sender
from streams.errors import RekindleError
from streams.kafka import Kafka
from streams.serve_metrics import serve_metrics
from streams.settings import Settings

_DISPATCH = "rekindle.commands.Dispatch"
_WRITTEN = ("rekindle.log.DeadLetter", *(EVENT_TYPES[name].record for name in (SENT, FAILED)))


def channels() -> list[str]:
    """List the channels that have senders."""
    return sorted(
        name.removeprefix("send.") for name, topic in topic_declarations().items() if _DISPATCH in topic.schemas
    )


def run_sender(settings: Settings, channel: str, stop: threading.Event) -> None:
    """Run one sender until `stop` is set. Raises `RekindleError`."""
    gateway = make_gateway(settings, channel)
    kafka = Kafka(settings)
    existing = kafka.partition_counts()
    for topic in (f"send.{channel}", "delivery.statuses", "dead.letters"):
        if topic not in existing:
            raise RekindleError(f"Kafka has no topic {topic}: run `rekindle topics create` first")
    topic_id = create_ledger_topic(settings, channel, existing[f"send.{channel}"])
    registry = Registry.from_settings(settings)
    for subject in _WRITTEN:  # one clear message now if it is down; later the ids are known
        registry.id_of(subject)
    codec = Codec(registry)
    ledger = Ledger(kafka, ledger_topic(settings, channel), LedgerFolder(settings, channel, topic_id, KEPT_S))
    sender = Sender(settings, channel, kafka=kafka, gateway=gateway, codec=codec, ledger=ledger, stop=stop)
    serve_metrics(settings, ready=sender.why_not_ready)
    sender.run()
