"""How far a partition is done, when its records are finished out of order.

Pure. The position is what is committed: the first offset that may have to be handled again.
"""

from collections import OrderedDict
from collections.abc import Collection


class Progress:
    """The offsets of one partition that were begun and are not all finished."""

    def __init__(self, position: int) -> None:
        self._next = position
        self._finished: OrderedDict[int, bool] = OrderedDict()

    @property
    def position(self) -> int:
        """Every offset before this one is finished."""
        return next(iter(self._finished), self._next)

    @property
    def begun(self) -> int:
        """How many offsets stand between the position and the last that was begun."""
        return len(self._finished)

    def position_after(self, offsets: Collection[int]) -> int:
        """Tell the position there will be once these are finished too."""
        for offset, finished in self._finished.items():
            if not finished and offset not in offsets:
                return offset
        return self._next

    def begin(self, offset: int) -> None:
        """Take note of an offset that was read; they come in order."""
        assert offset >= self._next
        self._finished[offset] = False
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """Take note of an offset whose outcome stands."""
        self._finished[offset] = True
        while self._finished and self._finished[next(iter(self._finished))]:
            self._finished.popitem(last=False)
