"""How far a partition is done, when its records are finished out of order.

Pure. The position is what is committed: the first offset that may have to be handled again.
"""

from collections import OrderedDict
from collections.abc import Collection


class Progress:
    """The offsets of one partition that were begun and are not finished."""

    def __init__(self, position: int) -> None:
        self._next = position
        self._unfinished: OrderedDict[int, None] = OrderedDict()

    @property
    def position(self) -> int:
        """Every offset before this one is finished."""
        return next(iter(self._unfinished), self._next)

    @property
    def begun(self) -> int:
        """How far the last that was begun is from the position."""
        return self._next - self.position

    def position_after(self, offsets: Collection[int]) -> int:
        """Tell the position there will be once these are finished too."""
        return next((offset for offset in self._unfinished if offset not in offsets), self._next)

    def begin(self, offset: int) -> None:
        """Take note of an offset that was read; they come in order."""
        assert offset >= self._next
        self._unfinished[offset] = None
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """Take note of an offset whose outcome stands."""
        self._unfinished.pop(offset, None)
