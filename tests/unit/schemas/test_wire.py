"""Whatever is done to the bytes, they are read alike: by machine code and plain Python, whole and in part."""

import io
import json
import os
import subprocess
import sys

import fastavro
import pytest

from schemas.codec import Codec
from schemas.declarations import avro_schemas
from schemas.registry import CommittedSchemas
from streams.compiled import SETTING, WIRE
from streams.engine.events import Event
from tests.unit.schemas.damaged import PREFIX_BYTES, damaged, outcomes

COUNT = 5_000
CODEC = Codec(CommittedSchemas())
RECORDS = {name: fastavro.parse_schema(json.loads(json.dumps(schema)), {}) for name, schema in avro_schemas().items()}


@pytest.mark.parametrize("seed", range(3))
def test_whether_a_record_is_good_does_not_depend_on_what_is_read_of_it(seed: int) -> None:
    bad = 0
    for value in damaged(CODEC, seed, COUNT):
        whole, plain, header = outcomes(CODEC, value)
        assert isinstance(whole, str) == isinstance(plain, str) == isinstance(header, str), value
        if isinstance(whole, str):
            assert (plain, header) == (whole, whole)
            bad += 1
        else:
            body = {name: each for name, each in whole.body.items() if not isinstance(each, list)}
            assert plain.body == body
            assert header.body.items() <= whole.body.items()
    assert COUNT / 10 < bad < COUNT * 9 / 10


@pytest.mark.parametrize("seed", range(3))
def test_what_we_read_is_what_fastavro_reads(seed: int) -> None:
    """But for an odd branch of a nullable field, which fastavro refuses, and what we refuse besides."""
    alike = 0
    for value in damaged(CODEC, seed, COUNT):
        (whole, _, _), record = outcomes(CODEC, value), _record_of(value)
        if isinstance(whole, str) or record is None:
            continue
        alike += 1
        assert isinstance(whole, Event)
        for name in ("event_id", "source", "member_id"):
            assert getattr(whole, name) == record[name]
        for name, found in whole.body.items():
            if not isinstance(found, list | dict):
                assert found == record[name], value
        if "lines" in whole.body:
            theirs = [{name: each for name, each in line.items() if each is not None} for line in record["lines"]]
            assert whole.body["lines"] == theirs
    assert alike > COUNT / 5


def _record_of(value: bytes) -> dict[str, object] | None:
    name = CommittedSchemas().schema(int.from_bytes(value[1:PREFIX_BYTES], "big"))["name"]
    stream = io.BytesIO(value[PREFIX_BYTES:])
    try:
        found = fastavro.schemaless_reader(stream, RECORDS[f"rekindle.events.{name}"], None)
    except Exception:  # noqa: BLE001 - it raises what it likes
        return None
    return found if isinstance(found, dict) and stream.read() == b"" else None


def test_machine_code_and_plain_python_say_the_same() -> None:
    """Where it is compiled."""
    modes = "01" if WIRE.folder().is_dir() else "0"
    said = {
        asked: subprocess.run(
            [sys.executable, "-m", "tests.unit.schemas.damaged", "7", str(COUNT)],
            env={**os.environ, SETTING: asked},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.partition("\n")
        for asked in modes
    }
    assert [said[asked][0].endswith("read.py") for asked in modes] == [asked == "0" for asked in modes]
    assert said["0"][2].count("\n") == COUNT
    assert {each for _, _, each in said.values()} == {said["0"][2]}
