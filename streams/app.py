"""The Faust app of a stage: group, assignment, agent and rebalances are Faust's, everything else is switched off."""

import logging
from pathlib import Path

import faust
import yarl

from streams.kafka import faust_credentials
from streams.runtime.assignor import Kept, LocalStateAssignor
from streams.runtime.batch_scheduler import BatchScheduler
from streams.runtime.consumer import BatchConsumer, BatchTransport
from streams.settings import Settings

SESSION_TIMEOUT_SECONDS = 10.0
HEARTBEAT_SECONDS = 1.0
QUEUED_BATCHES_MAX = 4
FETCH_BYTES_MAX = 4 * 1024 * 1024


def create_app(
    settings: Settings, group: str, directory: Path, kept_state: Kept, *, is_undivided: bool = False
) -> faust.App:
    """Make the app of a stage, where its event loop runs. For the last two see `streams.runtime.assignor`."""
    brokers = [yarl.URL(f"kafka://{server.strip()}") for server in settings.kafka_bootstrap_servers.split(",")]

    class Scheduler(BatchScheduler):
        records_max = settings.batch_records_max

    class Assignor(LocalStateAssignor):
        kept = staticmethod(kept_state)

    Assignor.is_undivided = is_undivided

    app = faust.App(
        group,
        id_format="{id}",
        broker=brokers,
        broker_credentials=faust_credentials(settings),
        broker_session_timeout=SESSION_TIMEOUT_SECONDS,
        broker_heartbeat_interval=HEARTBEAT_SECONDS,
        broker_commit_interval=3600.0,  # nothing is ever acked: offsets are committed in our transactions
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance,
        consumer_max_fetch_size=FETCH_BYTES_MAX,
        stream_buffer_maxsize=QUEUED_BATCHES_MAX,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        ConsumerScheduler=Scheduler,
        PartitionAssignor=Assignor,
        datadir=directory / "faust",
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.transport = BatchTransport(brokers, app)
    return app


def consumer_of(app: faust.App) -> BatchConsumer:
    """Return the consumer of an app that `create_app` made."""
    consumer = app.consumer
    assert isinstance(consumer, BatchConsumer)
    return consumer


def quieten_libraries(level: str) -> None:
    """Log our own lines at `level`; the libraries' only in DEBUG: what stops them ends the process with one."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("faust", "mode", "aiokafka", "asyncio", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING if level == "DEBUG" else logging.CRITICAL)
