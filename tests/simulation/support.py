"""A few lines of campaigns and events in, what the engine does with them out.

    programme = directory({"c.yaml": "..."})
    lines = run(programme, [event("a", "purchase_completed", "2018-01-01T12:00:00Z", total=5)], until=...)

Times are written as in a file of events; what comes out are the lines of `simulate`, read back.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from textwrap import dedent
from typing import Any

from schemas.json_lines import read_events
from schemas.values import parse_time
from streams.engine import step
from streams.engine.commands import Decision, ProfileCheck
from streams.engine.decision import OUTCOMES_OF
from streams.engine.events import Event
from streams.engine.handling import Output
from streams.engine.state import MemberState, new
from streams.engine.state_bytes import decode, encode
from streams.output_lines import format_command
from streams.programme import Programme, load
from streams.simulate import Placed, simulate

Line = dict[str, Any]

TEMPLATES = """\
templates:
  - {id: hello, text: "Hello"}
  - {id: a, text: "A"}
  - {id: b, text: "B"}
  - {id: c, text: "C"}
  - {id: mail, subject: "Subject", text: "Text"}
  - {id: social, text: "Social", moderated: true}
"""


def bundle(files: Mapping[str, str] | None = None, **campaigns: str) -> dict[str, str]:
    """A campaign directory: keywords are campaigns whose id is the keyword (a `_` in it is a `-`)."""
    found = {"templates/all.yaml": TEMPLATES}
    for name, text in campaigns.items():
        campaign_id = name.replace("_", "-")
        found[f"{campaign_id}.yaml"] = f"id: {campaign_id}\n{dedent(text)}"
    found.update({name: dedent(text) for name, text in (files or {}).items()})
    return found


def directory(files: Mapping[str, str] | None = None, **campaigns: str) -> Programme:
    """The programme of a campaign directory."""
    return load([bundle(files, **campaigns)])


def event(member: str | None, kind: str, at: str, **body: Any) -> Line:
    """A line of a file of events; `event_id` is made of what it says unless it is given."""
    flat: Line = {"type": kind, "occurred_at": at, "member_id": member, "source": "test", **body}
    if "event_id" not in flat:
        flat["event_id"] = hashlib.sha256(json.dumps(flat, sort_keys=True).encode()).hexdigest()[:16]
    return flat


def registered(member: str, at: str, **body: Any) -> Line:
    """A registration with a phone and an e-mail of the member's own."""
    number = sum(map(ord, member)) % 10_000_000
    contacts = {"phone": f"+7900{number:07d}", "email": f"{member}@example.com", **body}
    return event(member, "registration_completed", at, **contacts)


def bought(member: str, at: str, total: float = 100, **body: Any) -> Line:
    """A purchase."""
    return event(member, "purchase_completed", at, total=total, **body)


def records(lines: Iterable[Line | str]) -> list[Placed]:
    """The lines as the simulation takes them."""
    read = read_events([line if isinstance(line, str) else json.dumps(line) for line in lines], "events")
    return list(read)


def run(
    programme: Programme,
    events: Iterable[Line | str],
    until: str,
    *,
    start: str | None = None,
    in_order: bool = False,
    kinds: Sequence[str] = ("dispatch", "award", "webhook"),
    secret: bytes = b"",
) -> list[Line]:
    """What `simulate` prints, of these kinds."""
    output = simulate(
        programme,
        records(events),
        until=parse_time(until),
        start=None if start is None else parse_time(start),
        in_order=in_order,
        secret=secret,
    )
    lines = [_read_back(item) for item in output]
    return [line for line in lines if line["kind"] in kinds]


def sent(*args: Any, **options: Any) -> list[tuple[str, str]]:
    """When what was sent: `(at, text)` of every dispatch."""
    lines = run(*args, kinds=("dispatch",), **options)
    return [(line["at"], line["content"].get("text") or line["content"].get("title")) for line in lines]


def decided(*args: Any, **options: Any) -> list[tuple[str, str, str]]:
    """`(at, outcome, reason)` of every decision."""
    lines = run(*args, kinds=("decision",), **options)
    return [(line["at"], line["outcome"], line["reason"]) for line in lines]


def happened(*args: Any, **options: Any) -> list[str]:
    """Everything in order, shortly: `at dispatch text`, `at award amount`, `at outcome reason`."""
    return [_short(line) for line in run(*args, kinds=("dispatch", "award", "decision", "webhook"), **options)]


class Live:
    """One member, live: programmes come into force one after the other, and the state is stored between all steps."""

    def __init__(self, key: str = "m") -> None:
        self._bundles: list[dict[str, str]] = []
        self._programme = load([])
        self.stored = encode(new(key))
        self.lines: list[Line] = []

    def apply(self, at: str, files: Mapping[str, str] | None = None, **campaigns: str) -> None:
        """A directory comes into force: as the worker does it, after what was due before."""
        self.tick(at)
        self._bundles.append(bundle(files, **campaigns))
        self._programme = load(self._bundles)
        self._do(lambda state: step.adopt(self._programme, state, parse_time(at)))

    def tick(self, at: str, *, wall: bool = False) -> None:
        """Time has come to `at`."""
        self._do(lambda state: step.advance(self._programme, state, parse_time(at), wall=wall))

    def handle(self, *lines: Line) -> None:
        """Events come."""
        for record, _ in records(lines):
            self._do(lambda state, record=record: step.handle(self._programme, state, record))

    def happened(self) -> list[str]:
        """Everything so far, shortly."""
        return [_short(line) for line in self.lines]

    def _do(self, action: Callable[[MemberState], list[Output]]) -> None:
        state = decode(self.stored)
        output = action(state)
        self.stored = encode(state)
        self.lines += [_read_back(item) for item in output if not isinstance(item, Event | ProfileCheck)]


def _read_back(item: Output) -> Line:
    """The line that is printed; a decision has a reason of the closed list, with an outcome that belongs to it."""
    if isinstance(item, Decision):
        assert item.outcome in OUTCOMES_OF[item.reason]
    line: Line = json.loads(format_command(item))  # type: ignore[arg-type]
    return line


def _short(line: Line) -> str:
    what = {
        "dispatch": lambda line: f"dispatch {line['content'].get('text')}",
        "award": lambda line: f"award {line['amount']}",
        "decision": lambda line: f"{line['outcome']} {line['reason']}",
        "webhook": lambda line: f"webhook {line['url']}",
        "attribution": lambda line: f"attribution {line['amount']}",
    }[line["kind"]](line)
    return f"{line['at']} {what}"
