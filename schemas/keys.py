"""Whose state an event belongs to: the Kafka key of whoever publishes it, the `key` of whoever reads it from a file."""

from collections.abc import Mapping
from typing import Any

from streams.engine.events import stranger_key

KEY_FIELDS = ("visitor_id", "card_number", "receipt_id", "from_id", "into_id", "referrer_id")
"""Fields of bodies that keys of states are made of as they are given; of the header, `member_id` is one."""
UNFIT_FOR_KEYS = "\0"
"""Keys that begin with it are the stages' own (`streams.members.record`), and it separates the parts of others."""


def event_key(event_type: str, member_id: str | None, body: Mapping[str, Any]) -> str | None:
    """Take the member id, else the stranger's key, else None: nothing in the event identifies anyone.

    A merger without a member id is about the member that remains.
    """
    if member_id:
        return member_id
    stranger = stranger_key(dict(body))
    if stranger is None and event_type == "members_merged":
        merged_into = body.get("into_id")
        return merged_into if isinstance(merged_into, str) and merged_into else None
    return stranger
