"""What the workers of the replay screen tell it."""

from __future__ import annotations

from playhead.replay import Report, Session, WhatIfQuestion, WhatIfResult
from textual.message import Message

from playhead_tui.drawing.python_source import SourceFile

__all__ = ["Fault", "Found", "Judged", "Loaded", "RanOn", "SourceRead", "Stage"]


class Stage(Message, bubble=False):
    """Something of the opening begins."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what


class Loaded(Message, bubble=False):
    """The stops are there."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session


class Judged(Message, bubble=False):
    """The verdict is there."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


class Fault(Message, bubble=False):
    """Opening, or a question, failed."""

    def __init__(self, error: Exception, *, opening: bool) -> None:
        super().__init__()
        self.error = error
        self.opening = opening


class Found(Message, bubble=False):
    """The commands at which an expression is true."""

    def __init__(self, search: str, hits: frozenset[int]) -> None:
        super().__init__()
        self.search = search
        self.hits = hits


class SourceRead(Message, bubble=False):
    """A file was read."""

    def __init__(self, file: SourceFile) -> None:
        super().__init__()
        self.file = file


class RanOn(Message, bubble=False):
    """A question was answered."""

    def __init__(self, question: WhatIfQuestion, outcome: WhatIfResult) -> None:
        super().__init__()
        self.question = question
        self.outcome = outcome
