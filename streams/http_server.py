"""The small web servers of our processes: who hangs up, or says nothing, does them no harm.

A connection that asks nothing for `REQUEST_SECONDS` is closed, or such connections would hold a thread each for good.
"""

import logging
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

REQUEST_SECONDS = 10.0

logger = logging.getLogger(__name__)


class HttpServer(ThreadingHTTPServer):
    """Has a thread for each connection, and no traceback for one that breaks off."""

    request_queue_size = 128

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if isinstance(error, OSError):
            logger.debug("a connection broke off: %s", error)
        else:
            super().handle_error(request, client_address)


class RequestHandler(BaseHTTPRequestHandler):
    """Doesn't say by what it is served, and logs nothing but in DEBUG."""

    timeout = REQUEST_SECONDS
    server_version = "rekindle"
    sys_version = ""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Log requests in DEBUG only."""
        logger.debug(format, *args)
