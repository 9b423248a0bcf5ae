"""The naive model's small parts: what a condition sees, a timer, a message on its way, a run of a campaign."""

from collections.abc import Callable
from dataclasses import dataclass
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
ADDRESS = dict.fromkeys(("sms", "viber", "voice", "call_center"), "phone")
ADDRESS |= {"email": "email", "push": "push_token"}
PARTS = dict.fromkeys(("sms", "social", "voice", "receipt", "cashier", "chat_bot", "call_center"), ("text",))
PARTS |= {"email": ("subject", "text", "html"), "viber": ("text", "image", "button")}
PARTS |= dict.fromkeys(("push", "in_app"), ("title", "text", "url", "image"))
EXEMPT = {"receipt", "cashier"}
MET = {
    "sent": {"message_sent", "message_delivered", "message_opened", "message_clicked"},
    "delivered": {"message_delivered", "message_opened", "message_clicked"},
    "opened": {"message_opened", "message_clicked"},
    "clicked": {"message_clicked"},
}
MESSAGES = ("send", "poll")
"""The actions that send a message."""

PARSED: dict[str, Condition] = {}


def parse(source: Any, *, segment_is_field: bool = False) -> Condition:
    """The condition; parsed once, so that the tests don't take minutes."""
    key = f"{segment_is_field} {source!r}"
    if key not in PARSED:
        PARSED[key] = parse_condition(source, segment_is_field=segment_is_field)
    return PARSED[key]


class Ended(Exception):  # noqa: N818 - not an error
    """An `exit`, or a `select` that failed."""


class TooMuch(Exception):  # noqa: N818 - not an error
    """More actions at once than a journey may do."""


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


@dataclass(eq=False)
class Timer:
    """`place` says what it is there for: (kind, …). `fire` is given when it was due, and when it happens."""

    due: int
    fire: Callable[[int, int], None]
    place: tuple[Any, ...] = ()
    journey: "Journey | None" = None


class Message:
    """A send, a poll or a cascade on its way."""

    def __init__(self, journey: "Journey", path: str, action: dict[str, Any]) -> None:
        self.journey, self.path = journey, path
        self.action_at = journey.base
        self.at = 0
        self.timer: Timer | None = None
        self.sent_at: int | None = None
        self.become(action)

    def become(self, action: dict[str, Any]) -> None:
        """It is this action now."""
        self.send = next(action[kind] for kind in MESSAGES if kind in action)
        self.steps = self.send.get("cascade", [self.send])
        self.poll = self.send.get("poll")


class Journey:
    """One run of a campaign; `version` is the one it runs, `entered_version` the one that its ids are made of."""

    def __init__(self, campaign: dict[str, Any], event: Event, at: int) -> None:
        self.campaign, self.event = campaign["id"], event
        self.member = event.key  # at entry
        self.version = self.entered_version = campaign.get("version", 1)
        self.entered_at = self.base = self.began = at
        self.script: Iterator[Any] | None = None
        self.waiting: dict[str, Any] | None = None
        self.timer: Timer | None = None
        self.messages: list[Message] = []
        self.stands_at: str | None = None
        self.wait: dict[str, Any] | None = None
        self.named: dict[str, list[str]] = {}
        self.amount: Any = None
        self.done = 0
        self.reason: str | None = None
        self.over = False
