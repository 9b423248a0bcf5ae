"""State and offset are of one transaction: a stage that finds them apart ends before it decides anything."""

from pathlib import Path
from typing import Any

import pytest

from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.errors import RekindleError
from streams.members.engine import RealEngine
from streams.members.record import PROGRESS, TICK, pack
from streams.members.stage import MembersStage
from streams.members.store import PartitionStore
from streams.runtime.group_offsets import Committed, Note
from streams.settings import Settings

INPUT = ("member.events", 0)
OF_BEFORE = [(TICK, b"5", None), (b"m1", pack(None, b"x"), None)]  # what the first versions wrote


def start(path: Path, written: list[tuple[bytes, bytes | None, int | None]], committed: int | None) -> int | None:
    anything: Any = None
    stage = MembersStage(
        Settings(),
        anything,
        Codec(CommittedSchemas()),
        anything,
        engine=RealEngine(),
        directory=path,
        open_store=PartitionStore,
    )
    store = stage._stores[0] = PartitionStore(path / "0")
    store.write(written, 1)
    try:
        return stage.open({INPUT: None if committed is None else Committed(committed, Note())})[INPUT]
    finally:
        stage.close()


@pytest.mark.parametrize(
    ("written", "committed", "starts"),
    [
        ([(PROGRESS, b"400", None)], 400, 400),
        ([(PROGRESS, b"400", None)], None, 400),  # the group's offsets have expired
        ([], None, None),
        ([], 0, 0),
        (OF_BEFORE, 400, 400),
    ],
)
def test_a_partition_starts_where_both_say(
    tmp_path: Path, written: Any, committed: int | None, starts: int | None
) -> None:
    assert start(tmp_path, written, committed) == starts


@pytest.mark.parametrize("written", [[(PROGRESS, b"400", None)], [(PROGRESS, b"1001", None)], []])
def test_a_state_without_what_was_committed_is_not_gone_on_with(tmp_path: Path, written: Any) -> None:
    with pytest.raises(RekindleError, match=r"member\.events/0 is handled up to 1000, its state only up to"):
        start(tmp_path, written, 1000)
