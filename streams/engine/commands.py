"""What the engine puts out: dispatches, awards, decisions, webhooks, attributions, checks of profiles.

Imperative, with derived ids, stamped with the member's clock. Times are milliseconds since the epoch in UTC.
"""

from decimal import Decimal
from typing import Any

import msgspec


class Dispatch(msgspec.Struct, kw_only=True, gc=False):
    """One intended message: a command to the sender of its channel.

    `content` holds the rendered parts (`text`, `subject`, `html`, `image`, `title`, `url`, `button`); `action` is the
    path of the step in the campaign; `not_after` is the moment past which a sender must not hand it over any more.
    """

    at: int
    dispatch_id: str
    member_id: str
    campaign: str
    version: int
    action: str
    channel: str
    to: str
    content: dict[str, Any]
    messaging_type: str
    not_after: int | None = None
    network: str | None = None


class Award(msgspec.Struct, kw_only=True, gc=False):
    """A command to accrue bonus points."""

    at: int
    award_id: str
    member_id: str
    campaign: str
    version: int
    action: str
    amount: Decimal
    currency: str
    activates_at: int | None = None
    expires_at: int | None = None
    legal_entity: str | None = None
    description: str | None = None


class Decision(msgspec.Struct, gc=False):
    """Why something was or wasn't done; `outcome` and `reason` come from closed lists (`streams.engine.decision`)."""

    at: int
    member_id: str
    campaign: str
    version: int
    action: str | None
    outcome: str
    reason: str


class LimitExceeded(Decision, gc=False):
    """A decision because a bound was met: `limit` of `streams.engine.decision.LIMITS`. It is counted, not recorded."""

    limit: str

    def plain(self) -> Decision:
        """The decision as it is recorded."""
        return Decision(self.at, self.member_id, self.campaign, self.version, self.action, self.outcome, self.reason)


class Webhook(msgspec.Struct, kw_only=True, gc=False):
    """A request to make to a partner's system; `body` is rendered."""

    at: int
    webhook_id: str
    member_id: str
    campaign: str
    version: int
    action: str
    url: str
    body: Any


class Attribution(msgspec.Struct, kw_only=True):
    """The purchase of a receipt belongs to a dispatch; or a part of it no longer does, then `amount` is negative.

    `event`, `event_id` and `occurred_at` are those of the purchase, return or cancelled order; `touch` says whether the
    dispatch was `clicked`, `delivered` or only `sent` by the purchase, at `touched_at`.
    """

    at: int
    attribution_id: str
    member_id: str
    dispatch_id: str
    campaign: str
    version: int
    action: str
    channel: str
    event: str
    event_id: str
    occurred_at: int
    purchase: str | None = None
    amount: Decimal
    touch: str
    touched_at: int


class ProfileCheck(msgspec.Struct, kw_only=True, gc=False):
    """How good the personal fields of an event were, by the rules of `streams.profile`; none of their values.

    `event`, `event_id`, `source` and `occurred_at` are those of the event, which holds the original values. Each of
    `findings` has the fields of `streams.profile.findings.Finding`.
    """

    at: int
    member_id: str
    source: str
    event: str
    event_id: str
    occurred_at: int
    findings: list[dict[str, Any]]


Command = Dispatch | Award | Decision | Webhook | Attribution | ProfileCheck
