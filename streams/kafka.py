"""How every client reaches Kafka: one place turns the settings into what librdkafka, Faust and its admin calls expect.

Records are produced with the partitioner of the Java clients (murmur2), so that one member has the same partition
everywhere, whoever produced. Whatever the pipeline puts out is read `read_committed`.
"""

import contextlib
import ssl
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from streams.errors import RekindleError
from streams.settings import Settings

REACH_SECONDS = 5.0
METADATA_SECONDS = 1.0

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
"""What a producer sends at most. A record that was read (1 MiB) goes on with more around it: a key, a seal, what waits
beside it in a member's record."""
READS_TO_END = {"enable.partition.eof": True, "fetch.wait.max.ms": 10}
"""For a consumer that reads what there is: an end is told when a fetch comes back with nothing, so it mustn't wait."""
SENDS_OFFSETS = {"connections.max.idle.ms": 5_000, "retry.backoff.ms": 1, "retry.backoff.max.ms": 250}
"""For a producer that sends offsets to its transactions.

After a reset of its connections librdkafka can wait for the group's coordinator for ever, whatever time-out it was
given (its issues 5456 and 5511): it looks again only when the state of a broker changes. Idle connections that are
closed after five seconds are such a change: measured, the wait ends then.

A commit is answered before its markers are written. Until they are, the next transaction is refused as concurrent, and
librdkafka tries again after `retry.backoff.ms`, whose default of 100 cost every transaction that follows at once 90 ms.
"""


def client_config(settings: Settings) -> dict[str, Any]:
    """Addresses and credentials for a client of librdkafka (consumer, producer or admin)."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "security.protocol": settings.kafka_security_protocol,
        "log_level": 2,  # what goes wrong comes back as an error; the client's own lines would only repeat it
    }
    optional = {
        "sasl.mechanism": settings.kafka_sasl_mechanism,
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": settings.kafka_sasl_password,
        "ssl.ca.location": settings.kafka_ssl_ca_location,
        "ssl.certificate.location": settings.kafka_ssl_certificate_location,
        "ssl.key.location": settings.kafka_ssl_key_location,
        "ssl.key.password": settings.kafka_ssl_key_password,
    }
    config.update({name: value for name, value in optional.items() if value is not None})
    return config


def consumer_config(settings: Settings, group: str) -> dict[str, Any]:
    """For a consumer of committed records that keeps its own offsets and starts a new group at the beginning."""
    return {
        **client_config(settings),
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    }


def producer_config(settings: Settings) -> dict[str, Any]:
    """For a producer that never reorders or repeats, with the partitioner of the Java clients."""
    return {
        **client_config(settings),
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "linger.ms": 5,
        "compression.type": "lz4",
        "message.max.bytes": MESSAGE_BYTES_MAX,
    }


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """Build the TLS context for aiokafka, or None where the protocol is without TLS. Raises `RekindleError`."""
    if "SSL" not in settings.kafka_security_protocol.replace("SASL", ""):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_ca_location)
        if settings.kafka_ssl_certificate_location:
            context.load_cert_chain(
                settings.kafka_ssl_certificate_location,
                settings.kafka_ssl_key_location,
                settings.kafka_ssl_key_password,
            )
    except (OSError, ssl.SSLError) as error:
        raise RekindleError(f"certificates for Kafka cannot be read: {error}") from error
    return context


def faust_credentials(settings: Settings) -> Any:
    """Build the `broker_credentials` of a Faust app: SASL, TLS or None."""
    import faust.auth  # noqa: PLC0415 - only workers need Faust; it takes most of a second

    context = ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        return faust.auth.SASLCredentials(
            mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password,
            ssl_context=context,
        )
    return faust.auth.SSLCredentials(context) if context is not None else None


def admin_client(settings: Settings) -> AdminClient:
    """Open an admin client. Whether a broker answers shows with the first call (`partition_counts` says it clearly)."""
    return AdminClient(client_config(settings))


def partition_counts(settings: Settings, timeout_seconds: float = REACH_SECONDS) -> dict[str, int]:
    """Every topic with its number of partitions. Raises `RekindleError` when no broker answers in time."""
    client, refusals = _heard_client(settings)
    for share in (0.1, 0.2, 0.7):  # a refusal is told without waiting for the rest
        try:
            topics = client.list_topics(timeout=share * timeout_seconds).topics
        except KafkaException as error:
            failure = error
            client.poll(0)
            if refusals:
                raise RekindleError(refusals[-1]) from error
        else:
            return {name: len(topic.partitions) for name, topic in topics.items()}
    raise RekindleError(
        f"no Kafka broker answers at {settings.kafka_bootstrap_servers} ({failure.args[0].str()}): "
        "start it, or set REKINDLE_KAFKA_BOOTSTRAP_SERVERS (`rekindle local up` prints the line)"
    ) from failure


def _heard_client(settings: Settings) -> tuple[AdminClient, list[str]]:
    """Open an admin client, and a list in which it says, when polled, why brokers refuse it.

    What it answers to a call is in that case only that nobody answered in time.
    """
    refusals: list[str] = []
    at = settings.kafka_bootstrap_servers

    def hear(error: KafkaError) -> None:
        if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001 - its public name
            names = "REKINDLE_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"
            refusals.append(f"the Kafka broker at {at} refuses the credentials ({names}): {_reason(error)}")
        elif error.code() == KafkaError._SSL:  # noqa: SLF001 - as above
            refusals.append(
                f"no trusted connection to the Kafka broker at {at} (REKINDLE_KAFKA_SSL_CA_LOCATION says whom to "
                f"trust, REKINDLE_KAFKA_SECURITY_PROTOCOL whether it speaks TLS): {_reason(error)}"
            )

    config: dict[str, Any] = {**client_config(settings), "error_cb": hear}
    return AdminClient(config), refusals


def _reason(error: KafkaError) -> str:
    """Return librdkafka's own sentence, without its name for the connection and the code of its library."""
    return " ".join(error.str().split(": ", 1)[-1].split())


class Kafka:
    """Opens the clients of the stages. The simulation of the pipeline puts a log in memory in its place."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def producer(self, config: Mapping[str, Any]) -> Producer:
        """Make a producer: `producer_config`, and what is asked besides."""
        return Producer({**producer_config(self._settings), **config})

    def consumer(self, group: str, config: Mapping[str, Any]) -> Consumer:
        """Make a consumer: `consumer_config`, and what is asked besides.

        It knows where all partitions are: else it would think for half a second or two about each topic that is new to
        it. A broker that doesn't answer shows when the consumer is used.
        """
        consumer = Consumer({**consumer_config(self._settings, group), **config})
        with contextlib.suppress(KafkaException):
            consumer.list_topics(timeout=METADATA_SECONDS)
        return consumer

    def admin(self) -> AdminClient:
        """Open an admin client."""
        return admin_client(self._settings)

    def partition_counts(self) -> dict[str, int]:
        """Every topic with its number of partitions. Raises `RekindleError` when no broker answers."""
        return partition_counts(self._settings)
