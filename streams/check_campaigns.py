"""Campaigns carry their own tests: `come-back_test.yaml` stands beside `come-back.yaml` and says what must come out.

A test file is a list of cases. Each has a `name`, `given` (events as flat mappings, like lines of a file of events;
`event_id` and `source` may be left out), `until`, and what the campaign must do by then: `dispatches`, `awards`,
`webhooks`, `decisions`, each a list in order. The whole programme of the directory is in force, so caps and quiet hours
act, but only the commands of the campaign beside the file count. An expected entry names the fields that matter and no
others (`content: {subject: …}` leaves the text free); the number of entries must agree. A list that isn't given isn't
checked.

The campaign beside the file runs as if it were live, whatever its `status`: that is how a draft is tried before anybody
gets a message. The others run by their own status, so drafts don't meet each other. A case may say otherwise with
`status: draft` (or paused, stopped). `start` is when the programme comes into force, by default before everything.

A delivery status in `given` names its message by `dispatch_of`, the path of the action (`dispatch_of: actions[1]`),
instead of an id that nobody can know beforehand: the last one that was sent to the member from there until then, over
the event's `channel` if it states one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from schemas.json_lines import read_events
from schemas.values import format_time, parse_time
from streams.compare_commands import compare
from streams.cover_campaigns import Coverage
from streams.engine.commands import Award, Command, Decision, Dispatch, Webhook
from streams.engine.events import Event, LogRecord
from streams.errors import InputError
from streams.programme import Programme, load, read_directory
from streams.programme.bundle import files_of
from streams.programme.definitions import read_definitions
from streams.simulate import simulate

SUFFIX = "_test.yaml"
_KINDS: Mapping[str, type[Command]] = {
    "dispatches": Dispatch,
    "awards": Award,
    "webhooks": Webhook,
    "decisions": Decision,
}
_TIMES = ("at", "not_after", "activates_at", "expires_at")
_FIELDS = frozenset({"name", "given", "until", "start", "status", *_KINDS})
_MESSAGE = "dispatch_of"
_STATUSES = ("live", "draft", "paused", "stopped")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case; `complaints` and `diff` are empty when it passed."""

    file: Path
    case: str
    complaints: Sequence[str]
    diff: Sequence[str] = ()


class CampaignTests:
    """The tests of a directory's campaigns, and what of the campaigns they reach.

    Raises `ProblemsError` for a directory that can't run.
    """

    def __init__(self, directory: Path) -> None:
        bundle = read_directory(directory)
        load([bundle])
        self._directory = directory
        self._definitions = read_definitions(bundle).definitions()
        self._coverage = {each.id: Coverage.of(each) for each in self._definitions.campaigns}
        self._programmes: dict[tuple[str, str], Programme] = {}

    def run(self) -> Iterator[Outcome]:
        """Run every case of every test file; raises `InputError` for a file that is none, or if there isn't any."""
        files = [file for file in files_of(self._directory) if file.name.endswith(SUFFIX)]
        if not files:
            raise InputError(f"{self._directory}: no *{SUFFIX} in it")
        for file in files:
            campaign = _campaign_beside(file)
            if campaign not in self._coverage:
                raise InputError(f"{file}: expected a campaign beside it, `{campaign}` is none")
            for number, case in enumerate(_read_cases(file), 1):
                name = str(case.get("name", f"case {number}"))
                programme = self._programme(campaign, case.get("status", "live"))
                complaints, diff = _check(programme, campaign, case, f"{file}: {name}")
                yield Outcome(file=file, case=name, complaints=complaints, diff=diff)

    def coverage(self) -> list[Coverage]:
        """What the cases that have run reached, of every campaign, by id."""
        return [self._coverage[campaign_id] for campaign_id in sorted(self._coverage)]

    def _programme(self, campaign_id: str, status: str) -> Programme:
        """The programme in which this campaign has that status; what its cases reach is noted."""
        key = campaign_id, status
        if key not in self._programmes:
            others = [each for each in self._definitions.campaigns if each.id != campaign_id]
            tested = next(each for each in self._definitions.campaigns if each.id == campaign_id).model_copy(
                update={"status": status}
            )
            self._coverage[campaign_id].watch(tested)
            self._programmes[key] = Programme.compile([replace(self._definitions, campaigns=(*others, tested))])
        return self._programmes[key]


def check_directory(directory: Path) -> Iterator[Outcome]:
    """Run every case of the directory: `CampaignTests.run`."""
    return CampaignTests(directory).run()


def _campaign_beside(file: Path) -> str:
    beside = file.with_name(file.name.removesuffix(SUFFIX) + ".yaml")
    try:
        definition = yaml.safe_load(beside.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{file}: expected the campaign {beside.name} beside it") from None
    if not isinstance(definition, dict) or "id" not in definition:
        raise InputError(f"{beside}: field `id`: expected the campaign's id")
    return str(definition["id"])


def _read_cases(file: Path) -> list[dict[str, Any]]:
    try:
        cases = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{file}: expected YAML: {error}") from None
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise InputError(f"{file}: expected a list of cases with name, given and until")
    for case in cases:
        label = f"{file}: {case.get('name', 'a case without name')}"
        for field in ("given", "until"):
            if field not in case:
                raise InputError(f"{label}: field `{field}`: expected, and missing")
        for field in case:
            if field not in _FIELDS:
                raise InputError(f"{label}: field `{field}`: expected one of {', '.join(sorted(_FIELDS))}")
        if case.get("status", "live") not in _STATUSES:
            raise InputError(f"{label}: field `status`: expected one of {', '.join(_STATUSES)}")
        if not any(kind in case for kind in _KINDS):
            raise InputError(f"{label}: expected dispatches, awards or decisions: it would check nothing")
    return cases


def _check(
    programme: Programme, campaign: str, case: Mapping[str, Any], label: str
) -> tuple[Sequence[str], Sequence[str]]:
    until_ms = _moment(case, "until", label)
    start_ms = _moment(case, "start", label) if "start" in case else None
    given = _given(programme, campaign, case["given"], label, start_ms)
    output = simulate(programme, _records(given, label), until=until_ms, start=start_ms)
    commands = [item for item in output if not isinstance(item, Event) and item.campaign == campaign]
    complaints: list[str] = []
    diff: list[str] = []
    for name, kind in _KINDS.items():
        if name in case:
            found = [_plain(command) for command in commands if isinstance(command, kind)]
            differing, lines = compare(name, _expected(case[name], f"{label}: field `{name}`"), found)
            complaints += differing
            diff += lines
    return complaints, diff


def _moment(case: Mapping[str, Any], field: str, label: str) -> int:
    try:
        return parse_time(_text(case.get(field)))
    except ValueError as error:
        raise InputError(f"{label}: field `{field}`: expected {error}") from None


def _expected(entries: Any, label: str) -> list[dict[str, Any]]:
    entries = entries if entries is not None else []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{label}: expected a list of mappings")
    return [_natural(entry) for entry in entries]


def _given(
    programme: Programme, campaign: str, given: Any, label: str, start_ms: int | None
) -> Sequence[Mapping[str, Any]]:
    """The events, with the id of the message that they name by `dispatch_of`, which earlier ones have brought about."""
    if not isinstance(given, list) or not all(isinstance(event, dict) for event in given):
        raise InputError(f"{label}: field `given`: expected a list of events")
    numbered = enumerate(given, 1)
    events = [{"event_id": f"given-{number}", "source": "test", **_natural(event)} for number, event in numbered]
    known: list[Mapping[str, Any]] = [event for event in events if _MESSAGE not in event]
    for event in (event for event in events if _MESSAGE in event):
        action, channel = event.pop(_MESSAGE), event.get("channel")
        output = simulate(programme, _records(known, label), until=_moment(event, "occurred_at", label), start=start_ms)
        sent = [
            item.dispatch_id
            for item in output
            if isinstance(item, Dispatch)
            and (item.campaign, item.action, item.member_id) == (campaign, action, event.get("member_id"))
            and channel in {None, item.channel}
        ]
        if not sent:
            raise InputError(f"{label}: field `{_MESSAGE}`: nothing was sent from `{action}` by {event['occurred_at']}")
        event["dispatch_id"] = sent[-1]
        known.append(event)
    return events


def _records(given: Sequence[Mapping[str, Any]], label: str) -> list[tuple[LogRecord, None]]:
    lines = (json.dumps(event, ensure_ascii=False) for event in given)
    return [(record, None) for record, _ in read_events(lines, label)]


def _plain(command: Command) -> dict[str, Any]:
    """Turn a command into what YAML would give: times as in the output, numbers as numbers."""
    fields: dict[str, Any] = msgspec.to_builtins(command, builtin_types=(dict,))
    for name in _TIMES:
        if fields.get(name) is not None:
            fields[name] = format_time(fields[name])
    if isinstance(command, Award):
        fields["amount"] = float(command.amount)
    return fields


def _natural(value: Any) -> Any:
    """Undo what YAML makes of unquoted times, so that a file may say them either way."""
    if isinstance(value, dict):
        return {key: _natural(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_natural(item) for item in value]
    return _text(value) if isinstance(value, date | datetime) else value


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)
