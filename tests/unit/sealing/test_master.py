"""Keys wrapped by master keys: rotation, and everything that can be wrong with the setting."""

import base64

import pytest

from streams.errors import RekindleError
from streams.sealing.master import WRAPPED_BYTES, MasterKeys

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
KEY = b"k" * 32


def test_the_first_wraps_and_all_unwrap():
    old = MasterKeys.from_setting(OLD).wrap(KEY, b"m1")
    both = MasterKeys.from_setting(f"{NEW}, {OLD}")
    assert both.unwrap(old, b"m1") == KEY
    new = both.wrap(KEY, b"m1")
    assert (MasterKeys.from_setting(NEW).unwrap(new, b"m1"), len(new)) == (KEY, WRAPPED_BYTES)
    assert KEY not in old + new


def test_a_missing_master_is_no_erased_member():
    wrapped = MasterKeys.from_setting(OLD).wrap(KEY, b"m1")
    with pytest.raises(RekindleError, match="REKINDLE_MASTER_KEY doesn't have: add it behind the first"):
        MasterKeys.from_setting(NEW).unwrap(wrapped, b"m1")


def test_a_key_belongs_where_it_was_wrapped_for():
    master = MasterKeys.from_setting(OLD)
    with pytest.raises(RekindleError, match="was changed"):
        master.unwrap(master.wrap(KEY, b"m1"), b"m2")


@pytest.mark.parametrize(
    ("setting", "number"),
    [("", 1), ("secret", 1), (base64.b64encode(b"short").decode(), 1), (f"{OLD},", 2), (f"{OLD},{'Ä' * 44}", 2)],
)
def test_what_is_no_key_is_said_without_showing_it(setting, number):
    with pytest.raises(RekindleError) as caught:
        MasterKeys.from_setting(setting)
    assert str(caught.value) == f"REKINDLE_MASTER_KEY: key {number} is not the base64 of 32 bytes"


def test_without_the_setting_there_is_none():
    assert MasterKeys.from_setting(None) is None


def test_a_new_master_key_in_front_changes_no_names():
    assert MasterKeys.from_setting(f"{NEW},{OLD}").naming_secret == MasterKeys.from_setting(OLD).naming_secret
    assert MasterKeys.from_setting(NEW).naming_secret != MasterKeys.from_setting(OLD).naming_secret
