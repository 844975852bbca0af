"""All answers together have a limit of memory, which they return when they are sent."""

from __future__ import annotations

import pytest
from playhead.errors import QueryMemoryError
from playhead.store.answers import MEDIUM, RESERVE, SMALL, Answer, AnswerSpace

PART = b"x" * (1 << 20)


def filled(space: AnswerSpace, size: int) -> Answer:
    answer = Answer(space)
    while answer.size < size:
        answer.add(PART)
    return answer


def test_answers_share_their_memory() -> None:
    space = AnswerSpace(RESERVE + 8 * len(PART))
    first = filled(space, 5 * len(PART))
    with pytest.raises(QueryMemoryError, match="memory for answers"):
        filled(space, 6 * len(PART))
    assert filled(space, MEDIUM).whole() == PART * (MEDIUM // len(PART))
    assert first.pop() == PART
    first.cut(2 * len(PART))
    assert first.size == 2 * len(PART)
    assert filled(space, 6 * len(PART)).size == 6 * len(PART)
    assert [len(first.pop()), len(first.pop()), first.pop()] == [len(PART), len(PART), b""]
    assert filled(space, 8 * len(PART)).size == 8 * len(PART)


def test_small_answers_are_always_possible() -> None:
    answer = Answer(AnswerSpace(0))
    answer.add("x" * SMALL)
    with pytest.raises(QueryMemoryError):
        answer.add("x")


def test_text_that_is_no_text_is_replaced() -> None:
    answer = Answer()
    answer.add("a\ud800b")
    assert answer.whole() == b"a?b"
