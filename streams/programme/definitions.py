"""From a bundle's texts to definitions, each with the place it came from. Every mistake is noted, none stops the rest.

A campaign with mistakes is read once more without the parts that have them, so that what else is wrong with it (an
unknown template, say) is reported in the same run; it never comes into force.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import Field
from pydantic_core import ValidationError

from streams.engine import rfm
from streams.engine.campaign import DEFAULT_ZONE, Campaign, Counter, Policies, Poll, Segment
from streams.engine.definition import Definition, Loc, described
from streams.engine.templates import Template
from streams.programme.bundle import COUNTERS, POLICIES, POLLS, SEGMENTS, TEMPLATES, Bundle, is_below, is_definition
from streams.programme.bundle import members_file as path_of_list
from streams.programme.member_lists import read_members
from streams.programme.problems import Problem
from streams.programme.programme import Definitions
from streams.programme.yaml_text import Document, read_yaml
from streams.segments.check_sql import sql_mistake

_Model = TypeVar("_Model", bound=Definition)
COUNTER_NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a definition stands: its file, and its path in it."""

    document: Document
    path: Loc = ()

    def problem(self, path: Loc, message: str, **options: Any) -> Problem:
        """A problem at a path below the definition."""
        return self.document.problem((*self.path, *path), message, **options)


@dataclass(slots=True)
class Reading:
    """What a bundle defines, with sources by kind and id, and what was wrong.

    `stated` has the ids that are stated somewhere, well or not: a reference to a broken definition isn't a second
    mistake. `broken` campaigns lack the parts that have mistakes. `reported`: the delivery statuses that their channels
    report, once a check has asked.
    """

    campaigns: list[tuple[Campaign, Source]] = field(default_factory=list)
    broken: list[tuple[Campaign, Source]] = field(default_factory=list)
    policies: Policies = field(default_factory=Policies)
    policies_source: Source | None = None
    counters: dict[str, tuple[Counter, Source]] = field(default_factory=dict)
    segments: dict[str, tuple[Segment, Source]] = field(default_factory=dict)
    templates: dict[str, tuple[Template, Source]] = field(default_factory=dict)
    polls: dict[str, tuple[Poll, Source]] = field(default_factory=dict)
    stated: dict[str, dict[str, Source]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    reported: frozenset[str] | None = None

    def definitions(self) -> Definitions:
        """Those that are sound, for a programme."""
        return Definitions(
            campaigns=tuple(campaign for campaign, _ in self.campaigns),
            policies=self.policies,
            counters={name: counter for name, (counter, _) in self.counters.items()},
            segments={name: segment for name, (segment, _) in self.segments.items()},
            templates={name: template for name, (template, _) in self.templates.items()},
            polls={name: poll for name, (poll, _) in self.polls.items()},
        )


class _Counters(Definition):
    """`counters.yaml`."""

    counters: dict[Annotated[str, Field(pattern=COUNTER_NAME)], Any]


class _Templates(Definition):
    """A file of templates."""

    templates: tuple[Any, ...]


def read_definitions(bundle: Bundle) -> Reading:
    """Read all files of a bundle."""
    reading = Reading()
    documents = {name: read_yaml(text, name) for name, text in sorted(bundle.items()) if is_definition(name)}
    for document in documents.values():
        reading.problems.extend(document.problems)
    sound = {name: document for name, document in documents.items() if not _is_unreadable(document)}
    _read_policies(reading, sound.pop(POLICIES, None))
    _read_counters(reading, sound.pop(COUNTERS, None))
    campaigns = 0
    for name, document in sound.items():
        if is_below(name, TEMPLATES):
            _read_templates(reading, document)
        elif is_below(name, SEGMENTS):
            _read_segment(reading, document, bundle)
        elif is_below(name, POLLS):
            _read_poll(reading, document)
        else:
            campaigns += 1
            _read_campaign(reading, document)
    others = (POLICIES, COUNTERS, f"{TEMPLATES}/", f"{SEGMENTS}/", f"{POLLS}/")
    if not campaigns and not any(not name.startswith(others) for name in documents):
        reading.problems.append(Problem(".", 1, 1, "", "expected at least one campaign in the directory, found none"))
    return reading


def _is_unreadable(document: Document) -> bool:
    return document.data is None and bool(document.problems)


def _validated(reading: Reading, model: type[_Model], source: Source, data: Any) -> _Model | None:
    found, problems = _attempt(reading, model, source, data)
    reading.problems.extend(problems)
    return found


def _attempt(reading: Reading, model: type[_Model], source: Source, data: Any) -> tuple[_Model | None, list[Problem]]:
    try:
        return model.model_validate(data, context={"zone": reading.policies.default_time_zone}), []
    except ValidationError as error:
        return None, [source.problem(tuple(detail["loc"]), detail["msg"]) for detail in error.errors()]


def _state(reading: Reading, kind: str, data: Any, source: Source) -> bool:
    """Note that an id is stated; False, and a problem, if it was before."""
    name = data.get("id") if isinstance(data, dict) else None
    if not isinstance(name, str):
        return True
    first = reading.stated.setdefault(kind, {}).setdefault(name, source)
    if first is source:
        return True
    line, _ = first.document.places.get((*first.path, "id"), (1, 1))
    reading.problems.append(
        source.problem(("id",), f"the {kind} `{name}` is defined twice, first in {first.document.file}:{line}")
    )
    return False


def _read_policies(reading: Reading, document: Document | None) -> None:
    if document is None:
        return
    source = Source(document)
    reading.policies_source = source
    found = _validated(reading, Policies, source, document.data)
    if found is not None:
        reading.policies = found
    elif isinstance(document.data, dict):
        zone = document.data.get("default_time_zone", DEFAULT_ZONE)
        reading.policies = _attempt(reading, Policies, source, {"default_time_zone": zone})[0] or Policies()


def _read_counters(reading: Reading, document: Document | None) -> None:
    if document is None:
        return
    file = _validated(reading, _Counters, Source(document), document.data)
    for name, data in file.counters.items() if file is not None else ():
        source = Source(document, ("counters", name))
        reading.stated.setdefault("counter", {})[name] = source
        counter = _validated(reading, Counter, source, data)
        if counter is not None:
            reading.counters[name] = (counter, source)


def _read_templates(reading: Reading, document: Document) -> None:
    file = _validated(reading, _Templates, Source(document), document.data)
    for index, data in enumerate(file.templates) if file is not None else ():
        source = Source(document, ("templates", index))
        new = _state(reading, "template", data, source)
        template = _validated(reading, Template, source, data)
        if template is not None and new:
            reading.templates[template.id] = (template, source)


def _read_segment(reading: Reading, document: Document, bundle: Bundle) -> None:
    source = Source(document)
    new = _state(reading, "segment", document.data, source)
    segment = _validated(reading, Segment, source, document.data)
    if segment is None or not new:
        return
    if segment.id == "everyone":
        reading.problems.append(source.problem(("id",), "the segment `everyone` always exists and can't be defined"))
        return
    if rfm.parse(segment.id) is not None:
        message = f"the segment `{segment.id}` comes from RFM and can't be defined"
        reading.problems.append(source.problem(("id",), message))
        return
    mistake = sql_mistake(segment.sql) if segment.sql is not None else None
    if mistake is not None:
        reading.problems.append(source.problem(("sql",), mistake))
        return
    if segment.members_file is not None:
        path = path_of_list(document.file, document.data)
        if path is None or path not in bundle:
            shown = "a file beside it in the directory" if path is None else f"the file {path}"
            reading.problems.append(source.problem(("members_file",), f"expected {shown}, found none"))
        else:
            members, problems = read_members(bundle[path], path)
            reading.problems.extend(problems)
            segment = segment.model_copy(update={"members": members | (segment.members or frozenset())})
    reading.segments[segment.id] = (segment, source)


def _read_poll(reading: Reading, document: Document) -> None:
    source = Source(document)
    new = _state(reading, "poll", document.data, source)
    poll = _validated(reading, Poll, source, document.data)
    if poll is not None and new:
        reading.polls[poll.id] = (poll, source)


def _read_campaign(reading: Reading, document: Document) -> None:
    source = Source(document)
    if not isinstance(document.data, dict):
        reading.problems.append(source.problem((), f"expected a campaign, a mapping, not {described(document.data)}"))
        return
    new = _state(reading, "campaign", document.data, source)
    campaign = _validated(reading, Campaign, source, document.data)
    if campaign is not None and new:
        reading.campaigns.append((campaign, source))
    elif campaign is None:
        rest = _without_mistakes(reading, source, document.data)
        if rest is not None:
            reading.broken.append((rest, source))


UNREAD = "?"
"""Stands for an id or an event type that couldn't be read: what is wrong with it has been said."""


def _without_mistakes(reading: Reading, source: Source, data: dict[str, Any]) -> Campaign | None:
    """The campaign without its wrong keys and with a wait in place of its wrong actions, for further checks only."""
    blank = {"id": UNREAD, "trigger": {"event": UNREAD}, "actions": []}
    sound = {**blank, **data}
    for path in _wrong_paths(reading, data):
        match path:
            case ("actions", int(index), *_) if isinstance(sound["actions"], list):
                sound["actions"] = [*sound["actions"][:index], {"wait": "P0D"}, *sound["actions"][index + 1 :]]
            case (str(key), *_):
                sound.pop(key, None)
    found, _ = _attempt(reading, Campaign, source, {**blank, **sound})
    return found


def _wrong_paths(reading: Reading, data: dict[str, Any]) -> Iterator[Loc]:
    try:
        Campaign.model_validate(data, context={"zone": reading.policies.default_time_zone})
    except ValidationError as error:
        yield from (tuple(detail["loc"]) for detail in error.errors())
