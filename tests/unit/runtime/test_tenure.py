"""Where reading begins: at the commit, unless the input begins later, or has lost its end."""

import logging
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from streams.errors import RekindleError
from streams.runtime.group_offsets import Committed, Note
from streams.runtime.stage import Input
from streams.runtime.tenure import Tenure

PLACE = ("member.events", 0)


class Stage:
    """Starts at the commit, or where its state says."""

    topics = ("member.events",)

    def __init__(self, known: int | None) -> None:
        self.known = known
        self.read: Mapping[Input, int] = {}

    def recover(self, *_: Any) -> None:
        pass

    def open(self, committed: Mapping[Input, Committed | None]) -> Mapping[Input, int | None]:
        return {place: self.known if found is None else found.offset for place, found in committed.items()}

    def read_from(self, positions: Mapping[Input, int]) -> None:
        self.read = positions


class Offsets:
    """A partition that begins at 10; `decided` is the end that readers see, `end` the last."""

    def __init__(self, committed: int | None, decided: int, end: int) -> None:
        self._committed, self._decided, self._end = committed, decided, end

    def committed(self, inputs: Collection[Input]) -> Mapping[Input, Committed | None]:
        found = None if self._committed is None else Committed(self._committed, Note())
        return dict.fromkeys(inputs, found)

    def bounds(self, _topic: str, _partition: int) -> tuple[int, int]:
        return 10, self._decided

    def end(self, _topic: str, _partition: int) -> int:
        return self._end


def position(committed: int | None, *, known: int | None = None, decided: int, end: int) -> int:
    stage: Any = Stage(known)
    offsets: Any = Offsets(committed, decided, end)
    tenure = Tenure(stage, offsets)
    tenure.recover(1, [0], lambda: False)
    found = tenure.find_positions(1, [PLACE])
    assert stage.read == found
    return found[PLACE]


@pytest.mark.parametrize(
    ("committed", "decided", "end", "starts"),
    [
        (None, 990, 990, 10),  # at the beginning
        (5, 990, 990, 10),  # what is older is gone
        (700, 990, 990, 700),
        (990, 990, 990, 990),
        (990, 950, 990, 990),  # a transaction that was passed over is open once more: Kafka has lost its marker
    ],
)
def test_reading_begins_at_the_commit(
    committed: int | None, decided: int, end: int, starts: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert position(committed, decided=decided, end=end) == starts
    assert not caplog.records


def test_an_input_that_lost_its_end_is_read_from_its_end_on_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        assert position(1000, known=1000, decided=980, end=990) == 990, "new records get the numbers from 990 on"
    assert "member.events/0 ends at 990, but is handled up to 1000: Kafka has lost its end" in caplog.text


def test_another_input_under_the_state_of_before_is_not_read() -> None:
    with pytest.raises(RekindleError, match=r"member\.events/0 ends at 30, but the state has handled it up to 1000"):
        position(None, known=1000, decided=30, end=30)
