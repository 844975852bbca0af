"""The context manager around a handler, which sets up the trace, state machine and steps."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from hashlib import blake2b

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    format_span_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from restate import TerminalError
from restate.extensions import current_context
from restate.server_context import ServerInvocationContext

from playhead_tracing.attempt import Attempt, current_attempt
from playhead_tracing.attributes import (
    ATTEMPT_NUMBER,
    ATTEMPT_SPAN_ID,
    INVOCATION_ID,
    INVOCATION_TARGET,
)
from playhead_tracing.decision import interruption_of
from playhead_tracing.frameworks import replay_units, unit_listener
from playhead_tracing.history import Histories
from playhead_tracing.processor import BridgeProcessor
from playhead_tracing.request_body import current_request_body
from playhead_tracing.step_spans import trace_steps
from playhead_tracing.vm import watch

_propagator = TraceContextTextMapPropagator()


@asynccontextmanager
async def attach_parent() -> AsyncGenerator[None]:
    """Attach only the attempt's span as parent: the fallback for unsupported SDK versions."""
    restate = current_context()
    assert restate is not None
    token = otel_context.attach(_propagator.extract(restate.request().attempt_headers))
    try:
        yield
    finally:
        otel_context.detach(token)


class AttemptScope:
    """A factory of context managers, one for each attempt of a handler."""

    def __init__(self, provider: TracerProvider, processor: BridgeProcessor) -> None:
        self._processor = processor
        self._histories = Histories()
        self._provider = provider
        self._tracer = provider.get_tracer("playhead_tracing")

    def __call__(self) -> AbstractAsyncContextManager[None]:
        """Return the context manager of one attempt."""
        return self._attempt()

    @asynccontextmanager
    async def _attempt(self) -> AsyncGenerator[None]:
        restate = current_context()
        assert isinstance(restate, ServerInvocationContext)
        attempt = self._begin(restate)
        over = False
        with ExitStack() as stack:
            token = otel_context.attach(set_span_in_context(NonRecordingSpan(attempt.parent)))
            stack.callback(otel_context.detach, token)
            stack.callback(current_attempt.reset, current_attempt.set(attempt))
            stack.enter_context(replay_units())
            trace_steps(restate, attempt, self._tracer, self._processor)
            try:
                yield
                over = True
                end_abandoned(attempt)
            except BaseException as error:
                over = isinstance(error, TerminalError)
                if interruption_of(attempt, error) is None:
                    end_abandoned(attempt)
                    self._processor.release(attempt, error)
                raise
            finally:
                attempt.over = True
                attempt.history.commands = max(attempt.history.commands, attempt.commands)
                if over:
                    self._processor.give_up(attempt.history)
                    self._histories.forget(restate.invocation.invocation_id)

    def _begin(self, restate: ServerInvocationContext) -> Attempt:
        request, handler = restate.request(), restate.handler
        body = current_request_body.get()
        start = body.close() if body is not None else None
        history = self._histories.begin(
            request.id,
            start.known_entries if start else None,
            start.retry_count if start else 0,
            body.last_command if body is not None else lambda: -1,
        )
        parent = get_current_span(_propagator.extract(request.attempt_headers)).get_span_context()
        exported = parent.is_valid
        if not exported:
            parent = self._derived_parent(request.id)
        service = handler.service_tag
        key = restate.key() if service.kind != "service" else None
        attributes: dict[str, str | int] = {
            INVOCATION_ID: request.id,
            INVOCATION_TARGET: "/".join(
                [service.name, *([] if key is None else [key]), handler.name]
            ),
            ATTEMPT_SPAN_ID: format_span_id(parent.span_id),
        }
        if history.number is not None:
            attributes[ATTEMPT_NUMBER] = history.number
        attempt = Attempt(
            invocation_id=request.id,
            vm=restate.vm,
            history=history,
            parent=parent,
            parent_exported=exported,
            attributes=attributes,
            session=request.id if key is None else f"{service.name}/{key}",
            on_work=unit_listener(),
        )
        watch(restate.vm, attempt, body)
        self._processor.attempts.add(attempt)
        return attempt

    def _derived_parent(self, invocation_id: str) -> SpanContext:
        """Return the parent to use without server tracing: one trace id for each invocation id."""
        trace_id = int.from_bytes(blake2b(invocation_id.encode(), digest_size=16).digest(), "big")
        sampled = self._provider.sampler.should_sample(Context(), trace_id, "attempt")
        return SpanContext(
            trace_id=trace_id,
            span_id=int.from_bytes(os.urandom(8), "big") or 1,
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED * sampled.decision.is_sampled()),
        )


def end_abandoned(attempt: Attempt) -> None:
    """End the spans that Pydantic AI leaves open when all their work was replayed."""
    for record in reversed(list(attempt.records.values())):
        if record.span is not None and record.replayed and not record.live:
            record.span.end()
