"""What the examples of the reference do: each is put into a small programme and run, so the reference can't be wrong.

All run for one member, who is known before the programme comes into force. A kind says what it needs besides its
example: events, and the actions around it.
"""

import json
from collections.abc import Iterator
from typing import Any

from schemas.json_lines import read_events
from schemas.values import parse_time
from streams.engine.actions import Action
from streams.engine.commands import Award, Decision, Dispatch, ProfileCheck, Webhook
from streams.engine.definition import Kind
from streams.engine.events import Event
from streams.engine.handling import Output
from streams.output_lines import iso
from streams.programme.bundle import Bundle
from streams.programme.load import load
from streams.programme.yaml_text import read_yaml
from streams.simulate import simulate

START, UNTIL = "2026-03-01T00:00:00Z", "2026-12-31T00:00:00Z"
MEMBER = """\
The examples below run for one member: Ada, registered on 1 April 2025, born on 17 May 1990, with phone and e-mail, in
Moscow time. The programme comes into force on 1 March 2026, without quiet hours and caps.
"""
_ADA: dict[str, Any] = {
    "type": "registration_completed",
    "occurred_at": "2025-04-01T09:00:00Z",
    "first_name": "Ada",
    "phone": "+79161234567",
    "email": "ada@example.com",
    "birth_date": "1990-05-17",
}
_PURCHASE = "- {type: purchase_completed, occurred_at: 2026-03-02T12:00:00Z, total: 1500}\n"
_HELLO = "- send: {channel: cashier, template: hello}\n"
_FILES: Bundle = {
    "templates/all.yaml": """\
templates:
  - {id: hello, text: "Hello, {{ member.first_name }}"}
  - {id: come-back, subject: We miss you, text: "We miss you, {{ member.first_name }}"}
  - {id: how-was-it, text: "{{ poll.questions[0].text }}"}
  - {id: attribute, text: "Last: {{ member.attributes.last_campaign }}"}
""",
    "segments/year-old.yaml": "id: year-old\nwhere: {member.days_since_registration: {ge: 365}}\n",
    "polls/after-purchase.yaml": "id: after-purchase\nquestions: [{id: q1, text: 'How was it?'}]\n",
}


def programme_files(kind: type[Kind]) -> Bundle:
    """The programme that the kind's example runs in."""
    if issubclass(kind, Action):
        trigger = "trigger: {event: purchase_completed}\n"
        example = "- " + kind.example.rstrip().replace("\n", "\n  ") + "\n"
        actions = kind.shown_before + example + (kind.shown_after or _HELLO)
    else:
        trigger = "trigger:\n" + "".join(f"  {line}\n" for line in kind.example.splitlines())
        actions = _HELLO
    return {**_FILES, "example.yaml": f"id: example\n{trigger}actions:\n{actions}"}


def around(kind: type[Kind]) -> str:
    """The actions that stand around the example, in words; nothing if they are the usual ones."""
    places = (("before", kind.shown_before), ("after", kind.shown_after))
    parts = [
        " and ".join(f"`{line.removeprefix('- ')}`" for line in text.splitlines()) + f" {where} it"
        for where, text in places
        if text.strip()
    ]
    return ", with " + ", and ".join(parts) if parts else ""


def timeline(kind: type[Kind]) -> Iterator[str]:
    """What happens, line by line: the events given, and what the engine makes of them."""
    given: list[dict[str, Any]] = read_yaml(kind.shown_given or _PURCHASE, kind.kind).data or []
    lines = [
        {"event_id": str(number), "source": "x", "member_id": "ada"} | each
        for number, each in enumerate([_ADA, *given])
    ]
    records = list(read_events([json.dumps(line, default=float) for line in lines], kind.kind))
    placed = [(record, None) for record, _ in records]
    output = simulate(load([programme_files(kind)]), placed, until=parse_time(UNTIL), start=parse_time(START))
    shown = [(event.occurred_at, 0, _event(each)) for (event, _), each in zip(records[1:], given, strict=True)]
    shown += [(item.at, 1, _output(item)) for item in output if not isinstance(item, Event | ProfileCheck)]
    for at, _, text in sorted(shown, key=lambda line: line[:2]):
        yield f"{iso(at)}  {text}"


def _event(given: dict[str, Any]) -> str:
    body = ", ".join(f"{name} {value}" for name, value in given.items() if name not in {"type", "occurred_at"})
    return f"{given['type']}: {body}" if body else str(given["type"])


def _output(item: Output) -> str:
    match item:
        case Dispatch():
            content = " / ".join(str(part) for part in item.content.values())
            return f"→ {item.channel} to {item.to}: {content}"
        case Award():
            until = "" if item.expires_at is None else f", until {iso(item.expires_at)}"
            return f"→ award of {item.amount} {item.currency}{until}"
        case Webhook():
            return f"→ webhook to {item.url}: {json.dumps(item.body)}"
        case Decision():
            return f"→ {item.outcome}: {item.reason}"
        case _:
            return "→ " + type(item).__name__.lower()
