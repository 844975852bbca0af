"""Numbers that a process gives to attempts, from the server's start messages."""

from __future__ import annotations

from playhead_tracing.history import Histories


def begin(histories: Histories, known: int, retries: int, commands: int = -1) -> int | None:
    return histories.begin("inv", known, retries, lambda: commands).number


def test_failures_are_counted_since_the_first_attempt() -> None:
    seen = Histories()
    assert [begin(seen, 1, n) for n in range(4)] == [1, 2, 3, 4]


def test_attempts_that_did_not_reach_the_process_are_counted() -> None:
    seen = Histories()
    assert [begin(seen, 1, 0), begin(seen, 1, 3)] == [1, 4]


def test_a_failure_after_new_entries() -> None:
    seen = Histories()
    history = seen.begin("inv", 1, 0)
    history.commands = 2
    assert begin(seen, 4, 1, commands=2) == 2
    assert begin(seen, 4, 2, commands=2) == 3
    assert begin(seen, 6, 1, commands=3) is None, "another process added a command"


def test_a_resumed_invocation_does_not_begin_again_at_one() -> None:
    seen = Histories()
    assert [begin(seen, 1, n) for n in range(2)] == [1, 2]
    assert begin(seen, 1, 0) is None
    assert begin(seen, 1, 1) is None


def test_a_process_that_takes_over_does_not_know_the_number() -> None:
    assert begin(Histories(), 1, 1) is None
    assert begin(Histories(), 3, 0) is None
    assert begin(Histories(), 3, 2) is None
