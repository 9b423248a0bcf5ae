"""What stands beside a committed offset is read by this release and by those before, whoever of them wrote it."""

import json

import pytest

from streams.runtime.group_offsets import Note, read_note


@pytest.mark.parametrize("note", [Note(), Note(at=5, due=9, open_ticks=True), Note(at=5, tick=7), Note(due=0)])
def test_what_was_written_is_read(note: Note) -> None:
    assert read_note(note.encode()) == note


@pytest.mark.parametrize(
    ("before", "note"),
    [
        (None, Note()),
        ("", Note()),
        ("open ticks", Note(open_ticks=True)),
        ('{"tick": 1514851200000}', Note(tick=1_514_851_200_000)),
        ('{"tick": null}', Note()),
        ('{"at": 5, "of a later release": {"x": []}}', Note(at=5)),
        ("somebody else's", Note()),
        ('{"tick": "soon"}', Note()),
        ("[]", Note()),
    ],
)
def test_what_others_wrote_is_read(before: str | None, note: Note) -> None:
    assert read_note(before) == note


def test_a_worker_of_before_finds_the_tick() -> None:
    """It took any note beside an offset of the control topic for an object, and of that the tick."""
    assert json.loads(Note(at=5, tick=7).encode()).get("tick") == 7
    assert json.loads(Note(at=5).encode()).get("tick") is None


def test_a_note_is_short() -> None:
    """A broker keeps 4,096 bytes (offset.metadata.max.bytes) and refuses the commit of more."""
    whole = Note(at=2**63 - 1, due=2**63 - 1, open_ticks=True, tick=2**63 - 1)
    assert len(whole.encode()) < 200
