"""What becomes of a span at its end: exported, exported as cut off, or dropped as a repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import Enum
from types import TracebackType

from restate import TerminalError
from restate.exceptions import SdkInternalBaseException
from restate.server_context import DisconnectedException

from playhead_tracing.attempt import Attempt, Record

CANCELLED_CODE = 409
_TURNSTILE = "restate/ext/turnstile.py"


class Verdict(Enum):
    """Of one span."""

    EXPORT = "export"
    DROP = "drop"
    HOLD = "hold until it is known whether the attempt fails with this error"


def judge(attempt: Attempt, record: Record, *, error: bool, cut: BaseException | None) -> Verdict:
    """Whether a span that ends did anything new.

    Args:
        attempt: the attempt it belongs to.
        record: the span.
        error: whether it ended with an error of its own.
        cut: the exception by which Restate ended it, if so.
    """
    if record.live or record.error is not None:
        return Verdict.EXPORT
    if not record.touched:
        # No durable step inside: whatever it did, it did again. Unless it only stood in the
        # queue in which RestateAgent lets one tool after the other run.
        return Verdict.DROP if cut is not None and _queued(cut) else Verdict.EXPORT
    if cut is not None:
        return Verdict.DROP
    if attempt.replaying:
        return Verdict.HOLD if error else Verdict.DROP
    # All it found was received before, but here the journal ends: no attempt may have come to
    # its end, as when a tool fails after its last step.
    first = attempt.history.complete and record.logical_id() not in attempt.history.completed
    return Verdict.EXPORT if error or first else Verdict.DROP


def cut_off(attempt: Attempt, error: BaseException | None) -> BaseException | None:
    """The exception if it is Restate's way of ending an attempt, or a cancellation; else None."""
    if error is None:
        return None
    if isinstance(error, asyncio.CancelledError):
        return error
    for cause in causes(error):
        if isinstance(cause, (SdkInternalBaseException, DisconnectedException)):
            return error
        # A cancelled task below an error is often a time limit of the user's own.
        if attempt.stopping and isinstance(cause, asyncio.CancelledError):
            return error
        if (
            attempt.cancelled
            and isinstance(cause, TerminalError)
            and cause.status_code == CANCELLED_CODE
        ):
            return error
    return None


def causes(error: BaseException, depth: int = 16) -> Iterator[BaseException]:
    """The exception, what it was raised from, and the members of groups among them."""
    if depth == 0:
        return
    yield error
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            yield from causes(member, depth - 1)  # pyright: ignore[reportUnknownArgumentType]
    if error.__cause__ is not None:
        yield from causes(error.__cause__, depth - 1)
    elif error.__context__ is not None and not error.__suppress_context__:
        yield from causes(error.__context__, depth - 1)


def _queued(error: BaseException) -> bool:
    return any(
        traceback.tb_frame.f_code.co_filename.replace("\\", "/").endswith(_TURNSTILE)
        for cause in causes(error)
        for traceback in _tracebacks(cause.__traceback__)
    )


def _tracebacks(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next
