"""Commands and decisions as JSON lines, in the shape of the contract (§5)."""

from decimal import Decimal
from typing import Any

import msgspec

from streams.engine.commands import Attribution, Award, Command, Decision, Dispatch, ProfileCheck
from streams.engine.liquid_text import plain_number
from streams.engine.local_time import to_datetime

_encoder = msgspec.json.Encoder(decimal_format="number")


def format_command(command: Command) -> str:
    """One line, without its end."""
    if isinstance(command, Dispatch):
        fields: dict[str, Any] = {
            "kind": "dispatch",
            "at": iso(command.at),
            "dispatch_id": command.dispatch_id,
            "member_id": command.member_id,
            "campaign": command.campaign,
            "version": command.version,
            "action": command.action,
            "channel": command.channel,
            "to": command.to,
            "content": command.content,
        }
    elif isinstance(command, Award):
        fields = {
            "kind": "award",
            "at": iso(command.at),
            "award_id": command.award_id,
            "member_id": command.member_id,
            "campaign": command.campaign,
            "amount": plain(command.amount),
            "currency": command.currency,
            "expires_at": None if command.expires_at is None else iso(command.expires_at),
            "legal_entity": command.legal_entity,
            "description": command.description,
        }
    elif isinstance(command, Decision):
        fields = {
            "kind": "decision",
            "at": iso(command.at),
            "member_id": command.member_id,
            "campaign": command.campaign,
            "action": command.action,
            "outcome": command.outcome,
            "reason": command.reason,
        }
    elif isinstance(command, Attribution):
        fields = {
            "kind": "attribution",
            "at": iso(command.at),
            "attribution_id": command.attribution_id,
            "member_id": command.member_id,
            "dispatch_id": command.dispatch_id,
            "campaign": command.campaign,
            "version": command.version,
            "action": command.action,
            "channel": command.channel,
            "event": command.event,
            "event_id": command.event_id,
            "occurred_at": iso(command.occurred_at),
            "purchase": command.purchase,
            "amount": plain(command.amount),
            "touch": command.touch,
            "touched_at": iso(command.touched_at),
        }
    elif isinstance(command, ProfileCheck):
        fields = {
            "kind": "profile_check",
            "at": iso(command.at),
            "member_id": command.member_id,
            "source": command.source,
            "event": command.event,
            "event_id": command.event_id,
            "occurred_at": iso(command.occurred_at),
            "findings": command.findings,
        }
    else:
        fields = {
            "kind": "webhook",
            "at": iso(command.at),
            "webhook_id": command.webhook_id,
            "member_id": command.member_id,
            "campaign": command.campaign,
            "action": command.action,
            "url": command.url,
            "body": command.body,
        }
    return _encoder.encode(fields).decode()


def iso(at: int) -> str:
    """Milliseconds as ISO 8601 in UTC: whole seconds, a fraction only where it isn't zero."""
    text = to_datetime(at).isoformat()[: len("2018-01-01T00:00:00")]
    fraction = at % 1000
    return f"{text}.{fraction:03d}Z" if fraction else f"{text}Z"


def plain(number: Decimal) -> msgspec.Raw:
    """351, not 351.0; 12.5, not 12.50 and never an exponent."""
    return msgspec.Raw(plain_number(number).encode())
