"""What the long-running processes of this package share: a log on stderr, and an end when they are asked to end."""

import logging
import signal
import threading
from types import FrameType

from streams.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Log to stderr, one line per message."""
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("stamina").setLevel(logging.ERROR)  # we say ourselves what is tried again
    for noisy in ("clickhouse_connect", "urllib3"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))


def stop_on_signals() -> threading.Event:
    """Make an event that SIGTERM and SIGINT set; a second signal ends the process at once."""
    stop = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return stop
