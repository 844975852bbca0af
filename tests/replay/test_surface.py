"""Public names of `playhead.replay`, and the modules that it imports."""

from __future__ import annotations

import subprocess
import sys

import playhead.replay
import pytest

HEAVY = ("restate", "duckdb", "textual", "httpx", "google.protobuf", "pydantic")


def test_the_public_names_are_these():
    assert sorted(playhead.replay.__all__) == [
        "AnswerError", "AppError", "BLOCKED_HINT", "DEPLOYMENT_HINT", "DifferenceGroup",
        "Divergence", "Failure", "Frame", "Isolation", "IsolationError", "LivePlan", "LiveStep",
        "NotCompared", "Recording", "RecordingError",
        "ReplayError", "Replayer", "Report", "Session", "Stop", "TaskStack",
        "UnsupportedJournalError", "Verdict", "WhatIfQuestion", "WhatIfResult", "WhatIfRow",
        "WorkerError", "groups_of", "headline", "live_plan", "live_plan_line",
        "not_compared_lines", "replay", "replay_all",
        "report_lines", "restarted", "what_if",
    ]  # fmt: skip
    for name in playhead.replay.__all__:
        assert getattr(playhead.replay, name).__doc__ or name.endswith(("_HINT", "Verdict"))


@pytest.mark.parametrize("module", ["playhead.replay", "playhead.replay.pytest_plugin"])
def test_the_import_loads_neither_sdk_nor_protobuf(module: str):
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
