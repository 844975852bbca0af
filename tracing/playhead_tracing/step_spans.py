"""A span for every execution of a durable step, under the span that requested the step."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context
from restate import TerminalError
from restate.exceptions import SdkInternalBaseException
from restate.server_context import ServerInvocationContext

from playhead_tracing.attempt import Attempt, Step
from playhead_tracing.attributes import (
    COMMAND_INDEX,
    COMMAND_NAME,
    COMMAND_TYPE,
    COMPLETION_ID,
    STEP_SPAN,
)
from playhead_tracing.processor import BridgeProcessor


def trace_steps(
    context: ServerInvocationContext, attempt: Attempt, tracer: Tracer, processor: BridgeProcessor
) -> None:
    """Open a span around every step of the context.

    The SDK runs a step in any task that waits at that moment. The requester's OpenTelemetry context
    is therefore stored with the request and attached when the step runs.
    """
    run: Callable[..., Any] = context.create_run_coroutine

    async def create_run_coroutine(handle: int, action: Any, *args: Any, **kwargs: Any) -> None:
        step = attempt.steps.pop(handle, None)
        if step is None:
            await run(handle, action, *args, **kwargs)
            return
        attempt.mark_live(step.record)
        processor.runs_again(attempt, step)
        span = tracer.start_span(
            STEP_SPAN.format(name=step.name), context=step.context, attributes=_attributes(step)
        )
        token = otel_context.attach(set_span_in_context(span, step.context))
        try:
            await run(handle, _watched(action, span, step, attempt), *args, **kwargs)
        finally:
            span.end()
            otel_context.detach(token)

    context.create_run_coroutine = create_run_coroutine


def _attributes(step: Step) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        COMMAND_TYPE: "Run",
        COMMAND_NAME: step.name,
        COMMAND_INDEX: step.command_index,
    }
    completion_id = step.completion_id()
    if completion_id is not None:
        attributes[COMPLETION_ID] = completion_id
    return attributes


def _watched(action: Any, span: Span, step: Step, attempt: Attempt) -> Any:
    """Wrap the action, sync or async, to record its outcome before the SDK gets it."""

    def note(error: Exception) -> None:
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        if isinstance(error, TerminalError):
            attempt.undelivered[step.handle] = step.record
        else:
            attempt.fail(step.record, error)

    if inspect.iscoroutinefunction(action):

        async def call() -> Any:
            try:
                result = await action()
                attempt.undelivered[step.handle] = step.record
                return result
            except SdkInternalBaseException:
                raise
            except Exception as error:
                note(error)
                raise

        return call

    def call_sync() -> Any:
        try:
            result = action()
            attempt.undelivered[step.handle] = step.record
            return result
        except Exception as error:
            note(error)
            raise

    return call_sync
