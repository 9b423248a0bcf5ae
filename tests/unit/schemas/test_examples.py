"""An example of every record, and that each is one: it is read, written, and read again."""

import json
from decimal import Decimal

import msgspec
import pytest

from schemas import document
from schemas.catalogue import EVENT_TYPES
from schemas.codec import BadRecord, Codec
from schemas.dead_letters import DeadLetter
from schemas.declarations import FOLDER
from schemas.erasure import Erasure
from schemas.json_lines import format_record, read_events
from schemas.profiles import MemberProfile
from schemas.registry import CommittedSchemas
from streams.engine.commands import Attribution, Award, Decision, Dispatch, ProfileCheck, Webhook
from streams.engine.events import Event

EXAMPLES = FOLDER / "examples"
COMMANDS = {
    "dispatch": Dispatch,
    "award": Award,
    "decision": Decision,
    "webhook": Webhook,
    "attribution": Attribution,
    "profile_check": ProfileCheck,
}
CODEC = Codec(CommittedSchemas())
ON_THE_WIRE = [name for name, event_type in EVENT_TYPES.items() if event_type.topic]


def one_line(name: str) -> str:
    return json.dumps(json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8")))


def test_there_is_an_example_of_every_record() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == {path.stem for path in (FOLDER / "avro").iterdir()}


@pytest.mark.parametrize("name", [*ON_THE_WIRE, "tick", "programme_applied", "state_moved", "state_handed_over"])
def test_an_example_survives_files_and_the_wire(name: str) -> None:
    ((record, _),) = read_events([one_line(name)], "example")
    key = record.key.encode() if isinstance(record, Event) else None
    decoded = CODEC.decode_log([CODEC.encode(record)], [key])
    assert decoded == [record]
    assert not isinstance(decoded[0], BadRecord)
    ((again, _),) = read_events([format_record(decoded[0], log=None)], "example")
    assert again == record


@pytest.mark.parametrize("name", ON_THE_WIRE)
def test_an_example_fills_every_field_of_its_body(name: str) -> None:
    given = json.loads(one_line(name))
    identifying = {"card_number", "visitor_id", "phone", "email"}
    assert set(EVENT_TYPES[name].fields) - identifying <= given.keys()


@pytest.mark.parametrize("name", ["segment_entered", "segment_left"])
def test_an_example_of_the_engines_own_fits_its_type(name: str) -> None:
    given = json.loads(one_line(name))
    assert set(EVENT_TYPES[name].fields) & given.keys() == {"segment"}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_of_a_command_survives_the_wire(name: str) -> None:
    command = msgspec.convert(json.loads(one_line(name), parse_float=Decimal), COMMANDS[name])
    assert CODEC.decode_commands([CODEC.encode(command)]) == [command]


def test_an_example_of_an_erasure_survives_the_wire() -> None:
    erasure = msgspec.convert(json.loads(one_line("erasure")), Erasure)
    assert CODEC.decode_erasures([CODEC.encode(erasure)]) == [erasure]


def test_an_example_of_a_dead_letter_survives_the_wire() -> None:
    letter = msgspec.convert(json.loads(one_line("dead_letter")), DeadLetter)
    assert letter.key == b"m-1001"
    assert CODEC.decode_dead_letters([CODEC.encode(letter)]) == [letter]


def test_an_example_of_a_profile_survives_the_wire() -> None:
    profile = msgspec.convert(json.loads(one_line("profile")), MemberProfile)
    assert CODEC.decode_profiles([CODEC.encode(profile)] * 50) == [profile] * 50


def test_the_page_of_events_is_up_to_date() -> None:
    assert document.PAGE.read_text(encoding="utf-8") == document.render(), "run `python -m schemas.document`"
