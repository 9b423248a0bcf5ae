"""What a process notes of its partitions on its disk: those whose state it has brought up to date, and no others."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.runtime.host import Host
from streams.runtime.local_state import claim
from streams.settings import Settings


class Group(SimpleNamespace):
    """What the host asks Faust: which deal it is in, and what it was dealt."""

    def __init__(self) -> None:
        super().__init__(consumer_generation_id=1, consumer=self)

    def assignment(self) -> set[TP]:
        return {TP("member.events", 0), TP("member.events", 2)}


@pytest.mark.parametrize(("deals", "noted"), [(0, [0, 2]), (1, [])], ids=["recovered", "abandoned"])
def test_partitions_are_noted_once_their_state_is_there(tmp_path: Path, deals: int, noted: list[int]) -> None:
    group = Group()

    class Stage:
        name = "members"
        topics = ("member.events",)

        def recover(self, _partitions: Collection[int], _abandoned: Callable[[], bool]) -> None:
            group.consumer_generation_id += deals  # the group is dealt out anew meanwhile

    async def recover(stage: Any) -> None:
        settings = Settings(data_dir=tmp_path)
        local = claim(settings, "members")
        host = Host(settings, stage, "rekindle-members", local)
        await host._recover(group)
        host._thread.shutdown()
        host._offsets.close()
        assert local.partitions() == noted
        local.lock.close()

    asyncio.run(recover(Stage()))
