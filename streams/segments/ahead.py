"""Keep a burst from standing in everyone's way: publish only while the workers are close behind.

What a worker hasn't handled yet is what any other member's event waits for. So before each portion the lag of ingest
and members is asked for, and while it is more than `REKINDLE_SEGMENTS_LAG` nothing is published. Where no worker runs
there is nobody to wait for.
"""

import logging
import threading

from confluent_kafka import KafkaException

from streams.errors import RekindleError
from streams.kafka import admin_client
from streams.runtime.lag import LagReader
from streams.settings import Settings
from streams.topics import ingest_group, members_group

LOOK_SECONDS = 0.5
TIMEOUT_SECONDS = 15.0

logger = logging.getLogger(__name__)


class Workers:
    """The stages that handle what is published."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._reader: LagReader | None = None
        self._admin = admin_client(settings)

    def wait(self) -> None:
        """Return once they are close behind, or there are none, or the process is to stop. Raises `RekindleError`."""
        if self._settings.segments_lag <= 0:
            return
        told = False
        while (lag := self._lag()) > self._settings.segments_lag and self._run():
            if not told:
                logger.info("waiting for the workers: %d records are not handled yet", lag)
                told = True
            if self._stop.wait(LOOK_SECONDS):
                return

    def close(self) -> None:
        """Close the connections."""
        if self._reader is not None:
            self._reader.close()

    def _lag(self) -> int:
        if self._reader is None:
            self._reader = LagReader(self._settings)
        return sum(row.records for row in self._reader.read(whole=False))

    def _run(self) -> bool:
        groups = [ingest_group(self._settings), members_group(self._settings)]
        try:
            described = self._admin.describe_consumer_groups(groups, request_timeout=TIMEOUT_SECONDS)
            return all(described[group].result().members for group in groups)
        except KafkaException as error:
            raise RekindleError(f"the workers cannot be asked for: {error.args[0].str()}") from error
