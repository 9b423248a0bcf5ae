"""A key from its first record to its end, through both sides and their stores."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import BadRecord
from streams.errors import RekindleError
from streams.sealing import key_ring, sealer
from streams.sealing.envelope import ended_keys, key_id_of
from streams.sealing.key_store import FOLLOWED_MS
from streams.sealing.log_reader import SHREDDED, LogReader
from streams.sealing.master import MasterKeys
from streams.topics import MEMBER_KEYS
from tests.unit.sealing.support import CODEC, PARTITIONS, Sealed, erasure, event

ANNA, BORIS = b"m1", b"m3"


@pytest.fixture(params=["memory", "rocksdb"])
def sealed(request, tmp_path):
    found = Sealed(tmp_path if request.param == "rocksdb" else None)
    yield found
    found.close()


def bytes_of(owner, number=0):
    return CODEC.encode(event(owner, number))


def test_what_is_sealed_is_read_again_among_what_is_not(sealed):
    (record,) = sealed.transact((ANNA, bytes_of(ANNA)))
    assert b"secret" not in record
    assert sealed.read(ANNA, bytes_of(ANNA, 1), record, b"poison")[:2] == [event(ANNA, 1), event(ANNA)]
    assert isinstance(sealed.read(ANNA, bytes_of(ANNA, 1), record, b"poison")[2], BadRecord)


def test_an_owner_has_one_key_over_transactions_and_restarts(sealed):
    records = sealed.transact((ANNA, bytes_of(ANNA)), (BORIS, bytes_of(BORIS)), (ANNA, bytes_of(ANNA, 1)))
    sealed.restart_sealer()
    records += sealed.transact((ANNA, bytes_of(ANNA, 2)))
    ids = [key_id_of(record) for record in records]
    assert (ids[0] == ids[2] == ids[3], ids[0] != ids[1]) == (True, True)
    assert (
        sum(len(partition.committed()) for partition in sealed.log.topics[MEMBER_KEYS]) == 2 + 2 * PARTITIONS
    )  # fences


def test_memory_holds_few_of_all_the_keys_that_were_used(sealed, monkeypatch):
    monkeypatch.setattr(sealer, "CURRENT_MAX", 5)
    monkeypatch.setattr(key_ring, "CIPHERS_MAX", 5)
    owners, held = [b"m%d" % number for number in range(20)], []
    records = {}
    for owner, other in zip(owners, owners[1:] + owners[:1], strict=True):
        for each, record in zip(
            (owner, other), sealed.transact((owner, bytes_of(owner)), (other, bytes_of(other))), strict=True
        ):
            records[each, key_id_of(record)] = record
        held.append((len(sealed.sealer._current), len(sealed.sealer._found)))
    for (owner, _), record in records.items():
        assert sealed.read(owner, record) == [event(owner)]
        held.append((len(sealed.ring._ciphers), 0))
    assert max(held)[0] <= 6, "the bound, and who is about to be sealed"
    assert {found for _, found in held} == {0}, "of a transaction that is committed nothing is kept"
    assert len(records) == len(owners), "each has one key all the same"


def test_an_erasure_ends_the_key_for_what_follows_and_destroys_it_when_it_is_handled(sealed):
    before, ending, after = sealed.transact((ANNA, bytes_of(ANNA)), (ANNA, None), (ANNA, bytes_of(ANNA, 1)))
    (of_boris,) = sealed.transact((BORIS, bytes_of(BORIS)))
    # the members are behind the ingest
    assert sealed.read(ANNA, before, ending, after) == [event(ANNA), erasure(ANNA), event(ANNA, 1)]
    assert sealed.destroy(ANNA, ending) == 1
    assert sealed.read(ANNA, before, ending, after) == [SHREDDED, erasure(ANNA), event(ANNA, 1)]
    assert sealed.read(BORIS, of_boris) == [event(BORIS)]
    sealed.restart_reader()
    assert sealed.read(ANNA, before, ending, after) == [SHREDDED, erasure(ANNA), event(ANNA, 1)]
    assert LogReader(CODEC).read(1, [ending], [ANNA]) == [erasure(ANNA)]  # it is no secret


def test_an_owner_without_a_key_has_none_to_end(sealed):
    (ending,) = sealed.transact((ANNA, None))
    assert (ending, ended_keys(ending)) == (CODEC.encode(erasure(ANNA)), [])


def test_an_aborted_transaction_leaves_no_key_and_ends_none(sealed):
    (lost,) = sealed.transact((ANNA, bytes_of(ANNA)), commit=False)
    (kept,) = sealed.transact((ANNA, bytes_of(ANNA)))
    assert key_id_of(lost) != key_id_of(kept)
    sealed.transact((ANNA, None), commit=False)
    (again,) = sealed.transact((ANNA, bytes_of(ANNA)))
    assert key_id_of(again) == key_id_of(kept)


def test_each_erasure_ends_what_is_its_own(sealed):
    first, ends_first, second, ends_second = sealed.transact(
        (ANNA, bytes_of(ANNA)), (ANNA, None), (ANNA, bytes_of(ANNA, 1)), (ANNA, None)
    )
    assert sealed.destroy(ANNA, ends_first) == 1
    assert sealed.read(ANNA, first, second) == [SHREDDED, event(ANNA, 1)]
    assert sealed.destroy(ANNA, ends_second) == 1
    assert sealed.read(ANNA, first, second) == [SHREDDED, SHREDDED]


def test_a_store_that_may_have_missed_a_destruction_is_read_anew(sealed):
    (record,) = sealed.transact((ANNA, bytes_of(ANNA)))
    assert sealed.read(ANNA, record) == [event(ANNA)]
    sealed.ring.close()
    (ending,) = sealed.transact((ANNA, None))
    sealed.destroy(ANNA, ending)
    for partition in sealed.log.topics[MEMBER_KEYS]:  # the tombstone itself is compacted away
        last = {each.key: each for each in partition.committed()}
        partition.records = [
            each for each in partition.records if last.get(each.key) is each and each.value is not None
        ]
    sealed.clock.now_ms += FOLLOWED_MS + 1
    sealed.restart_reader()
    assert sealed.read(ANNA, record) == [SHREDDED]


def test_a_store_that_was_followed_just_now_reads_on(sealed):
    (record,) = sealed.transact((ANNA, bytes_of(ANNA)))
    assert sealed.read(ANNA, record) == [event(ANNA)]
    sealed.restart_reader()
    for partition in sealed.log.topics[MEMBER_KEYS]:
        partition.records.clear()
    assert sealed.read(ANNA, record) == [event(ANNA)]


def test_a_topic_made_anew_is_not_taken_for_the_old_one(sealed):
    (record,) = sealed.transact((ANNA, bytes_of(ANNA)))
    assert sealed.read(ANNA, record) == [event(ANNA)]
    del sealed.log.topics[MEMBER_KEYS]
    sealed.log.create_topic(MEMBER_KEYS, PARTITIONS)
    sealed.restart_reader()
    assert sealed.read(ANNA, record) == [SHREDDED]


def test_without_the_right_master_key_nothing_is_passed_over(sealed):
    (record,) = sealed.transact((ANNA, bytes_of(ANNA)))
    with pytest.raises(RekindleError, match="REKINDLE_MASTER_KEY is not set"):
        LogReader(CODEC).read(1, [record], [ANNA])
    sealed.ring._master = MasterKeys([b"o" * 32], sealed.draw)
    with pytest.raises(RekindleError, match="REKINDLE_MASTER_KEY doesn't have"):
        sealed.read(ANNA, record)


def test_a_record_under_the_wrong_name_is_a_bad_one_and_shows_nothing(sealed):
    (record,) = sealed.transact((ANNA, bytes_of(ANNA)))
    sealed.transact((BORIS, bytes_of(BORIS)))
    for owner in (BORIS, None):
        (found,) = sealed.reader.read(1, [record], [owner])
        assert found is SHREDDED  # no key of that owner has this id
    (short,) = sealed.reader.read(1, [record[:12]], [ANNA])
    (later,) = sealed.reader.read(1, [b"\1\3" + record[2:]], [ANNA])
    assert (short.value, "12 bytes" in short.reason, "version 3" in later.reason) == (record[:12], True, True)


def test_what_opens_and_does_not_decode_stays_sealed(sealed):
    (record,) = sealed.transact((ANNA, b"\0\0\0\0\1nonsense"))
    (found,) = sealed.read(ANNA, record)
    assert isinstance(found, BadRecord)
    assert found.value == record


def test_topics_that_are_missing_or_differ_are_named(sealed):
    del sealed.log.topics[MEMBER_KEYS]
    with pytest.raises(RekindleError, match=r"topic member\.keys is missing: run `rekindle topics create`"):
        sealed.sealer.start()
    sealed.log.create_topic(MEMBER_KEYS, PARTITIONS + 1)
    with pytest.raises(RekindleError, match=r"member\.keys has 3 partitions, member\.events has 2"):
        sealed.sealer.start()


def test_a_record_of_keys_that_nobody_wrote_stops_the_reader(sealed):
    (record,) = sealed.transact((ANNA, bytes_of(ANNA)))
    for value in (b"?", b"\2\0" + b"x" * 64, b"\1\7" + b"x" * 64):
        sealed.log.append((MEMBER_KEYS, 1), [(ANNA + b"12345678", value, sealed.clock())])
        with pytest.raises(RekindleError, match=r"a record of member\.keys"):
            sealed.read(ANNA, record)
        sealed.ring.close()
        sealed.log.topics[MEMBER_KEYS][1].records.pop()
        sealed.restart_reader()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["seal", "seal", "seal", "end", "destroy", "abort", "restart", "reread"]),
        st.sampled_from([b"m1", b"m2", b"m3", b"m10"]),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(0, 2**32))
def test_whatever_happens_a_record_is_read_until_its_erasure_is_handled_and_never_after(steps, seed):
    """Against a model: for each record, whose it is and which erasure ended its generation."""
    sealed = Sealed(seed=seed)
    records: list[tuple[bytes, int, bytes]] = []  # owner, number, bytes
    ended: dict[int, int] = {}  # number of record → number of the erasure that ended its generation
    endings: dict[bytes, list[tuple[int, bytes]]] = {}  # that the members haven't come to
    destroyed: set[int] = set()
    for number, (step, owner) in enumerate(steps):
        match step:
            case "seal":
                (record,) = sealed.transact((owner, bytes_of(owner, number)))
                records.append((owner, number, record))
            case "abort":
                sealed.transact((owner, bytes_of(owner, number)), (owner, None), commit=False)
            case "end":
                (ending,) = sealed.transact((owner, None))
                endings.setdefault(owner, []).append((number, ending))
                for whose, which, _ in records:
                    if whose == owner:
                        ended.setdefault(which, number)
            case "destroy" if endings.get(owner):
                which, ending = endings[owner].pop(0)
                sealed.destroy(owner, ending)
                destroyed.add(which)
            case "restart":
                sealed.restart_sealer()
            case "reread":
                sealed.restart_reader()
        for whose, which, record in records:
            expected = SHREDDED if ended.get(which) in destroyed else event(whose, which)
            assert sealed.read(whose, record) == [expected]
    nonces = [record[10:22] for _, _, record in records]
    assert len(set(nonces)) == len(nonces)
