"""What a run came to: counted from the committed commands in Kafka, checked against what stands in ClickHouse."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client
from rich.table import Table

from streams.engine.commands import Attribution, Award, Command, Decision, Dispatch


@dataclass(slots=True)
class Tally:
    """Counts of commands."""

    dispatches: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    awards: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)
    decisions: int = 0
    attributions: int = 0
    attributed: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def count(self, commands: Iterable[Command]) -> Iterator[Dispatch | Award | Attribution]:
        """Count commands, and hand on those that the simulation prints: dispatches, awards and attributions."""
        for command in commands:
            if isinstance(command, Dispatch):
                self.dispatches[command.campaign][command.channel] += 1
                yield command
            elif isinstance(command, Award):
                self.awards[command.campaign] += 1
                yield command
            elif isinstance(command, Attribution):
                self.attributions += 1
                self.attributed[command.campaign] += command.amount
                yield command
            elif isinstance(command, Decision):
                self.decisions += 1
                if command.outcome == "suppressed":
                    self.suppressed[command.reason] += 1

    @property
    def messages(self) -> int:
        """How many dispatches there are."""
        return sum(sum(channels.values()) for channels in self.dispatches.values())


@dataclass(frozen=True, slots=True)
class Stored:
    """What stands in ClickHouse."""

    events: int
    receipts: int
    members: int
    dispatches: int
    awards: int
    decisions: int
    attributions: int
    reported: int

    def missing(self, tally: Tally) -> list[str]:
        """Tell in words where the tables differ from the commands in Kafka."""
        pairs = (
            ("dispatches", self.dispatches, tally.messages),
            ("awards", self.awards, sum(tally.awards.values())),
            ("decisions", self.decisions, tally.decisions),
            ("attributions", self.attributions, tally.attributions),
            ("dispatches with a status", self.reported, tally.messages),
        )
        return [
            f"{name}: {stored} in ClickHouse, {put_out} in Kafka"
            for name, stored, put_out in pairs
            if stored != put_out
        ]


_STORED = """
SELECT (SELECT count() FROM events),
       (SELECT count() FROM purchases WHERE type = 'purchase_completed'),
       (SELECT uniqExact(key) FROM purchases WHERE type = 'purchase_completed'),
       (SELECT count() FROM dispatches), (SELECT count() FROM awards), (SELECT count() FROM decisions),
       (SELECT count() FROM attributions),
       (SELECT uniqExact(dispatch_id) FROM delivery_statuses)
"""


def read_stored(client: Client) -> Stored:
    """Count the rows. Raises the driver's `ClickHouseError` when the server fails."""
    return Stored(*(int(value) for value in client.query(_STORED).result_rows[0]))


def summarise(
    counted: Tally, stored: Stored, *, dead_letters: int, agrees: bool, seconds: float, events_per_second: float
) -> dict[str, Any]:
    """Build summary.json."""
    return {
        "receipts": stored.receipts,
        "members": stored.members,
        "events": stored.events,
        "dispatches": {name: dict(sorted(counted.dispatches[name].items())) for name in sorted(counted.dispatches)},
        "awards": sum(counted.awards.values()),
        "attributed": {name: float(amount) for name, amount in sorted(counted.attributed.items())},
        "suppressed": dict(counted.suppressed.most_common()),
        "dead_letters": dead_letters,
        "agrees_with_simulate": agrees,
        "seconds": round(seconds, 1),
        "events_per_second": round(events_per_second, 1),
    }


def as_table(summary: dict[str, Any], awards: Counter[str]) -> Table:
    """Lay the summary out for a terminal."""
    channels = sorted({channel for counts in summary["dispatches"].values() for channel in counts})
    table = Table("campaign", *channels, "awards", title="What the year came to", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for campaign in sorted({*summary["dispatches"], *awards}):
        counts = summary["dispatches"].get(campaign, {})
        cells = [f"{counts[channel]:,}" if channel in counts else "" for channel in channels]
        table.add_row(campaign, *cells, f"{awards[campaign]:,}" if awards[campaign] else "")
    return table
