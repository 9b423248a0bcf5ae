"""Signed tokens that say who states what; whoever has one may make that statement, and no other, until it expires.

A token is the statement as base64url, a dot, and an HMAC-SHA256 of it. It is made from the dispatch alone, expiry
included, so that a repeated dispatch has the same link. It isn't encrypted: a member id that is nobody's business must
not be made of a phone. Of several secrets the first signs and all are accepted, so that secrets can be changed.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from streams.engine.commands import Dispatch
from streams.engine.events import Event, of_state
from streams.errors import RekindleError

Purpose = Literal["unsubscribe", "confirm"]
SECRET_CHARS_MIN = 16
TOKEN_CHARS_MAX = 4_096
SOURCE = "consent.link"
"""The source of the events that links make."""
_DAY_MS, _MINUTE_MS = 86_400_000, 60_000


class TokenError(RekindleError):
    """A token that isn't ours, or whose time is over; `expired` tells which."""

    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


class Statement(msgspec.Struct, array_like=True, frozen=True):
    """What a token says: its purpose, whose, by which dispatch, of which channel and type, until when (ms)."""

    purpose: Purpose
    member_id: str
    dispatch_id: str
    channel: str
    messaging_type: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Signer:
    """Makes and reads tokens. Raises `RekindleError` for a secret of fewer than `SECRET_CHARS_MIN` characters."""

    secrets: Sequence[str] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.secrets or any(len(secret) < SECRET_CHARS_MIN for secret in self.secrets):
            raise RekindleError(f"REKINDLE_LINKS_SECRET: expected at least {SECRET_CHARS_MIN} characters each")

    def sign(self, statement: Statement) -> str:
        """The token of a statement."""
        payload = _base64(msgspec.json.encode(statement))
        return f"{payload}.{_base64(_mac(self.secrets[0], payload))}"

    def read(self, token: str, now: int) -> Statement:
        """The statement of a token at `now` (ms). Raises `TokenError` for any other text, and for one that is over."""
        payload, dot, mac = token.partition(".")
        if not dot or len(token) > TOKEN_CHARS_MAX or not token.isascii():
            raise TokenError("that is no link of ours")
        try:
            given = _bytes(mac)
            if not any(hmac.compare_digest(given, _mac(secret, payload)) for secret in self.secrets):
                raise TokenError("that is no link of ours")
            statement = msgspec.json.decode(_bytes(payload), type=Statement)
        except (binascii.Error, ValueError) as error:
            raise TokenError("that is no link of ours") from error
        if now > statement.expires_at:
            raise TokenError("this link has expired", expired=True)
        return statement


def statement_of(dispatch: Dispatch, purpose: Purpose, days: int, messaging_type: str | None = None) -> Statement:
    """What the link of a dispatch says; it expires so many days after the dispatch."""
    return Statement(
        purpose,
        dispatch.member_id,
        dispatch.dispatch_id,
        dispatch.channel,
        dispatch.messaging_type if messaging_type is None else messaging_type,
        dispatch.at + days * _DAY_MS,
    )


def events_of(statement: Statement, now: int) -> list[Event]:
    """The events that a statement makes at `now` (ms); made again within the minute they have the same ids.

    `member_unsubscribed` for the message's channel, and `subscription_changed` for its channel and type: of statements
    the narrowest counts, so that one for the channel alone wouldn't end a type that was confirmed. To confirm makes
    only the latter: confirmed, since it is of our source. The ids begin with that of the dispatch whose link it was,
    for the evidence.
    """
    about_type = {"messaging_type": statement.messaging_type, "subscribed": statement.purpose == "confirm"}
    if statement.purpose == "confirm":
        return [_event(statement, now, "subscription_changed", about_type)]
    events = [_event(statement, now, "member_unsubscribed", {"dispatch_id": statement.dispatch_id})]
    if statement.messaging_type:
        events.append(_event(statement, now, "subscription_changed", about_type, "/type"))
    return events


def _event(statement: Statement, now: int, event_type: str, said: dict[str, object], suffix: str = "") -> Event:
    member_id, names = of_state(statement.member_id)
    return Event(
        event_id=f"{statement.dispatch_id}/{statement.purpose}/{statement.messaging_type}/{now // _MINUTE_MS}{suffix}",
        type=event_type,
        occurred_at=now,
        source=SOURCE,
        key=statement.member_id,
        member_id=member_id,
        body={**names, "channel": statement.channel, **said},
    )


def _mac(secret: str, payload: str) -> bytes:
    return hmac.digest(secret.encode(), payload.encode(), "sha256")


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
