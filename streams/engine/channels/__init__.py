"""Channels: what a message may consist of, whom it is addressed to, and what comes back. One channel, one file.

`CHANNELS` has them all, found by discovery.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Address = Literal["phone", "email", "push_token", "profile", "member_id"]
Combination = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel.

    `parts` are the parts of a template that it takes, in the order of a dispatch's content; `combinations` are the
    sets of them that make a message (a template's other parts are left out); `optional` may join any of these.
    `address` says what of the member it needs: a phone, an e-mail, the app's push token, the linked profile of the
    social network, or nothing but the member. `exempt`: from quiet hours and frequency caps. `statuses` are the
    events that its gateway reports.
    """

    name: str
    doc: str
    parts: tuple[str, ...]
    combinations: tuple[Combination, ...]
    optional: Combination = frozenset()
    address: Address
    exempt: bool = False
    moderated: bool = False
    statuses: tuple[str, ...]

    def taken(self, available: Iterable[str]) -> tuple[str, ...]:
        """Those of a template's parts that it takes, in its order."""
        there = frozenset(available)
        return tuple(part for part in self.parts if part in there)

    def problem(self, available: Iterable[str]) -> str | None:
        """Why a template with these parts can't be sent, None if it can."""
        taken = frozenset(self.taken(available))
        if any(need <= taken <= need | self.optional for need in self.combinations):
            return None
        wanted = ", or ".join(" + ".join(part for part in self.parts if part in need) for need in self.combinations)
        more = f" (and optionally {', '.join(sorted(self.optional))})" if self.optional else ""
        has = " + ".join(part for part in self.parts if part in taken) or "none of these"
        return f"channel `{self.name}` takes {wanted}{more}; the template has {has}"


SENT, DELIVERED, OPENED, CLICKED, FAILED = (
    "message_sent",
    "message_delivered",
    "message_opened",
    "message_clicked",
    "message_failed",
)
TEXT = frozenset({"text"})


def _discover() -> dict[str, Channel]:
    modules = sorted(info.name for info in pkgutil.iter_modules(__path__))
    channels = [importlib.import_module(f"{__name__}.{module}").CHANNEL for module in modules]
    return {channel.name: channel for channel in channels}


CHANNELS: Mapping[str, Channel] = _discover()
