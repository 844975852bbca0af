"""The turn of writers."""

from __future__ import annotations

import threading

from playhead.store.turn import Turn
from waiting import until


def test_a_turn_is_wanted_while_others_wait() -> None:
    turn, order = Turn(), list[str]()

    def take() -> None:
        with turn:
            order.append("second")

    with turn:
        assert not turn.is_wanted
        other = threading.Thread(target=take)
        other.start()
        until(lambda: turn.is_wanted)
        order.append("first")
    other.join()
    assert order == ["first", "second"]
    assert not turn.is_wanted


def test_another_thread_may_give_a_turn_back() -> None:
    turn = Turn()
    turn.__enter__()
    other = threading.Thread(target=turn.__exit__, args=(None, None, None))
    other.start()
    other.join()
    with turn:
        assert not turn.is_wanted
