"""Nothing that was acknowledged is lost or doubled by faults; the numbers are in docs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playhead.settings import Settings
from recorder_faults import FAULTS, SPANS, Fault

KILLS = 2
"""Times that the recorder is killed on one store. The other faults have no effect on the next."""


@pytest.mark.parametrize("inject", FAULTS, ids=lambda inject: inject.__name__)
def test_a_fault(
    settings: Settings, tmp_path: Path, inject: Callable[[Settings, Path, int], Fault]
) -> None:
    rounds = KILLS if inject.__name__.startswith("kill") else 1
    fault = inject(settings, tmp_path, rounds)
    lost = SPANS if inject.__name__ == "flipped_bit" else 0
    assert fault.injected == rounds
    assert fault.acknowledged >= 10 * SPANS
    assert (fault.acknowledged - fault.found, fault.doubled) == (lost, 0)
