"""`campaigns apply` on a real broker: it tells what changes, and refuses other content under a version."""

from pathlib import Path

import pytest

from streams.kafka import Kafka
from streams.members.programmes import read_programmes
from streams.settings import Settings
from tests.support import run_rekindle

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
CAMPAIGN = """\
id: thanks
version: {version}
trigger: {{event: purchase_completed}}
actions: [{{wait: {wait}}}, {{send: {{channel: cashier, template: thanks}}}}]
"""


@pytest.mark.timeout(120)
def test_a_version_says_one_thing_for_ever(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "campaigns" / "templates").mkdir(parents=True)
    (tmp_path / "campaigns" / "templates" / "t.yaml").write_text("templates: [{id: thanks, text: Thanks}]")

    def apply(version: int, wait: str) -> tuple[int, str, str]:
        (tmp_path / "campaigns" / "thanks.yaml").write_text(CAMPAIGN.format(version=version, wait=wait))
        done = run_rekindle("campaigns", "apply", tmp_path / "campaigns", env=environment)
        return done.returncode, done.stdout, done.stderr

    status, out, err = apply(1, "P1D")
    assert (status, out) == (0, "1\n"), err
    status, out, err = apply(1, "P2D")
    assert (status, out) == (1, "")
    assert "nothing was applied" in err
    assert "version 1 of `thanks` was in force with other `actions`: raise the version to 2" in err
    assert sorted(read_programmes(Kafka(settings), settings.group_prefix)) == [1]

    status, out, err = apply(2, "P2D")
    assert (status, out) == (0, "2\n"), err
    assert "version 1, actions[0] (wait P1D): stays on version 1" in err
    status, out, err = apply(1, "P3D")
    assert (status, out) == (1, "")
    assert err.rstrip().endswith("raise the version to 3")
