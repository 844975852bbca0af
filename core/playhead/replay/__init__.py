"""Replays: today's code, run against a recorded journal without side effects.

    from playhead.replay import Recording, replay, what_if

    report = replay("agent:app", Recording.load("weather.journal.json"))
    assert report.verdict == "same", report.divergences

`Session` and `Replayer` step through the stops of a recording: `Session` blocks, `Replayer` is for
event loops. Importing this package imports neither the Restate SDK nor protobuf; the user's code
runs in a separate process (`playhead.replay.child`, `playhead.replay.engine`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from playhead.errors import (
    AnswerError,
    AppError,
    IsolationError,
    RecordingError,
    ReplayError,
    UnsupportedJournalError,
    WorkerError,
)
from playhead.replay.divergence import Divergence
from playhead.replay.groups import DifferenceGroup, groups_of
from playhead.replay.isolation import Isolation
from playhead.replay.replays import live_plan, replay, replay_all, what_if
from playhead.replay.report import NotCompared, Report, Verdict
from playhead.replay.session import Replayer, Session
from playhead.replay.stop import Frame, Stop, TaskStack
from playhead.replay.text import (
    BLOCKED_HINT,
    DEPLOYMENT_HINT,
    headline,
    live_plan_line,
    not_compared_lines,
    report_lines,
)
from playhead.replay.what_ifs import (
    Failure,
    LivePlan,
    LiveStep,
    WhatIfQuestion,
    WhatIfResult,
    WhatIfRow,
)

if TYPE_CHECKING:
    from playhead.journal.recording import Recording
    from playhead.journal.restart import restarted

__all__ = [
    "BLOCKED_HINT",
    "DEPLOYMENT_HINT",
    "AnswerError",
    "AppError",
    "DifferenceGroup",
    "Divergence",
    "Failure",
    "Frame",
    "Isolation",
    "IsolationError",
    "LivePlan",
    "LiveStep",
    "NotCompared",
    "Recording",
    "RecordingError",
    "ReplayError",
    "Replayer",
    "Report",
    "Session",
    "Stop",
    "TaskStack",
    "UnsupportedJournalError",
    "Verdict",
    "WhatIfQuestion",
    "WhatIfResult",
    "WhatIfRow",
    "WorkerError",
    "groups_of",
    "headline",
    "live_plan",
    "live_plan_line",
    "not_compared_lines",
    "replay",
    "replay_all",
    "report_lines",
    "restarted",
    "what_if",
]

_LAZY = {"Recording": "playhead.journal.recording", "restarted": "playhead.journal.restart"}
"""Names from modules that import protobuf."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
