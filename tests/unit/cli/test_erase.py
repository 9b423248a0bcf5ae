"""`rekindle erase`: what it refuses before it asks anyone."""

import pytest

from tests.support import run_rekindle


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("m1", "--find", "x"), {}, "--find goes with --verify"),
        (("m1",), {"REKINDLE_CLOCK": "event"}, "--at TIME: with REKINDLE_CLOCK=event the present is not the clock's"),
        (("",), {}, "MEMBER is empty"),
        (("m1", "--at", "yesterday"), {}, "--at yesterday"),
    ],
)
def test_wrong_use_is_said(arguments, environment, said):
    done = run_rekindle("erase", *arguments, env=environment)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
