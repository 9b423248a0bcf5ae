"""The library's cases notice every change of its campaigns, counters and segments but those that are listed here."""

from pathlib import Path

import pytest

from tests.mutants import Mutations

LIBRARY = Path(__file__).parents[2] / "campaigns" / "library"
MUTATIONS = Mutations(LIBRARY)
FILES = sorted({mutant.file for mutant in MUTATIONS.mutants()})

_TOO_MANY_LETTERS = "only other campaigns' letters can put this one off for days; in a case it runs alone"
_SAME_EVERY_YEAR = "on an anniversary it is the day of the registration or a year later at least"
_ONE_COUNT = "a count that is one is so once; `never` is for a counter that is defined anew, as no case can"
UNNOTICED = {
    "lifecycle/anniversary.yaml": {"audience.member.days_since_registration.ge: 1 -> 2": _SAME_EVERY_YEAR},
    "lifecycle/post-purchase.yaml": {
        f"actions[2].send.expires: {change}": _TOO_MANY_LETTERS for change in ("left out", "P3D -> P4D", "P3D -> P2D")
    },
    "web/abandoned-browse.yaml": {
        f"actions[1].send.expires: {change}": _TOO_MANY_LETTERS for change in ("left out", "P1D -> P2D")
    },
    "web/abandoned-cart.yaml": {
        f"actions[0].send.expires: {change}": _TOO_MANY_LETTERS for change in ("left out", "P1D -> P2D")
    },
    "web/first-web-purchase.yaml": {
        f"entry{change}": _ONE_COUNT for change in (": left out", ".again: left out", ".again: never -> P1D")
    },
    "web/order-cancelled.yaml": {
        f"actions[1].send.expires: {change}": _TOO_MANY_LETTERS for change in ("left out", "P2D -> P3D", "P2D -> P1D")
    },
}


@pytest.mark.parametrize("file", FILES)
def test_cases_notice_what_is_changed(file: str) -> None:
    mutants = list(MUTATIONS.mutants([Path(file).stem]))
    survivors = {mutant.what for mutant in mutants if MUTATIONS.survives(mutant)}
    assert survivors == set(UNNOTICED.get(file, {}))
    assert len(mutants) > len(survivors)


def test_every_campaign_is_changed() -> None:
    assert len([file for file in FILES if "/" in file and not file.startswith("segments/")]) == 21
    assert set(UNNOTICED) <= set(FILES)
