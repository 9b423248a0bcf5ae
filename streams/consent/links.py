"""The links of a message: what a template writes as `%unsubscribe_url%` becomes the member's own.

The engine is pure and has no secret, so that templates only mark where a link belongs; the sender puts it in when it
hands the message over. A message that marks one while links aren't set up is not sent: it would have a dead link.
"""

import re
from typing import Any

import msgspec

from streams.consent.tokens import Purpose, Signer, statement_of
from streams.engine.commands import Dispatch
from streams.errors import RekindleError
from streams.settings import Settings

_MARK = re.compile(r"%unsubscribe_url%|%confirm_url:([^%]+)%")
_EXEMPT = "service"
PATHS: dict[Purpose, str] = {"unsubscribe": "u", "confirm": "c"}


class LinksNotSetUpError(Exception):
    """A message marks a link, and `REKINDLE_LINKS_URL` or `REKINDLE_LINKS_SECRET` isn't set."""


class Links:
    """Makes the links of dispatches. Raises `RekindleError` for settings that cannot work."""

    def __init__(self, settings: Settings) -> None:
        self._days = settings.links_days
        self._url = (settings.links_url or "").rstrip("/")
        self._signer = signer_of(settings) if self._url and settings.links_secret else None
        if self._url and not re.match(r"https?://[^/\s]+", self._url):
            raise RekindleError(f"REKINDLE_LINKS_URL={self._url!r}: expected an address that begins with https://")

    def fill(self, dispatch: Dispatch) -> Dispatch:
        """The dispatch with its links. Raises `LinksNotSetUpError`."""
        content = self._filled(dispatch, dispatch.content)
        return dispatch if content is dispatch.content else msgspec.structs.replace(dispatch, content=content)

    def unsubscribe(self, dispatch: Dispatch) -> str | None:
        """The address of List-Unsubscribe (RFC 8058); None without links, and for service messages."""
        if self._signer is None or dispatch.messaging_type == _EXEMPT:
            return None
        return self._link(dispatch, "unsubscribe")

    def _filled(self, dispatch: Dispatch, part: Any) -> Any:
        if isinstance(part, str):
            return _MARK.sub(lambda found: self._marked(dispatch, found[1]), part) if "_url" in part else part
        if isinstance(part, dict):
            filled = {name: self._filled(dispatch, each) for name, each in part.items()}
            return part if all(filled[name] is each for name, each in part.items()) else filled
        return part

    def _marked(self, dispatch: Dispatch, messaging_type: str | None) -> str:
        if messaging_type is None:
            return self._link(dispatch, "unsubscribe")
        return self._link(dispatch, "confirm", messaging_type.strip())

    def _link(self, dispatch: Dispatch, purpose: Purpose, messaging_type: str | None = None) -> str:
        if self._signer is None:
            raise LinksNotSetUpError
        token = self._signer.sign(statement_of(dispatch, purpose, self._days, messaging_type))
        return f"{self._url}/{PATHS[purpose]}/{token}"


def signer_of(settings: Settings) -> Signer:
    """The signer of the settings. Raises `RekindleError` without a secret."""
    return Signer([secret.strip() for secret in (settings.links_secret or "").split(",") if secret.strip()])
