"""Campaigns carry their own tests: `come-back_test.yaml` stands beside `come-back.yaml` and says what must come out.

A test file is a list of cases. Each has a `name`, `given` (events as flat mappings, like lines of a file of events;
`event_id` and `source` may be left out), `until`, and what the campaign must do by then: `dispatches`, `awards`,
`decisions`, each a list in order. The whole programme of the directory is in force, so caps and quiet hours act, but
only the commands of the campaign beside the file count. An expected entry names the fields that matter and no others
(`content: {subject: …}` leaves the text free); the number of entries must agree. A list that isn't given isn't checked.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from schemas.json_lines import read_events
from schemas.values import format_time, parse_time
from streams.engine.commands import Award, Command, Decision, Dispatch
from streams.engine.events import Event
from streams.errors import InputError
from streams.programme import Programme, load, read_directory
from streams.simulate import simulate

SUFFIX = "_test.yaml"
_KINDS: Mapping[str, type[Command]] = {"dispatches": Dispatch, "awards": Award, "decisions": Decision}
_TIMES = ("at", "not_after", "activates_at", "expires_at")
_FIELDS = frozenset({"name", "given", "until", *_KINDS})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case; `complaints` is empty when it passed."""

    file: Path
    case: str
    complaints: Sequence[str]


def check_directory(directory: Path) -> Iterator[Outcome]:
    """Run every case of every test file; raises `InputError` for a file that is none, or a directory without any."""
    programme = load([read_directory(directory)])
    files = sorted(directory.rglob(f"*{SUFFIX}"))
    if not files:
        raise InputError(f"{directory}: no *{SUFFIX} in it")
    for file in files:
        campaign = _campaign_beside(file)
        for number, case in enumerate(_read_cases(file), 1):
            name = str(case.get("name", f"case {number}"))
            yield Outcome(file=file, case=name, complaints=_check(programme, campaign, case, f"{file}: {name}"))


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
        if not any(kind in case for kind in _KINDS):
            raise InputError(f"{label}: expected dispatches, awards or decisions: it would check nothing")
    return cases


def _check(programme: Programme, campaign: str, case: Mapping[str, Any], label: str) -> list[str]:
    records = [(record, None) for record, _ in read_events(_lines(case["given"], label), label)]
    try:
        until_ms = parse_time(_text(case["until"]))
    except ValueError as error:
        raise InputError(f"{label}: field `until`: expected {error}") from None
    output = simulate(programme, records, until=until_ms)
    commands = [item for item in output if not isinstance(item, Event) and item.campaign == campaign]
    complaints: list[str] = []
    for name, kind in _KINDS.items():
        if name in case:
            found = [_plain(command) for command in commands if isinstance(command, kind)]
            complaints += _compare(name, _natural(case[name] or []), found)
    return complaints


def _lines(given: Any, label: str) -> Iterator[str]:
    if not isinstance(given, list) or not all(isinstance(event, dict) for event in given):
        raise InputError(f"{label}: field `given`: expected a list of events")
    for number, event in enumerate(given, 1):
        yield json.dumps({"event_id": f"given-{number}", "source": "test", **_natural(event)}, ensure_ascii=False)


def _compare(name: str, expected: list[Any], found: list[dict[str, Any]]) -> list[str]:
    complaints = []
    for index, (wanted, got) in enumerate(zip(expected, found, strict=False)):
        complaints += _differences(f"{name}[{index}]", wanted, got)
    if len(expected) != len(found):
        complaints.append(f"{name}: expected {len(expected)}, got {len(found)}")
        complaints += [f"{name}: not expected: {_short(extra)}" for extra in found[len(expected) :]]
        complaints += [f"{name}: missing: {missing}" for missing in expected[len(found) :]]
    return complaints


def _differences(path: str, wanted: Any, got: Any) -> list[str]:
    if isinstance(wanted, dict) and isinstance(got, dict):
        return [line for key, value in wanted.items() for line in _differences(f"{path}.{key}", value, got.get(key))]
    return [] if wanted == got else [f"{path}: expected {wanted!r}, got {got!r}"]


def _short(command: Mapping[str, Any]) -> str:
    return json.dumps({key: command[key] for key in ("at", "action", "channel", "reason") if key in command})


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
