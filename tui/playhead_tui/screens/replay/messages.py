"""Messages from the workers of the replay screen."""

from __future__ import annotations

from playhead.replay import Report, Session, WhatIfQuestion, WhatIfResult
from textual.message import Message

__all__ = [
    "BreakpointsFound",
    "ReplayFailed",
    "ReportReady",
    "SessionReady",
    "StageStarted",
    "WhatIfFinished",
]


class StageStarted(Message, bubble=False):
    """Posted when a stage of opening the replay has started."""

    def __init__(self, stage: str) -> None:
        super().__init__()
        self.stage = stage


class SessionReady(Message, bubble=False):
    """Posted when the code has run against the journal; the session has all stops."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session


class ReportReady(Message, bubble=False):
    """Posted when the journal and the run have been compared."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


class ReplayFailed(Message, bubble=False):
    """Posted when opening the replay, a breakpoint expression or a what-if failed."""

    def __init__(self, error: Exception, *, opening: bool) -> None:
        super().__init__()
        self.error = error
        self.opening = opening


class BreakpointsFound(Message, bubble=False):
    """Posted with the ordinals of the commands at which an expression is true."""

    def __init__(self, search: str, hits: frozenset[int]) -> None:
        super().__init__()
        self.search = search
        self.hits = hits


class WhatIfFinished(Message, bubble=False):
    """Posted when a run with changed results has ended or is blocked."""

    def __init__(self, question: WhatIfQuestion, result: WhatIfResult) -> None:
        super().__init__()
        self.question = question
        self.result = result
