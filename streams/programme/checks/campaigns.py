"""Checks of a campaign: its triggers, its actions, and where they lead."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from schemas.catalogue import EVENT_TYPES
from streams.engine.actions import Action
from streams.engine.actions.add_to import AddTo
from streams.engine.actions.branch import If
from streams.engine.actions.poll import Poll
from streams.engine.actions.remove_from import RemoveFrom
from streams.engine.actions.select import Select
from streams.engine.actions.send import Send
from streams.engine.actions.wait import Wait, WaitFor
from streams.engine.actions.webhook import Webhook
from streams.engine.campaign import Campaign
from streams.engine.definition import Loc, did_you_mean
from streams.engine.matching import EventMatch
from streams.engine.triggers.date import DateTrigger
from streams.engine.triggers.event import EventTrigger
from streams.engine.triggers.segment_entered import SegmentEntered
from streams.engine.triggers.segment_left import SegmentLeft
from streams.programme.checks import names
from streams.programme.checks.coming import statuses_of, why_never_comes
from streams.programme.checks.conditions import Context, check_condition, check_segment
from streams.programme.checks.messages import Supply, check_body, check_message
from streams.programme.checks.reach import check_ends, check_entry, check_reach, goes_before
from streams.programme.definitions import UNREAD, Reading, Source
from streams.programme.problems import Problem
from streams.programme.yaml_text import field_path

STATUS_TOPIC = "delivery.statuses"
VERSION_MAX = 2**31 - 1
"""What the records of commands hold (Avro's `int`); a greater one could be written, and nobody could read it."""
Block = tuple[Loc, tuple[Action, ...]]


@dataclass(slots=True)
class _Checked:
    reading: Reading
    campaign: Campaign
    source: Source
    entry: names.Fields | None
    named: dict[str, list[tuple[str, Send | Poll]]] = field(default_factory=dict)
    """Messages by their `as`, each with the path of its action."""

    def at_hand(self, event: str) -> Context:
        return Context(names.event_fields(event), self.entry, f"`{event}`")

    @property
    def supply(self) -> Supply:
        return Supply(self.campaign, self.entry)

    @property
    def at_entry(self) -> Context:
        return Context(self.entry, self.entry, "the entry event", strict=False)


def check_campaign(reading: Reading, campaign: Campaign, source: Source, *, doubts: bool) -> Iterator[Problem]:
    """Every mistake of a campaign and, where `doubts`, everything in it that can never hold, render or be reached."""
    for problem in _all(reading, campaign, source):
        if doubts or problem.severity == "error":
            yield problem


def _all(reading: Reading, campaign: Campaign, source: Source) -> Iterator[Problem]:
    checked = _Checked(reading, campaign, source, names.entry_fields(campaign))
    for action_path, action in campaign.walk_actions():
        if isinstance(action, Send | Poll) and action.as_:
            checked.named.setdefault(action.as_, []).append((action_path, action))
    if campaign.version > VERSION_MAX:
        yield source.problem(("version",), f"expected at most {VERSION_MAX}, the most that a command's record holds")
    yield from _triggers(checked)
    yield from check_entry(campaign, source, reading.policies.default_time_zone)
    yield from check_ends(reading, campaign, source)
    if campaign.audience is not None:
        yield from check_condition(reading, campaign.audience, source, ("audience",), checked.at_entry)
    for index, match in enumerate(campaign.cancel_on):
        yield from check_match(checked, match, ("cancel_on", index))
    if campaign.goal is not None:
        yield from check_match(checked, campaign.goal, ("goal",))
    for path, actions in blocks(("actions",), campaign.actions):
        yield from check_reach(source, path, actions)
        for index, action in enumerate(actions):
            yield from _action(checked, action, (*path, index))


def blocks(path: Loc, actions: tuple[Action, ...]) -> Iterator[Block]:
    """Every list of actions with its path in the YAML."""
    yield path, actions
    for index, action in enumerate(actions):
        for name, inner in action.blocks():
            below: Loc = tuple(
                int(part) if part.isdigit() else part for part in name.replace("[", ".").replace("]", "").split(".")[1:]
            )
            head = () if action.beside or below[0] == action.kind else (action.kind,)
            yield from blocks((*path, index, *head, *below), inner)


def check_match(checked: _Checked, match: EventMatch | EventTrigger, path: Loc) -> Iterator[Problem]:
    """That the type of event exists and can come, and what is asked of it."""
    if match.event == UNREAD:
        return
    if match.event not in EVENT_TYPES:
        message = f"unknown event type `{match.event}`{did_you_mean(match.event, EVENT_TYPES)}"
        yield checked.source.problem((*path, "event"), message)
        return
    of = match.of if isinstance(match, WaitFor) else None
    why = why_never_comes(checked.reading, match) if of is None else None
    if why is not None:
        yield checked.source.problem((*path, "event"), f"can never come: {why}", severity="warning")
    if match.where is not None:
        context = checked.at_hand(match.event)
        yield from check_condition(checked.reading, match.where, checked.source, (*path, "where"), context)


def _triggers(checked: _Checked) -> Iterator[Problem]:
    for index, trigger in enumerate(checked.campaign.triggers):
        path: Loc = ("trigger", index)
        if isinstance(trigger, EventTrigger):
            yield from check_match(checked, trigger, path)
        elif isinstance(trigger, SegmentEntered | SegmentLeft):
            yield from check_segment(checked.reading, trigger.segment, checked.source, (*path, trigger.kind))
            if isinstance(trigger, SegmentLeft) and trigger.segment == "everyone":
                message = "can never come: nobody leaves `everyone`"
                yield checked.source.problem((*path, trigger.kind), message, severity="warning")
        elif isinstance(trigger, DateTrigger) and not names.is_date(trigger.date):
            near = did_you_mean(trigger.date, names.DATE_FIELDS)
            message = f"expected `birth_date`, `registered_at` or `attributes.<name>`, not `{trigger.date}`{near}"
            yield checked.source.problem((*path, "date"), message)


def _action(checked: _Checked, action: Action, path: Loc) -> Iterator[Problem]:
    action_path = field_path(path)
    reading, source = checked.reading, checked.source
    below = (*path, action.kind)
    match action:
        case Send() | Poll():
            yield from check_message(reading, action, source, path, checked.supply)
        case If():
            yield from check_condition(reading, action.if_, source, below, checked.at_entry)
        case Select():
            yield from check_segment(reading, action.segment, source, (*below, "segment"))
        case AddTo() | RemoveFrom():
            yield from check_segment(reading, action.segment, source, below)
            if action.segment == "everyone":
                yield source.problem(below, "the members of `everyone` can't be changed")
        case Webhook():
            yield from check_body(reading, action, source, below, checked.supply)
        case Wait() if action.for_ is not None:
            yield from check_match(checked, action.for_, (*below, "for"))
            yield from _status(checked, action.for_, (*below, "for", "of"), action_path)
        case _:
            return


def _status(checked: _Checked, wait: WaitFor, path: Loc, wait_path: str) -> Iterator[Problem]:
    """That a wait for the status of a message can be answered."""
    event, of = wait.event, wait.of
    if of is None:
        return
    if of not in checked.named:
        near = did_you_mean(of, checked.named)
        yield checked.source.problem(path, f"unknown message `{of}`{near}: no `send` or `poll` here has it as its `as`")
        return
    if event not in EVENT_TYPES:
        return
    if EVENT_TYPES[event].topic != STATUS_TOPIC:
        yield checked.source.problem(path, f"`{event}` isn't the status of a message")
        return
    before = [message for at, message in checked.named[of] if goes_before(at, wait_path)]
    if not before:
        message = f"can never hold: no journey that waits here has sent the message `{of}` before"
        yield checked.source.problem(path, message, severity="warning")
    elif all(event not in statuses_of(message) for message in before):
        message = f"can never hold: no channel of the message `{of}` reports `{event}`"
        yield checked.source.problem(path, message, severity="warning")
