"""Local state lost, old or damaged, a changelog compacted meanwhile: what comes out is as in a calm run."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka.admin import ResourceType

from streams.kafka import Kafka, partition_counts
from streams.members.record import FENCE
from streams.members.recover import write_fences
from streams.settings import Settings
from streams.topics import members_changelog
from tests.cleaner import CLEANED_SOON, busy_cleaner, configure
from tests.replays import Replay, Workers
from tests.stream_support import read_topic
from tests.support import Guard, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
SMALL = {"REKINDLE_BATCH_RECORDS_MAX": "10"}


@pytest.fixture
def cleaned_often(settings: Settings, fresh_topics: None) -> Iterator[None]:
    """The members' changelog in many segments, and a broker that looks for what it can clean all the time."""
    with busy_cleaner(settings) as admin:
        configure(admin, ResourceType.TOPIC, members_changelog(settings), **CLEANED_SOON)
        yield


@pytest.mark.usefixtures("cleaned_often")
@pytest.mark.timeout(300)
def test_whatever_became_of_local_state_a_compacted_changelog_gives_what_it_lacks(
    environment: dict[str, str], tmp_path: Path, guard: Guard
) -> None:
    replay = Replay(environment, tmp_path, guard)
    replay.publish(4000, 100, seed=12)
    for name in ("first", "second"):  # the second has no state of its own
        before = replay.decided()
        with replay.worker(name, env=SMALL) as worker:
            worker.until(lambda before=before: replay.decided() > before + 300, 60, "decisions")
            assert worker.terminate(10) == 0, worker.output
        assert replay.waiting() > 0, "the replay was over before it was disturbed"
        _compact(replay.settings)
    state = replay.settings.data_dir / "first" / "members" / "state"
    _truncate(state / "0")
    _damage(state / "1")

    with ExitStack() as stack:
        workers = Workers(replay, stack, {})  # damage that shows late ends a worker: the next start rebuilds
        workers.run("first")  # its state of the other partitions is from before the second
        workers.finish()
    logs = "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("*.log"))
    for partition in "01":
        said = rf"local state in {re.escape(str(state / partition))} .*?: rebuilding it from the changelog"
        assert re.search(said, logs, re.DOTALL), f"nothing is said of partition {partition}"
    assert replay.differences(120) == []


def _compact(settings: Settings) -> None:
    """Wait until the cleaner left the last record of each key alone."""
    topic = members_changelog(settings)
    write_fences(
        Kafka(settings), topic, list(range(partition_counts(settings)[topic]))
    )  # what is before them is closed
    until(lambda: _superseded(settings) == 0, 60, "the cleaner")
    left = [records for records in read_topic(settings, topic).values() if records]
    assert sum(records[-1].offset for records in left) > 2 * sum(map(len, left)), "there was little to clean"


def _superseded(settings: Settings) -> int:
    """Count the records of the changelog that aren't the last of their key; fences stand where nothing is cleaned."""
    partitions = read_topic(settings, members_changelog(settings)).values()
    keys = [[record.key for record in records if record.key != FENCE] for records in partitions]
    return sum(len(each) - len(set(each)) for each in keys)


def _truncate(database: Path) -> None:
    for file in database.glob("*.sst"):
        file.write_bytes(file.read_bytes()[:100])


def _damage(database: Path) -> None:
    """Change the first block of members: the database still opens."""
    members = max(database.glob("*.sst"), key=lambda file: file.stat().st_size)
    data = members.read_bytes()
    members.write_bytes(bytes(byte ^ 0x55 for byte in data[:1000]) + data[1000:])
