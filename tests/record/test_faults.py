"""Nothing that was acknowledged is lost or doubled by faults; the numbers are in docs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playhead.settings import Settings
from recorder_faults import FAULTS, SPANS, Fault

ROUNDS = 2
"""Times that each fault happens, on the same store where one can have an effect on the next."""


@pytest.mark.parametrize("inject", FAULTS, ids=lambda inject: inject.__name__)
def test_a_fault(
    settings: Settings, tmp_path: Path, inject: Callable[[Settings, Path, int], Fault]
) -> None:
    fault = inject(settings, tmp_path, ROUNDS)
    lost = ROUNDS * SPANS if inject.__name__ == "flipped_bit" else 0
    assert fault.injected == ROUNDS
    assert fault.acknowledged >= 10 * SPANS
    assert (fault.acknowledged - fault.found, fault.doubled) == (lost, 0)
