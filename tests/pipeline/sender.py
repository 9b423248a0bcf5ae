"""A sender process of the simulation: the real `Sender` and its ledger, over clients in memory, on virtual time."""

from collections.abc import Mapping
from typing import Any

from sinks.senders.ledger import Ledger, ledger_topic
from sinks.senders.ledger_copy import LedgerCopy
from sinks.senders.worker import Sender
from streams.engine.commands import Dispatch
from tests.pipeline.gateway import Counterpart, MemoryGateway
from tests.pipeline.process import Process
from tests.pipeline.store import LedgerFiles
from tests.pipeline.virtual_loop import VirtualHandOver

CHANNEL = "sms"


class MemoryCopy(LedgerCopy):
    """The copy of one partition's ledger, on a disk that outlives the process; a write happens whole or not at all."""

    def __init__(self, files: LedgerFiles, process: Process | None = None) -> None:
        self._files = files
        self._process = process

    def read_up_to(self) -> int:
        """Return the offset of the topic up to which the copy is complete."""
        return self._files.read_up_to

    def states(self, keys: Any) -> list[bytes | None]:
        """Return the state of each key."""
        return [self._files.entries.get(key) for key in keys]

    def write(self, entries: Mapping[bytes, bytes | None], read_up_to: int) -> None:
        """Take entries over in one step; killed before, nothing is written."""
        if self._process is not None:
            self._process.give_way("before store")
        for key, state in entries.items():
            if state is None:
                self._files.entries.pop(key, None)
            else:
                self._files.entries[key] = state
        self._files.read_up_to = read_up_to
        if self._process is not None:
            self._process.give_way("after store")

    def close(self) -> None:
        """Do nothing: what was written is there."""


def mailed(dispatch_id: str, member: str, at: int) -> Dispatch:
    """Make a dispatch that no campaign of the simulation makes; `at` in milliseconds."""
    return Dispatch(
        at=at,
        dispatch_id=dispatch_id,
        member_id=member,
        campaign="mailing",
        version=1,
        action="actions[0]",
        channel=CHANNEL,
        to="+79161234567",
        content={"text": "Hello"},
        messaging_type="service",
    )


class SenderProcess(Process):
    """One sender. `counterpart` is where its dispatches arrive."""

    counterpart: Counterpart
    _hand_over: VirtualHandOver | None = None

    def open(self, partition: int) -> MemoryCopy:
        """Open a copy of the ledger on the process's disk."""
        return MemoryCopy(self.disk.ledgers.setdefault(partition, LedgerFiles()), self)

    def close(self) -> None:
        """Do nothing: there is no folder to let go of."""

    def is_set(self) -> bool:
        """Tell whether it is to stop."""
        return self.should_stop

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._network.wait(seconds)

    def _wait_for_gateway(self, seconds: float) -> None:
        self.give_way("at gateway")
        self._network.wait(seconds)

    def kill(self, now: int) -> None:
        """End it where it stands, hand-overs included."""
        super().kill(now)
        if self._hand_over is not None:
            self._hand_over.abandon()

    def _make_hand_over(self, *arguments: Any, **options: Any) -> VirtualHandOver:
        made = VirtualHandOver.__new__(VirtualHandOver)
        made.clock, made.wait = self._clock, self._wait_for_gateway
        made.__init__(*arguments, **options)  # type: ignore[misc]
        self._hand_over = made
        return made

    def _run(self) -> None:
        def seconds() -> float:
            return self._clock() / 1000

        ledger = Ledger(
            self._kafka,  # type: ignore[arg-type]
            ledger_topic(self.settings, CHANNEL),
            self,
            seconds,
        )
        sender = Sender(
            self.settings,
            CHANNEL,
            kafka=self._kafka,  # type: ignore[arg-type]
            gateway=MemoryGateway(self.counterpart),
            codec=self._codec,
            ledger=ledger,
            stop=self,  # type: ignore[arg-type]
            clock=self._clock,
            monotonic=seconds,
            hand_over=self._make_hand_over,  # type: ignore[arg-type]
        )
        sender.run()
