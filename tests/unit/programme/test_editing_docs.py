"""The example of docs/editing-campaigns.md is what comes out."""

import re
from pathlib import Path

from streams.cli._changes import as_text
from streams.programme import compare_bundles, read_directory

ROOT = Path(__file__).parents[3]


def test_the_example_is_what_comes_out() -> None:
    page = (ROOT / "docs" / "editing-campaigns.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"<!-- example -->\n```text\n(.*?)```", page, re.DOTALL)
    before = read_directory(ROOT / "campaigns")
    name = "retention/come-back.yaml"
    text = before[name].replace("version: 1\n", "version: 2\nin_flight: move\n").replace("wait: P14D", "wait: P10D", 1)
    head, _, _ = text.rpartition("  - wait: P14D\n")
    problems, comparison = compare_bundles([before], {**before, name: head})
    assert problems == []
    assert comparison is not None
    assert list(as_text(comparison)) == example.splitlines()
