"""What a template may name: `member`, `event`, `campaign`, `counter`, `amount`, `poll`.

Each is reckoned when it is named, so that a message costs what it uses.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from streams.engine.handling import Handling
from streams.engine.state import Journey
from streams.engine.view import View, counter_value, member_value

if TYPE_CHECKING:
    from streams.engine.plans import CampaignPlan

_BRANCHES = frozenset({"attributes", "bonus", "purchases", "social"})


class MessageData(Mapping[str, Any]):
    """The data of one message of a journey. `poll_id` is the poll that it asks."""

    __slots__ = ("_campaign", "_handling", "_journey", "_poll", "_view")

    def __init__(
        self, handling: Handling, journey: Journey, campaign: "CampaignPlan", poll_id: str | None = None
    ) -> None:
        self._handling = handling
        self._journey = journey
        self._campaign = campaign
        self._poll = None if poll_id is None else handling.programme.polls.get(poll_id)
        self._view: View | None = None

    def __getitem__(self, name: str) -> Any:
        match name:
            case "member":
                return _Member(self._handling)
            case "event":
                return self._entry
            case "campaign":
                campaign = self._campaign
                return {
                    "id": campaign.id,
                    "version": campaign.version,
                    "name": campaign.name,
                    "group": campaign.group,
                }
            case "counter":
                return _Counters(self._handling)
            case "amount":
                amount = self._journey.amount
                return self._entry.get("amount") if amount is None else amount
            case "poll" if self._poll is not None:
                return self._poll.as_data
        raise KeyError(name)

    @property
    def _entry(self) -> Mapping[str, Any]:
        if self._view is None:
            self._view = View(self._handling, journey=self._journey)
        return self._view.entry

    def __iter__(self) -> Iterator[str]:
        yield from ("member", "event", "campaign", "counter", "amount")
        if self._poll is not None:
            yield "poll"

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Asked(Mapping[str, Any]):
    """Names that can be asked for, but for counters not listed."""

    __slots__ = ("_handling",)

    def __init__(self, handling: Handling) -> None:
        self._handling = handling

    def _ask(self, name: str) -> Any:
        raise NotImplementedError

    def __getitem__(self, name: str) -> Any:
        value = self._ask(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Counters(_Asked):
    __slots__ = ()

    def _ask(self, name: str) -> Any:
        return counter_value(self._handling, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._handling.programme.counters)

    def __len__(self) -> int:
        return len(self._handling.programme.counters)


class _Branch(_Asked):
    """`member.attributes`, `member.bonus`, `member.purchases`, `member.social`."""

    __slots__ = ("_head",)

    def __init__(self, handling: Handling, head: str) -> None:
        super().__init__(handling)
        self._head = head

    def _ask(self, name: str) -> Any:
        return member_value(self._handling, f"{self._head}.{name}")


class _Member(_Asked):
    __slots__ = ()

    def _ask(self, name: str) -> Any:
        return _Branch(self._handling, name) if name in _BRANCHES else member_value(self._handling, name)
