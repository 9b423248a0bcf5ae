"""The gateway `smtp`: e-mail to a mail server, over connections that are kept open.

The Message-ID is derived from the dispatch, so that a repeated message is recognised by servers that look at it. A mail
server cannot be asked whether it has a message: if the connection breaks after the text was sent and before the answer
came, the dispatch is in doubt, and the worker's policy decides (`REKINDLE_SENDER_IN_DOUBT`).

Domains go out in ASCII (IDNA), whatever the profile holds. A name before the @ that isn't ASCII goes to a server that
offers SMTPUTF8 (RFC 6531) only; that another doesn't says nothing against the address, so it is no hard bounce. Nor is
a refusal of the recipient that is about us, about rights or about space: what the server says by its enhanced code
(RFC 3463) counts, else its code. A server that blocks our own address would else end those of a whole mailing.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.policy import SMTPUTF8 as SMTPUTF8_POLICY
from email.utils import format_datetime
from typing import ClassVar, Self

import aiosmtplib
from email_validator import EmailNotValidError
from typing_extensions import override

from sinks.senders.gateway import Gateway, InDoubt, Rejected, TryLater, Unavailable
from streams.consent.links import Links
from streams.engine.commands import Dispatch
from streams.errors import RekindleError
from streams.profile.emails import validated
from streams.settings import Settings

TIMEOUT_S = 30.0
LINE_CHARS_MAX = 1_000
"""Of a line with its end (RFC 5322)."""
_SERVICE_CLOSING = 421
_SEVEN_BITS = SMTP_POLICY.clone(cte_type="7bit")
"""Texts go out in base64 or quoted-printable: not every server on the way takes 8 bits, and a signature (DKIM) of what
another server has to encode anew holds no more."""
_NOBODY_THERE = frozenset({550, 551, 553, 556})
"""Without an enhanced code: no such mailbox, moved, not allowed as a name; a domain that takes no mail (RFC 7504)."""
_NOBODY_THERE_ENHANCED = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
"""No such mailbox, no such domain, no address, moved; a domain that takes no mail (RFC 7505)."""

_ENHANCED = re.compile(r"\s*(5\.\d{1,3}\.\d{1,3})(?!\d)")

_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")


class SmtpGateway(Gateway):
    """Hands e-mails to one mail server; a broken connection is replaced."""

    channels: ClassVar[frozenset[str] | None] = frozenset({"email"})
    concurrency: ClassVar[int] = 16

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._links = Links(settings)
        self._free: list[aiosmtplib.SMTP] = []

    @override
    @classmethod
    def create(cls, settings: Settings, channel: str) -> Self:
        if not _ADDRESS.fullmatch(settings.smtp_from):
            raise RekindleError(f"REKINDLE_SMTP_FROM={settings.smtp_from!r}: expected an e-mail address")
        return cls(settings)

    @override
    async def close(self) -> None:
        while self._free:
            with suppress(aiosmtplib.SMTPException, OSError, asyncio.TimeoutError):
                await self._free.pop().quit(timeout=2)

    @override
    async def hand_over(self, dispatch: Dispatch) -> Sequence[str]:
        to = address_on_the_wire(dispatch.to)
        message = compose(dispatch, to, self._settings.smtp_from, self._links.unsubscribe(dispatch))
        connection = await self._connection()
        try:
            await self._envelope(connection, to)
            await self._data(connection, message)
        except (Rejected, TryLater):
            await self._give_back(connection)
            raise
        except BaseException:
            connection.close()
            raise
        self._free.append(connection)
        return ()

    async def _connection(self) -> aiosmtplib.SMTP:
        while self._free:
            connection = self._free.pop()
            if connection.is_connected:
                return connection
        settings = self._settings
        connection = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=settings.smtp_password,
            start_tls=True if settings.smtp_starttls else None,
            timeout=TIMEOUT_S,
        )
        try:
            await connection.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            connection.close()
            raise Unavailable("gateway_unavailable", _brief(error)) from error
        return connection

    async def _envelope(self, connection: aiosmtplib.SMTP, to: str) -> None:
        options = [] if to.isascii() else ["SMTPUTF8"]
        try:
            if options and not await _takes_utf8(connection):
                raise Rejected("smtputf8_unsupported")
            await connection.mail(self._settings.smtp_from, options=options)
        except aiosmtplib.SMTPResponseException as error:
            if error.code < 500:  # noqa: PLR2004 - 5xx is permanent (RFC 5321)
                raise Unavailable("gateway_unavailable", _brief(error)) from error
            if options:  # offered, and yet not taken
                raise Rejected("smtputf8_unsupported", _brief(error)) from error
            # Nothing of this dispatch was said yet: every other would hear the same, until somebody mends it.
            raise Unavailable("sender_refused", _brief(error)) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unavailable("gateway_unavailable", _brief(error)) from error
        try:
            await connection.rcpt(to, encoding="utf-8")
        except aiosmtplib.SMTPResponseException as error:
            reason = "address_rejected" if _says_nobody_is_there(error) else "recipient_refused"
            raise _refusal(error, reason) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unavailable("gateway_unavailable", _brief(error)) from error

    @staticmethod
    async def _data(connection: aiosmtplib.SMTP, message: bytes) -> None:
        try:
            await connection.data(message)
        except aiosmtplib.SMTPResponseException as error:
            if not 400 <= error.code < 600:  # noqa: PLR2004 - no refusal, or no answer of SMTP at all
                raise InDoubt("in_doubt", _brief(error)) from error
            raise _refusal(error, "content_rejected") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise InDoubt("in_doubt", _brief(error)) from error

    async def _give_back(self, connection: aiosmtplib.SMTP) -> None:
        try:
            await connection.rset()
        except (aiosmtplib.SMTPException, OSError):
            connection.close()
        else:
            self._free.append(connection)


async def _takes_utf8(connection: aiosmtplib.SMTP) -> bool:
    with suppress(aiosmtplib.SMTPHeloError):  # it was asked when connecting, but may have changed its mind with TLS
        await connection.ehlo()
    return connection.supports_extension("smtputf8")


def address_on_the_wire(address: str) -> str:
    """The address with its domain in ASCII. Raises `Rejected` if it cannot be one."""
    if not _ADDRESS.fullmatch(address):
        raise Rejected("invalid_address")
    if address.isascii():
        return address
    try:
        found = validated(address)
    except EmailNotValidError as error:
        raise Rejected("invalid_address") from error
    return f"{found.local_part}@{found.ascii_domain}"


def compose(dispatch: Dispatch, to: str, sender: str, unsubscribe: str | None) -> bytes:
    """The e-mail of a dispatch as it goes over the wire; `unsubscribe` is the address of one click (RFC 8058).

    The two headers of it are written by hand: the library would encode an address that is longer than a line, and mail
    programs wouldn't know it any more.
    """
    message = make_message(dispatch, to, sender).as_bytes(policy=SMTP_POLICY if to.isascii() else SMTPUTF8_POLICY)
    line = f"List-Unsubscribe: <{unsubscribe}>\r\n"
    if unsubscribe is None or len(line) > LINE_CHARS_MAX:
        return message
    return f"{line}List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode() + message


def make_message(dispatch: Dispatch, to: str, sender: str) -> EmailMessage:
    """Compose the e-mail of a dispatch, to an address as it goes over the wire."""
    message = EmailMessage(policy=_SEVEN_BITS)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = " ".join((dispatch.content.get("subject") or "").split())
    message["Date"] = format_datetime(datetime.fromtimestamp(dispatch.at // 1000, UTC))
    message["Message-ID"] = f"<{dispatch.dispatch_id}@{sender.rpartition('@')[2]}>"
    text, html = dispatch.content.get("text"), dispatch.content.get("html")
    if text is not None or html is None:
        message.set_content(text or "")
        if html is not None:
            message.add_alternative(html, subtype="html")
    else:
        message.set_content(html, subtype="html")
    return message


def _refusal(error: aiosmtplib.SMTPResponseException, reason: str) -> Rejected | TryLater | Unavailable:
    if error.code == _SERVICE_CLOSING:
        return Unavailable("gateway_unavailable", _brief(error))
    if error.code < 500:  # noqa: PLR2004 - 5xx is permanent (RFC 5321)
        return TryLater("temporary_failure", _brief(error))
    return Rejected(reason, _brief(error))


def _says_nobody_is_there(error: aiosmtplib.SMTPResponseException) -> bool:
    enhanced = _ENHANCED.match(error.message)
    return enhanced[1] in _NOBODY_THERE_ENHANCED if enhanced is not None else error.code in _NOBODY_THERE


def _brief(error: BaseException) -> str:
    """Say what went wrong without what the server quotes of the recipient."""
    return f"SMTP {error.code}" if isinstance(error, aiosmtplib.SMTPResponseException) else type(error).__name__


GATEWAY = SmtpGateway
