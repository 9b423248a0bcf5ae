"""Consent: what a member must have said, or not said, before a message of a type may be sent."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from streams.engine.definition import Definition


class MessagingType(Definition):
    """A type of messages: the consent it needs, and whether quiet hours and frequency caps apply to it."""

    example: ClassVar[str] = "messaging_types: {service: {consent: none, quiet_hours: exempt, caps: exempt}}\n"

    consent: Literal["opt_out", "opt_in", "double_opt_in", "none"] = "opt_out"
    """`opt_out`: unless the member said no; `opt_in`: only if the member said yes; `double_opt_in`: only if the
    member said yes to this very type, and confirmed it by a link (docs/consent.md); `none`: always."""
    quiet_hours: Literal["apply", "exempt"] = "apply"
    """Whether quiet hours hold for it."""
    caps: Literal["apply", "exempt"] = "apply"
    """Whether caps hold for it, and its messages count for them."""


DEFAULT_TYPES: Mapping[str, MessagingType] = {
    "marketing": MessagingType(),
    "service": MessagingType(consent="none", quiet_hours="exempt", caps="exempt"),
}
