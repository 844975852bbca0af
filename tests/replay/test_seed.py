"""Random seeds, derived from invocation ids."""

from __future__ import annotations

from playhead.replay.engine.seed import random_seed


def test_the_seed_is_the_one_that_the_server_sends():
    # From the StartMessage of a real server (1.7.12).
    assert random_seed("inv_17fD8RA0GIro5rEXc3TWCff1SK84eaqssz") == 16394569283524148920
