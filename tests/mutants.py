"""Do the tests of a campaign notice what is changed in it?

Each number, duration, time and word of a campaign is changed by a little, each part is left out, and the campaign's own
cases are run: a change that survives is a gap in the cases.

    python -m tests.mutants campaigns/library [CAMPAIGN …]      prints the survivors

A change that makes it no campaign any more, one that `lint` calls an error, or one that states a default is none. What
only a report or a person reads isn't changed: `id`, `version`, `name`, `group`, descriptions, the word of an `exit`,
and a goal's event unless it `ends` the journey (without that only its period decides). `priority` matters among
campaigns, which a case of one can't show.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from streams.check_campaigns import SUFFIX, check_case
from streams.engine.campaign import Campaign, Counter, Segment
from streams.errors import InputError
from streams.programme import Programme, lint, read_directory
from streams.programme.bundle import COUNTERS, SEGMENTS, is_below
from streams.programme.definitions import read_definitions
from streams.programme.problems import errors
from streams.programme.programme import Definitions
from streams.programme.yaml_text import field_path, read_yaml
from streams.read_cases import Case, read_cases

_DURATION = re.compile(r"(?P<before>-?PT?)(?P<number>\d+)(?P<after>[YMWDHS].*)")
_TIME = re.compile(r"(?P<hour>\d\d):(?P<minute>\d\d)")
_UNREAD = {"id", "version", "name", "group", "status", "priority", "exit", "description"}
_SWAPS = {
    "channel": {"sms": "viber", "viber": "sms", "email": "push", "push": "in_app", "social": "in_app"},
    "until": {"delivered": "opened", "opened": "delivered"},
    "while_running": {"ignore": "restart", "restart": "parallel", "parallel": "ignore"},
}
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A definition with one change; `what` says which."""

    file: str
    what: str
    data: Any


class Mutations:
    """A campaign directory with the cases of its campaigns."""

    def __init__(self, directory: Path) -> None:
        self._bundle = read_directory(directory)
        self._reading = read_definitions(self._bundle)
        self._definitions = self._reading.definitions()
        self._data = {name: read_yaml(text, name).data for name, text in self._bundle.items()}
        self._cases = {
            name: list(read_cases(directory / name.replace(".yaml", SUFFIX)))
            for name in self._data
            if (directory / name.replace(".yaml", SUFFIX)).exists()
        }

    def mutants(self, only: Sequence[str] = ()) -> Iterator[Mutant]:
        """Every change of the campaigns that have cases, and of the counters and segments that these ask for."""
        templates = sorted(self._definitions.templates)
        for name, data in self._data.items():
            campaign = name in self._cases
            if (only and Path(name).stem not in only) or not (campaign or name == COUNTERS or is_below(name, SEGMENTS)):
                continue
            for path, what, changed in _changes(data, templates, ("counters",) if name == COUNTERS else ()):
                goal = path[0] == "goal" and path[-1] not in {"goal", "within"} and "ends" not in data.get("goal", ())
                if not goal:
                    yield Mutant(name, f"{field_path(path)}: {what}", changed)

    def survives(self, mutant: Mutant) -> bool:
        """Whether it is a definition, and no case notices it."""
        tested = [mutant.file] if mutant.file in self._cases else self._who_ask(mutant)
        try:
            noticed = any(self._notices(name, mutant) for name in tested)
        except ValidationError:
            return False
        return not noticed and not self._is_error(mutant)

    def _notices(self, name: str, mutant: Mutant) -> bool:
        data = mutant.data if name == mutant.file else self._data[name]
        context = {"zone": self._definitions.policies.default_time_zone}
        campaign = Campaign.model_validate(data, context=context)
        if data is mutant.data and campaign == Campaign.model_validate(self._data[name], context=context):
            return True  # the same, in other words
        definitions = self._changed(mutant)
        for case in self._cases[name]:
            tested = campaign.model_copy(update={"status": case.status})
            programme = Programme.compile([replace(definitions, campaigns=(tested,))])
            if _complains(programme, campaign.id, case):
                return True
        return False

    def _changed(self, mutant: Mutant) -> Definitions:
        if mutant.file == COUNTERS:
            read = {name: Counter.model_validate(data) for name, data in mutant.data["counters"].items()}
            return replace(self._definitions, counters=read)
        if is_below(mutant.file, SEGMENTS):
            segment = Segment.model_validate(mutant.data)
            return replace(self._definitions, segments={**self._definitions.segments, segment.id: segment})
        return self._definitions

    def _who_ask(self, mutant: Mutant) -> list[str]:
        data = self._data[mutant.file]
        names = data["counters"] if mutant.file == COUNTERS else [data["id"]]
        return [name for name in self._cases if any(each in self._bundle[name] for each in names)]

    def _is_error(self, mutant: Mutant) -> bool:
        text = yaml.dump(mutant.data, Dumper=_Dumper, allow_unicode=True, sort_keys=False)
        return bool(errors(lint({**self._bundle, mutant.file: text})))


def _complains(programme: Programme, campaign: str, case: Case) -> bool:
    try:
        complaints, *_ = check_case(programme, campaign, case)
    except InputError:  # a status of a message that isn't sent any more
        return True
    return bool(complaints)


def _changes(data: Any, templates: Sequence[str], path: Place = ()) -> Iterator[tuple[Place, str, Any]]:
    """Every change of the value at `path`: where, what, and the whole with it."""
    value = _at(data, path)
    inside: Sequence[Any] = ()
    if isinstance(value, dict):
        inside = [key for key in value if key not in _UNREAD]
    elif isinstance(value, list):
        inside = range(len(value))
    for key in inside:
        changed = deepcopy(data)
        del _at(changed, path)[key]
        yield (*path, key), "left out", changed
        yield from _changes(data, templates, (*path, key))
    if not isinstance(value, dict | list):
        for other in _others(str(path[-1]), value, templates):
            changed = deepcopy(data)
            _at(changed, path[:-1])[path[-1]] = other
            yield path, f"{value} -> {other}", changed


def _others(key: str, value: Any, templates: Sequence[str]) -> Iterator[Any]:
    """What else might stand there."""
    if key == "percent":
        yield from (0, 100)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | Decimal):
        yield from (value + 1, value - 1)
    elif not isinstance(value, str):
        return
    elif key in _SWAPS and value in _SWAPS[key]:
        yield _SWAPS[key][value]
    elif key == "template":
        yield next(name for name in reversed(templates) if name != value)
    elif (found := _DURATION.fullmatch(value)) is not None:
        yield from (f"{found['before']}{int(found['number']) + by}{found['after']}" for by in (1, -1))
        yield from ("always", "never") if key == "again" else ()
    elif (found := _TIME.fullmatch(value)) is not None:
        yield from (f"{found['hour']}:59", f"{int(found['hour']) - 1:02d}:59")
    elif key == "again":
        yield "P1D"
    else:
        yield f"{value}x"


def _at(data: Any, path: Place) -> Any:
    for key in path:
        data = data[key]
    return data


class _Dumper(yaml.SafeDumper):
    """Writes decimals as numbers."""


_Dumper.add_representer(Decimal, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", str(value)))


def main() -> None:
    """Print the survivors of a directory, of the campaigns whose files are named or of all."""
    mutations = Mutations(Path(sys.argv[1]))
    mutants = list(mutations.mutants(sys.argv[2:]))
    survivors = [mutant for mutant in mutants if mutations.survives(mutant)]
    for mutant in survivors:
        sys.stdout.write(f"{mutant.file} {mutant.what}\n")
    sys.stdout.write(f"{len(survivors)} of {len(mutants)} survive\n")


if __name__ == "__main__":
    main()
