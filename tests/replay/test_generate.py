"""The made-up histories can be made again: the same log each time, of records that a reader takes."""

import json

from click.testing import CliRunner

from schemas.json_lines import read_events
from streams.engine.events import Event, ProgrammeApplied, Tick
from tests.replay.generate import WORLDS, command
from tests.replay.history import HOME, History, histories


def test_the_same_log_is_made_each_time() -> None:
    history = History(HOME / "clocks")
    made = WORLDS["clocks"](history)
    assert made == WORLDS["clocks"](history)
    records = [record for record, _ in read_events(made, "made")]
    assert {type(record) for record in records} == {Event, Tick, ProgrammeApplied}
    offsets: dict[int, int] = {}
    for line in made:
        place = json.loads(line)["log"]
        assert place["offset"] == offsets.get(place["partition"], -1) + 1
        offsets[place["partition"]] = place["offset"]


def test_what_is_sent_comes_back() -> None:
    history = History(HOME / "programme-changes")
    sent = {json.loads(line.split(" ", 5)[5])["dispatch_id"] for line in history.expected() if " dispatch {" in line}
    statuses = {
        record.body["dispatch_id"]: record.type
        for record, _ in history.log()
        if isinstance(record, Event) and record.type.startswith("message_")
    }
    assert len(statuses) > len(sent) / 2
    assert len(sent & statuses.keys()) == len(statuses)


def test_every_made_up_history_can_be_made_again() -> None:
    assert {history.name for history in histories()} == {*WORLDS, "demo-year"}
    assert CliRunner().invoke(command, ["demo-year"]).exit_code == 2
