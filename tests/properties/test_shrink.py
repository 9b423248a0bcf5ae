"""What fails is made small: `tests/properties/shrink.py` leaves out all that it fails without, and nothing else."""

from tests.properties import shrink


def test_a_case_is_left_with_what_it_fails_by(monkeypatch):
    def compare(programmes, lines, _reported):
        for programme in programmes:
            for campaign in programme["campaigns"]:
                assert "award" not in campaign
        assert len(lines) < 3

    monkeypatch.setattr(shrink, "compare", compare)
    programme = {"policies": {"a": 1}, "campaigns": [{"id": "x", "award": 1}, {"id": "y"}]}
    case = [[programme, {"campaigns": []}], [{"at": 1}], []]
    assert shrink.failure(case) == "AssertionError in compare"
    assert shrink.smaller(case) == [[{"campaigns": [{"award": 1}]}], [], []]
    assert shrink.failure([[{"campaigns": []}], [], []]) is None
