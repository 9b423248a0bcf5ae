"""The naive model's small parts: what a condition sees, a timer, a message on its way, a run of a campaign."""

from typing import TYPE_CHECKING, Any

from streams.engine.conditions import Condition
from streams.engine.conditions import parse as parse_condition
from streams.engine.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.model.knowledge import Knowledge

DAY = 86_400_000
PROFILE = ("first_name", "middle_name", "last_name", "phone", "email", "birth_date", "gender", "city", "address")
PROFILE = (*PROFILE, "time_zone", "referrer_id")
ADDRESS = {"sms": "phone", "viber": "phone", "voice": "phone", "email": "email", "push": "push_token"}
PARTS = {"sms": ("text",), "email": ("subject", "text", "html"), "push": ("title", "text", "url", "image")}
MET = {
    "sent": {"message_sent", "message_delivered", "message_opened", "message_clicked"},
    "delivered": {"message_delivered", "message_opened", "message_clicked"},
    "opened": {"message_opened", "message_clicked"},
    "clicked": {"message_clicked"},
}


PARSED: dict[str, Condition] = {}


def parse(source: Any, *, segment_is_field: bool = False) -> Condition:
    """The condition; parsed once, so that the tests don't take minutes."""
    key = f"{segment_is_field} {source!r}"
    if key not in PARSED:
        PARSED[key] = parse_condition(source, segment_is_field=segment_is_field)
    return PARSED[key]


class Ended(Exception):  # noqa: N818 - not an error
    """An `exit`, or a `select` that failed."""


class Looking:
    """What a condition sees: the event at hand, the member, the entry event."""

    def __init__(self, member: "Knowledge", body: dict[str, Any], entry: dict[str, Any] | None = None) -> None:
        self.member, self.body, self.entry = member, body, entry or {}

    def value(self, name: str) -> Any:
        head, _, rest = name.partition(".")
        if head == "member":
            return self.member.look_up(rest)
        if head == "counter":
            return self.member.counter(rest)
        if head == "days_since":
            return self.member.days_since(rest)
        if head == "entry":
            return self.entry.get(rest)
        return self.body.get(name)

    def in_segment(self, segment_id: str) -> bool:
        return self.member.in_segment(segment_id)


class Timer:
    def __init__(self, due: int, fire: Any) -> None:
        self.due, self.fire = due, fire


class Message:
    """A send or a cascade on its way."""

    def __init__(self, journey: "Journey", path: str, steps: list[dict[str, Any]], send: dict[str, Any]) -> None:
        self.journey, self.path, self.steps, self.send = journey, path, steps, send
        self.action_at = journey.base
        self.at = 0
        self.timer: Timer | None = None
        self.sent_at: int | None = None


class Journey:
    """One run of a campaign."""

    def __init__(self, campaign: dict[str, Any], event: Event) -> None:
        self.campaign, self.event = campaign, event
        self.entered_at = self.base = event.occurred_at
        self.script: Iterator[Any] | None = None
        self.waiting: dict[str, Any] | None = None
        self.timer: Timer | None = None
        self.messages: list[Message] = []
        self.stands_at: str | None = None
        self.named: dict[str, list[str]] = {}
        self.reason: str | None = None
        self.over = False
