"""Answers that are kept until what they read may be written."""

from __future__ import annotations

from playhead.store.database import Store
from playhead.store.kept_answers import LARGEST_ANSWER, MOST_ANSWERS, KeptAnswers
from playhead.store.kept_queries import NEWEST_IDS, is_kept_whole


def test_answers_are_forgotten_after_writes_of_the_rows_they_read(store: Store) -> None:
    kept = store.kept_answers
    for heads, is_left in ((False, True), (True, False)):
        kept.keep("a", [1], "[1]", kept.version)
        before = kept.version
        with store.transaction(noted=True, heads=heads):
            assert kept.get("a", [1]) == "[1]"
        assert (kept.get("a", [1]) is not None) == is_left
        kept.keep("b", [], "[2]", before)
        assert (kept.get("b", []) is not None) == is_left, "it was read before the write"
    kept.keep("a", [1], "[1]", kept.version)
    with store.transaction(heads=False):  # anything may be written
        pass
    assert kept.get("a", [1]) is None


def test_parameters_are_told_apart_and_memory_is_bounded() -> None:
    kept = KeptAnswers()
    kept.keep("a", [1], "[1]", kept.version)
    assert kept.get("a", ["1"]) is None
    assert kept.get("a", [True]) is None
    kept.keep("a", ["1"], "x" * (LARGEST_ANSWER + 1), kept.version)
    assert kept.get("a", ["1"]) is None
    for number in range(MOST_ANSWERS):
        assert kept.get("a", [1]) == "[1]", "the last used ones are kept"
        kept.keep("b", [number], "[]", kept.version)
    assert kept.get("b", [0]) is None
    assert kept.get("b", [MOST_ANSWERS - 1]) == "[]"


def test_only_the_newest_ids_of_few_invocations_are_kept() -> None:
    assert is_kept_whole(f"{NEWEST_IDS}101")
    for end in ("", "99999", "10 OFFSET 5", "-1", "5; SELECT 1"):
        assert not is_kept_whole(f"{NEWEST_IDS}{end}")
    assert not is_kept_whole("SELECT 1")
