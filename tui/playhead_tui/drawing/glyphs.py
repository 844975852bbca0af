"""The glyphs of the screens, in Unicode and in ASCII; no meaning depends on color alone."""

from __future__ import annotations

from dataclasses import dataclass

from playhead.model import Status, StepKind, StepState

__all__ = ["ASCII", "UNICODE", "Glyphs"]


@dataclass(frozen=True)
class Glyphs:
    """A set of glyphs, each one cell wide."""

    status: dict[Status, str]
    kind: dict[StepKind, str]
    cursor: str
    arrow: str
    """Precedes the result of a step."""
    marked: str
    """Mark of a row for an action on many."""
    stored: str
    """After the status of a row that only the store has."""
    ellipsis: str
    about: str
    """Precedes counts that are older than the rows."""
    none: str
    """An unknown value."""
    folded: str
    unfolded: str
    descending: str
    ascending: str
    failure: str
    answer: str
    waits: str
    separator: str
    crumb: str
    attempt: str
    span: str
    eighths: str
    """Left-aligned blocks from 0/8 to 8/8; empty when bars are drawn in whole cells."""
    bar: str
    """A whole cell of work."""
    failed: str
    """A whole cell of a failed try."""
    backoff: str
    """A whole cell of backoff."""
    lane: str
    """A whole cell of an attempt."""
    suspended: str
    """A whole cell of suspension."""
    queued: str
    """A whole cell of waiting for the first attempt."""
    open: str
    """The tip of a bar that has not ended."""
    cut: str
    """Idle time that is not drawn to scale."""
    tick: str
    rule: str
    note: str
    """Mark in front of a note."""
    states: dict[StepState, str]
    """Marks of states that replace the mark of a row's kind."""
    notes: dict[str, str]
    """Short forms of a timeline row's notes, for narrow columns."""


UNICODE = Glyphs(
    status={
        "pending": "○", "scheduled": "◷", "inboxed": "○", "ready": "○", "running": "●",
        "backing-off": "↻", "suspended": "◐", "paused": "‖", "succeeded": "✓", "failed": "✗",
        "killed": "†", "cancelled": "⊘", "gone": "∅", "unknown": "?",
    },
    kind={
        "input": "→", "output": "←", "run": "◇", "llm": "◆", "tool": "⚒", "state": "≡",
        "sleep": "◷", "call": "↳", "send": "⇢", "awakeable": "?", "promise": "?",
        "signal": "⚑", "attach": "↳", "cancel": "⊘", "other": "·",
    },
    arrow="→", marked="▪", stored="▫",
    cursor="▌", ellipsis="…", about="≈", none="–", folded="▸", unfolded="▾", descending="↓",
    ascending="↑", failure="✗", answer="↵", waits="?", separator="·", crumb="›", attempt="#",
    span="·", eighths=" ▏▎▍▌▋▊▉█", bar="█", failed="▒", backoff="┄", lane="━", suspended="·",
    queued="░", open="▸", cut="⋯", tick="│",
    rule="─", note="⚠",
    states={"lost": "‡", "unfinished": "⊣"},
    notes={
        "replayed": "↺", "interrupted": "⇥", "orphan": "?", "cycle": "∞", "tries": "×",
        "lost with the process": "‡",
    },
)  # fmt: skip

ASCII = Glyphs(
    status={
        "pending": ".", "scheduled": "@", "inboxed": ".", "ready": ".", "running": "*",
        "backing-off": "~", "suspended": "z", "paused": "=", "succeeded": "+", "failed": "x",
        "killed": "X", "cancelled": "/", "gone": "0", "unknown": "?",
    },
    kind={
        "input": ">", "output": "<", "run": "o", "llm": "*", "tool": "%", "state": "=",
        "sleep": "@", "call": "\\", "send": "/", "awakeable": "?", "promise": "?",
        "signal": "!", "attach": "\\", "cancel": "x", "other": ".",
    },
    arrow=">", marked="*", stored="'",
    cursor=">", ellipsis="~", about="~", none="-", folded="+", unfolded="-", descending="v",
    ascending="^", failure="x", answer="<", waits="?", separator="-", crumb=">", attempt="#",
    span=".", eighths="", bar="#", failed="x", backoff="-", lane="=", suspended="_",
    queued=":", open=">", cut="/", tick="|",
    rule="-", note="!",
    states={"lost": "!", "unfinished": "]"},
    notes={
        "replayed": "r", "interrupted": "i", "orphan": "?", "cycle": "@", "tries": "x",
        "lost with the process": "!",
    },
)  # fmt: skip
