"""Cases notice every change of the demo's and the library's campaigns, counters and segments but those listed here."""

from pathlib import Path

import pytest

from tests.mutants import Mutations

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"
LIBRARY = CAMPAIGNS / "library"
MUTATIONS = {directory: Mutations(directory) for directory in (CAMPAIGNS, LIBRARY)}
FILES = sorted({(each, mutant.file) for each, mutations in MUTATIONS.items() for mutant in mutations.mutants()})

_TOO_MANY_LETTERS = "only other campaigns' letters can put this one off for days; in a case it runs alone"
_SAME_EVERY_YEAR = "on an anniversary it is the day of the registration or a year later at least"
_ONE_COUNT = "a count that is one is so once; `never` is for a counter that is defined anew, as no case can"
_IN_FULL = "written out in full: it is the default, or cancelling and restarting at each purchase do the same"
UNNOTICED = {
    "counters.yaml": {"counters.spend_30d.step: left out": _IN_FULL},
    "retention/come-back.yaml": {
        **{f"{name}: left out": _IN_FULL for name in ("audience", "audience.segment", "cancel_on", "cancel_on[0]")},
        **{f"entry{name}: left out": _IN_FULL for name in ("", ".while_running")},
        "entry.while_running: restart -> parallel": _IN_FULL,
        "holdout: 0 -> 1": "none in the cases is in the first hundredth",
    },
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


@pytest.mark.parametrize(
    ("directory", "file"), FILES, ids=lambda value: value if isinstance(value, str) else value.name
)
def test_cases_notice_what_is_changed(directory: Path, file: str) -> None:
    mutations = MUTATIONS[directory]
    mutants = list(mutations.mutants([Path(file).stem]))
    survivors = {mutant.what for mutant in mutants if mutations.survives(mutant)}
    unnoticed = UNNOTICED.get(file, {}) if (directory, file) != (LIBRARY, "counters.yaml") else {}
    assert survivors == set(unnoticed)
    assert len(mutants) > len(survivors)


def test_every_campaign_is_changed() -> None:
    files = [file for directory, file in FILES if directory == LIBRARY]
    assert len([file for file in files if "/" in file and not file.startswith("segments/")]) == 21
    assert set(UNNOTICED) <= {file for _, file in FILES}
