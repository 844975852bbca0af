"""The public surface, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import playhead.replay
import pytest

HEAVY = ("restate", "duckdb", "textual", "httpx", "google.protobuf", "pydantic")


def test_the_public_names_are_these():
    assert sorted(playhead.replay.__all__) == [
        "AppError", "DEPLOYMENT_HINT", "Divergence", "Failure", "Frame", "Recording",
        "RecordingError", "ReplayError", "Replayer", "Report", "Session", "Stop", "TaskStack",
        "UnsupportedJournalError", "Verdict", "WhatIfQuestion", "WhatIfResult", "WhatIfRow",
        "WorkerError", "headline", "replay", "replay_all", "report_lines", "restarted", "what_if",
    ]  # fmt: skip
    for name in playhead.replay.__all__:
        assert getattr(playhead.replay, name).__doc__ or name in ("DEPLOYMENT_HINT", "Verdict")


@pytest.mark.parametrize("module", ["playhead.replay", "playhead.replay.pytest_plugin"])
def test_importing_it_imports_nothing_heavy(module: str):
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_the_sdk_still_has_what_replay_takes_hold_of():
    """Private places of the SDK: a new version that moves them has to be looked at."""
    import inspect

    from playhead.replay.engine.emulated_vm import EmulatedVM
    from playhead.replay.engine.watched_vm import CALLS
    from restate import server, server_context
    from restate.vm import VMWrapper

    assert vars(server)["VMWrapper"] is VMWrapper
    context = server_context.ServerInvocationContext
    assert vars(server)["ServerInvocationContext"] is context
    methods = {
        name
        for name, _ in inspect.getmembers(VMWrapper, inspect.isfunction)
        if not name.startswith("_")
    }
    emulated = {name for name, _ in inspect.getmembers(EmulatedVM, inspect.isfunction)}
    assert methods <= emulated, methods - emulated
    writing = {m for m in methods if m.startswith("sys_") or m == "attach_invocation"}
    assert writing - set(CALLS) == {"sys_awakeable", "sys_end", "sys_input", "sys_signal"}
    for name in methods:
        ours = list(inspect.signature(getattr(EmulatedVM, name)).parameters)
        theirs = list(inspect.signature(getattr(VMWrapper, name)).parameters)
        assert len(ours) == len(theirs) or "_" in ours, name
