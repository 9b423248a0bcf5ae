"""Campaigns carry their own tests: `come-back_test.yaml` stands beside `come-back.yaml` and says what must come out.

A test file is a list of cases. Each has a `name`, `given` (events as flat mappings, like lines of a file of events;
`event_id` and `source` may be left out), `until`, and what the campaign must do by then: `dispatches`, `awards`,
`webhooks`, `attributions`, `decisions`, each a list in order. The whole programme of the directory is in force, so
caps and quiet hours act, but only the commands of the campaign beside the file count. An expected entry names the
fields that matter and no others (`content: {subject: …}` leaves the text free); the number of entries must agree. A
list that isn't given isn't checked.

The campaign beside the file runs as if it were live, whatever its `status`: that is how a draft is tried before anybody
gets a message. The others run by their own status, so drafts don't meet each other. A case may say otherwise with
`status: draft` (or paused, stopped). `start` is when the programme comes into force, by default before everything.

A delivery status in `given` names its message by `dispatch_of`, the path of the action (`dispatch_of: actions[1]`),
instead of an id that nobody can know beforehand: the last one that was sent to the member from there until then, over
the event's `channel` if it states one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from schemas.values import format_time
from streams.compare_commands import compare
from streams.cover_campaigns import Coverage
from streams.engine.commands import Command, Decision, Dispatch, ProfileCheck
from streams.engine.events import Event, LogRecord
from streams.errors import InputError
from streams.programme import Programme, load, read_directory
from streams.programme.bundle import files_of
from streams.programme.definitions import read_definitions
from streams.programme.yaml_text import read_yaml
from streams.read_cases import KINDS, MESSAGE, TIMES, Case, Given, read_cases
from streams.simulate import simulate

SUFFIX = "_test.yaml"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case, and in which line of the file it stands; all else is empty when it passed.

    `decided` has the decisions that may explain what differs: all but that a journey was completed.
    """

    file: Path
    case: str
    line: int
    complaints: Sequence[str] = ()
    diff: Sequence[str] = ()
    decided: Sequence[Decision] = ()


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
            for case in read_cases(file):
                found = check_case(self._programme(campaign, case.status), campaign, case)
                yield Outcome(file, case.name, case.line, *found)

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
    if not beside.is_file():
        raise InputError(f"{file}: expected the campaign {beside.name} beside it")
    definition = read_yaml(beside.read_text(encoding="utf-8-sig"), str(beside)).data
    if not isinstance(definition, dict) or "id" not in definition:
        raise InputError(f"{beside}: field `id`: expected the campaign's id")
    return str(definition["id"])


def check_case(
    programme: Programme, campaign: str, case: Case
) -> tuple[Sequence[str], Sequence[str], Sequence[Decision]]:
    """What this programme's campaign does otherwise than the case expects: in words, as a diff, and what it decided.

    All empty if it does what is expected. Raises `InputError` for an event that is none.
    """
    output = simulate(programme, _records(programme, campaign, case), until=case.until, start=case.start)
    commands = [item for item in output if not isinstance(item, Event | ProfileCheck) and item.campaign == campaign]
    complaints: list[str] = []
    diff: list[str] = []
    for name, expected in case.expected.items():
        found = [_plain(command) for command in commands if isinstance(command, KINDS[name])]
        differing, lines = compare(name, expected, found)
        complaints += differing
        diff += lines
    if not complaints:
        return (), (), ()
    if not commands:
        complaints.append("the campaign did nothing by then: no event of the case starts a journey, or it still waits")
    decided = [item for item in commands if isinstance(item, Decision) and item.reason != "completed"]
    return complaints, diff, decided


def _records(programme: Programme, campaign: str, case: Case) -> list[tuple[LogRecord, None]]:
    """The events, with the id of the message that they name by `dispatch_of`, which earlier ones have brought about."""
    known = [given for given in case.given if MESSAGE not in given.fields]
    resolved: dict[int, Given] = {}
    for index, given in enumerate(case.given):
        if MESSAGE in given.fields:
            before = [record for each in known for record in each.read()]
            output = simulate(programme, before, until=given.moment(), start=case.start)
            resolved[index] = _with_message(given, [item for item in output if isinstance(item, Dispatch)], campaign)
            known.append(resolved[index])
    return [record for index, given in enumerate(case.given) for record in resolved.get(index, given).read()]


def _with_message(given: Given, sent: Sequence[Dispatch], campaign: str) -> Given:
    fields = {name: value for name, value in given.fields.items() if name != MESSAGE}
    action, channel, member = given.fields[MESSAGE], fields.get("channel"), fields.get("member_id")
    for dispatch in reversed(sent):
        place = dispatch.campaign, dispatch.action, dispatch.member_id
        if place == (campaign, action, member) and channel in {None, dispatch.channel}:
            return replace(given, fields={**fields, "dispatch_id": dispatch.dispatch_id})
    moment = fields["occurred_at"]
    raise InputError(f"{given.place}: field `{MESSAGE}`: nothing was sent from `{action}` by {moment}")


def _plain(command: Command) -> dict[str, Any]:
    """Turn a command into what a test file would say: times as in the output."""
    fields: dict[str, Any] = msgspec.to_builtins(command, builtin_types=(Decimal,))
    for name in TIMES:
        if fields.get(name) is not None:
            fields[name] = format_time(fields[name])
    return fields
