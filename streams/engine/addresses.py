"""Addresses that are known to be dead: a channel's gateway said of one for good that nobody is there (a hard bounce).

`message_failed` doesn't say which address it was about, and the state doesn't keep where every message went. So a
failure is held against the address that the member has, unless that one took another's place less than a day before the
failure: then it may well be the earlier one that failed, and the next failure will tell.

Nothing more is sent to a dead address over that channel: it counts as none (`no_address`), until the profile gives
another, or the member binds the same one anew (`phone_bound`, `email_bound`, `app_installed`). A profile that merely
repeats it changes nothing: many systems send all fields every night. A late event revives nothing.
"""

from typing import Final

from streams.engine.channels import CHANNELS
from streams.engine.events import Event
from streams.engine.local_time import DAY_MS
from streams.engine.state import MemberState, Profile

HARD_BOUNCES: Final = frozenset({"address_rejected", "invalid_address"})
"""Reasons of `message_failed` that say that the address doesn't exist; a gateway uses them for nothing else."""
CHANGING: Final = frozenset(
    {"registration_completed", "profile_updated", "phone_bound", "email_bound", "app_installed"}
)
"""Events that may change an address."""
_BINDING: Final = frozenset({"phone_bound", "email_bound", "app_installed"})
_FIELDS: Final = ("phone", "email", "push_token")
_DOUBT_MS: Final = DAY_MS


def note_failure(state: MemberState, event: Event) -> None:
    """Hold a failure against the address that the member has on its channel, if it was about the address."""
    channel = CHANNELS.get(event.body.get("channel") or "")
    if channel is None or channel.address not in _FIELDS or event.body.get("reason") not in HARD_BOUNCES:
        return
    profile = state.profile
    if _address(profile, channel.address) is None or channel.name in profile.undeliverable:
        return
    changed_at = profile.readdressed.get(channel.address)
    if changed_at is None or event.occurred_at - changed_at >= _DOUBT_MS:
        profile.undeliverable = [*profile.undeliverable, channel.name]


def addresses(profile: Profile) -> tuple[str | None, str | None, str | None]:
    """What `note_changes` compares with."""
    return profile.phone, profile.email, profile.push_token


def note_changes(state: MemberState, before: tuple[str | None, ...], event: Event, *, late: bool) -> None:
    """Revive what the event has changed or bound anew, and remember when one address took another's place."""
    profile = state.profile
    for field, was in zip(_FIELDS, before, strict=True):
        is_changed = _address(profile, field) != was
        if is_changed and was is not None:
            profile.readdressed = {**profile.readdressed, field: state.clock}
        if is_changed or (event.type in _BINDING and not late and event.body.get(field) is not None):
            _revive(profile, field)


def unite_addresses(state: MemberState, before: tuple[str | None, ...], other: Profile) -> None:
    """After another profile has filled the gaps: dead is what either knew to be dead of the address that remains.

    Where both had one and they differ, what is still to fail may be about the other's.
    """
    profile = state.profile
    for field, own in zip(_FIELDS, before, strict=True):
        theirs, remains = _address(other, field), _address(profile, field)
        if theirs is None:
            continue
        if theirs != remains:
            profile.readdressed = {**profile.readdressed, field: state.clock}
            continue
        if own is None:
            _revive(profile, field)
        for name in other.undeliverable:
            if CHANNELS[name].address == field and name not in profile.undeliverable:
                profile.undeliverable = [*profile.undeliverable, name]
        changes = [each.readdressed[field] for each in (profile, other) if field in each.readdressed]
        if changes:
            profile.readdressed = {**profile.readdressed, field: max(changes)}


def _revive(profile: Profile, field: str) -> None:
    if profile.undeliverable:
        profile.undeliverable = [name for name in profile.undeliverable if CHANNELS[name].address != field]


def _address(profile: Profile, field: str) -> str | None:
    found: str | None = getattr(profile, field)
    return found
