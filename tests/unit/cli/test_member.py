"""What `rekindle member` shows on a terminal is text, whatever members and visitors wrote."""

import io
from typing import Any

import pytest
from rich.console import Console

from streams.cli import member
from streams.cli._plain import harmless


def shown(monkeypatch: pytest.MonkeyPatch, *lines: dict[str, Any]) -> str:
    page = io.StringIO()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.console.Console", lambda: Console(file=page, width=200, force_terminal=True))
    member._show(list(lines))
    return page.getvalue()


@pytest.mark.parametrize("written", ["[/nothing]", "[red]x", "\x1b]52;c;cm0gLXJm\x07", "\x9b2J"])
def test_what_others_wrote_is_neither_markup_nor_obeyed(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    page = shown(
        monkeypatch,
        {"kind": "profile", "member_id": written, "at": "2026-03-01T10:00:00.000Z", "city": written},
        {"kind": "habits", "member_id": written, "visits": written},
        {"kind": "event", "at": "2026-03-01T10:00:00.000Z", "type": "site_visited", "body": {"url": written}},
        {
            "kind": "dispatch",
            "at": "2026-03-01T10:00:00.000Z",
            "channel": "sms",
            "campaign": "c",
            "version": 1,
            "to": "+7",
            "statuses": [{"status": "message_failed", "reason": written}],
        },
    )
    assert page.count(harmless(written)) == 5
    assert "\x1b]" not in page
    assert "\x9b" not in page
