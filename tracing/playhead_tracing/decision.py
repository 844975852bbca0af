"""The decision about a span that ends: export it, drop it as a repeat, or hold it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import Enum
from types import TracebackType

from restate import TerminalError
from restate.exceptions import SdkInternalBaseException
from restate.server_context import DisconnectedException

from playhead_tracing.attempt import Attempt, SpanRecord

CANCELLED_CODE = 409
_TURNSTILE = "restate/ext/turnstile.py"


class Decision(Enum):
    """The decision about one span."""

    EXPORT = "export"
    DROP = "drop"
    HOLD = "hold until the attempt fails with this error or continues"


def decide(
    attempt: Attempt, record: SpanRecord, *, error: bool, interruption: BaseException | None
) -> Decision:
    """Decide about a span by whether it did new work.

    Args:
        attempt: Attempt of the span.
        record: Record of the span.
        error: Whether the span itself ended with an error.
        interruption: The exception with which Restate ended the span; None if it did not.
    """
    if record.live or record.error is not None:
        return Decision.EXPORT
    if not record.replayed:
        # The span has no durable step, so its work was done again. The exception is a span that
        # only waited in the queue in which RestateAgent runs one tool after the other.
        return (
            Decision.DROP if interruption is not None and _queued(interruption) else Decision.EXPORT
        )
    if interruption is not None:
        return Decision.DROP
    if attempt.replaying:
        return Decision.HOLD if error else Decision.DROP
    # All results were received before, but the journal ends here: it is possible that no attempt
    # reached the span's end, as when a tool fails after its last step.
    first = attempt.history.complete and record.logical_id() not in attempt.history.completed
    return Decision.EXPORT if error or first else Decision.DROP


def interruption_of(attempt: Attempt, error: BaseException | None) -> BaseException | None:
    """Return the exception if Restate ends or cancels an attempt with it; else None."""
    if error is None:
        return None
    if isinstance(error, asyncio.CancelledError):
        return error
    for cause in causes(error):
        if isinstance(cause, (SdkInternalBaseException, DisconnectedException)):
            return error
        # A cancelled task below an error is often a timeout in the user's code.
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
    """Yield the exception, its causes and contexts, and the members of groups."""
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
