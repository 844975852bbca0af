"""The attempt around the handler: its place in the trace, its state machine, its steps."""

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
from playhead_tracing.frameworks import replay_units, unit_listener
from playhead_tracing.history import Histories
from playhead_tracing.intake import current_intake
from playhead_tracing.processor import BridgeProcessor
from playhead_tracing.steps import trace_steps
from playhead_tracing.verdict import cut_off
from playhead_tracing.vm import watch

_propagator = TraceContextTextMapPropagator()


@asynccontextmanager
async def attach_parent() -> AsyncGenerator[None]:
    """All that is left on an SDK that the bridge does not know: spans go under the attempt's."""
    restate = current_context()
    assert restate is not None
    token = otel_context.attach(_propagator.extract(restate.request().attempt_headers))
    try:
        yield
    finally:
        otel_context.detach(token)


class Scope:
    """The context manager that handlers run in; calling it gives a new one for an attempt."""

    def __init__(self, provider: TracerProvider, processor: BridgeProcessor) -> None:
        self._processor = processor
        self._histories = Histories()
        self._provider = provider
        self._tracer = provider.get_tracer("playhead_tracing")

    def __call__(self) -> AbstractAsyncContextManager[None]:
        """One attempt of one invocation."""
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
                if cut_off(attempt, error) is None:
                    end_abandoned(attempt)
                    self._processor.release(attempt, error)
                raise
            finally:
                attempt.over = True
                if over:
                    self._processor.give_up(attempt.history)
                    self._histories.forget(restate.invocation.invocation_id)

    def _begin(self, restate: ServerInvocationContext) -> Attempt:
        request, handler = restate.request(), restate.handler
        intake = current_intake.get()
        start = intake.close() if intake is not None else None
        history = self._histories.begin(
            request.id,
            start.known_entries if start else None,
            start.retry_count if start else 0,
        )
        parent = get_current_span(_propagator.extract(request.attempt_headers)).get_span_context()
        exported = parent.is_valid
        if not exported:
            parent = self._derived_parent(request.id)
        service, key = handler.service_tag, restate.key()
        attributes: dict[str, str | int] = {
            "restate.invocation.id": request.id,
            "restate.invocation.target": "/".join(
                [service.name, *([key] if service.kind != "service" else []), handler.name]
            ),
            "playhead.attempt.span_id": format_span_id(parent.span_id),
        }
        if history.number is not None:
            attributes["playhead.attempt.number"] = history.number
        attempt = Attempt(
            invocation_id=request.id,
            vm=restate.vm,
            history=history,
            parent=parent,
            parent_exported=exported,
            attributes=attributes,
            on_work=unit_listener(),
        )
        watch(restate.vm, attempt, intake)
        self._processor.attempts.add(attempt)
        return attempt

    def _derived_parent(self, invocation_id: str) -> SpanContext:
        """Without server tracing: one trace an invocation, whichever process runs its attempts."""
        trace_id = int.from_bytes(blake2b(invocation_id.encode(), digest_size=16).digest(), "big")
        sampled = self._provider.sampler.should_sample(Context(), trace_id, "attempt")
        return SpanContext(
            trace_id=trace_id,
            span_id=int.from_bytes(os.urandom(8), "big") or 1,
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED * sampled.decision.is_sampled()),
        )


def end_abandoned(attempt: Attempt) -> None:
    """End what Pydantic AI left open because all in it was replayed; it may be new all the same."""
    for record in reversed(list(attempt.records.values())):
        if record.span is not None and record.touched and not record.live:
            record.span.end()
