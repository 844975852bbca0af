"""Low-cost spans for attempts: most spans of a replaying attempt are dropped at their end.

A lazy span is an OpenTelemetry SDK span whose state is created on first access. A span that only
gets attributes and ends never needs it. This is only an optimization: with an incompatible SDK or
another sampler, spans are the SDK's own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from time import time_ns
from types import TracebackType
from typing import Any

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import ReadableSpan, Tracer, TracerProvider
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from playhead_tracing.attempt import Attempt, SpanRecord, current_attempt

_Span: Any = getattr(sdk, "_Span", None)
_Base: Any = _Span or object
Opened = Callable[[Attempt, Any, Context | None], SpanRecord]
Ended = Callable[[Attempt, SpanRecord, "LazySpan", int | None, BaseException | None], None]


def install(provider: TracerProvider, opened: Opened, ended: Ended) -> None:
    """Make the provider's tracers open lazy spans inside attempts.

    Args:
        provider: The SDK's provider; its existing tracers are changed, too.
        opened: Called with a new span.
        ended: Called at the end of a span, unless it became an SDK span before.
    """
    tracers: Any = getattr(provider, "_tracers", None)
    if _Span is None or not isinstance(tracers, dict):
        return

    def change(tracer: Any) -> Any:
        if type(tracer) is Tracer:
            lazy: Any = tracer
            lazy.__class__ = LazyTracer
            lazy.opened, lazy.ended = opened, ended
        return tracer

    for tracer in tracers.values():  # pyright: ignore[reportUnknownVariableType]
        change(tracer)
    get_tracer: Any = provider.get_tracer

    def get_lazy_tracer(*args: Any, **kwargs: Any) -> Any:
        return change(get_tracer(*args, **kwargs))

    provider.get_tracer = get_lazy_tracer


class LazyTracer(Tracer):
    """The SDK's tracer; inside an attempt, with the default sampler, it opens lazy spans."""

    opened: Opened
    ended: Ended

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> trace.Span:
        """Start a span; see OpenTelemetry."""
        attempt = current_attempt.get()
        if attempt is not None and self.sampler is DEFAULT_ON and not links:
            parent = trace.get_current_span(context).get_span_context()
            if parent.trace_flags & 1 and parent.is_valid and self._is_enabled():
                options = (
                    kind,
                    attributes,
                    start_time,
                    record_exception,
                    set_status_on_exception,
                )
                span: Any = LazySpan(self, attempt, name, parent, options)
                span._record = self.opened(attempt, span, context)
                return span
        return Tracer.start_span(
            self,
            name,
            context,
            kind,
            attributes,
            links,
            start_time,
            record_exception,
            set_status_on_exception,
        )

    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Start a span around a block; see OpenTelemetry."""
        if current_attempt.get() is None or args:
            return Tracer.start_as_current_span(self, name, *args, **kwargs)
        return _Current(self, name, kwargs)


class _Current:
    """The result of the SDK's `start_as_current_span`, as a class, at half the cost."""

    __slots__ = ("_name", "_options", "_span", "_token", "_tracer")

    def __init__(self, tracer: LazyTracer, name: str, options: dict[str, Any]) -> None:
        self._tracer = tracer
        self._name = name
        self._options = options

    def __call__(self, function: Any) -> Any:
        """Decorate a function."""
        decorate: Any = Tracer.start_as_current_span(self._tracer, self._name, **self._options)
        return decorate(function)

    def __enter__(self) -> trace.Span:
        options = self._options
        if "end_on_exit" in options:
            options = {k: v for k, v in options.items() if k != "end_on_exit"}
        self._span = span = self._tracer.start_span(self._name, **options)
        self._token = attach(trace.set_span_in_context(span))
        return span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        detach(self._token)
        span, options = self._span, self._options
        if error is not None and isinstance(error, Exception) and span.is_recording():
            if options.get("record_exception", True):
                span.record_exception(error)
            if options.get("set_status_on_exception", True):
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        if options.get("end_on_exit", True):
            span.end()


class LazySpan(_Base):
    """A span with only an identity; access to any other state turns it into an SDK span."""

    _record: SpanRecord

    def __init__(
        self,
        tracer: Any,
        attempt: Attempt,
        name: str,
        parent: SpanContext,
        options: tuple[Any, ...],
    ) -> None:
        self._context = SpanContext(
            parent.trace_id,
            tracer.id_generator.generate_span_id(),
            False,
            parent.trace_flags,
            parent.trace_state,
        )
        self._parent = parent
        self._name = name
        self._lazy = (tracer, attempt, options, options[2] or time_ns())
        self._late: list[dict[str, AttributeValue]] = []
        self._recording = True

    @property
    def identity(self) -> tuple[str, SpanContext]:
        """Name and parent."""
        return self._name, self._parent

    @property
    def initial_attributes(self) -> dict[str, Any] | None:
        """Attributes at the start."""
        return self._lazy[2][1]

    def get_span_context(self) -> SpanContext:
        """Return the span context."""
        return self._context

    def is_recording(self) -> bool:
        """Return whether the span is open."""
        return self._recording

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set an attribute."""
        self._late.append({key: value})

    def set_attributes(self, attributes: Any) -> None:
        """Set attributes."""
        self._late.append(attributes)

    def end(self, end_time: int | None = None) -> None:
        """End the span without creating its SDK state."""
        if self._recording:
            self._recording = False
            tracer, attempt, _, _ = self._lazy
            tracer.ended(attempt, self._record, self, end_time, sys.exc_info()[1])

    def peek(self, end_time: int | None = None) -> ReadableSpan:
        """Return the span in its current state, or in its state at the end time."""
        tracer, _, options, start_time = self._lazy
        limits = tracer._span_limits
        attributes = BoundedAttributes(
            limits.max_span_attributes,
            options[1],
            immutable=False,
            max_value_len=limits.max_span_attribute_length,
        )
        for late in self._late:
            attributes.update(late)
        return ReadableSpan(
            name=self._name,
            context=self._context,
            parent=self._parent,
            resource=tracer.resource,
            attributes=attributes,
            kind=options[0],
            start_time=start_time,
            end_time=end_time,
            instrumentation_scope=tracer._instrumentation_scope,
        )

    def __getattr__(self, name: str) -> Any:
        """Turn into an SDK span, since its state is accessed."""
        if name.startswith("__") or "_lazy" not in self.__dict__:
            raise AttributeError(name)
        tracer, _, options, start_time = self._lazy
        kind, attributes, _, record_exception, set_status_on_exception = options
        late, ended = self._late, not self._recording
        self.__class__ = _Span
        _Span.__init__(
            self,
            name=self._name,
            context=self._context,
            parent=self._parent,
            sampler=tracer.sampler,
            resource=tracer.resource,
            attributes=attributes,
            span_processor=tracer.span_processor,
            kind=kind,
            instrumentation_info=tracer.instrumentation_info,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
            limits=tracer._span_limits,
            instrumentation_scope=tracer._instrumentation_scope,
        )
        self._start_time = start_time
        for attributes in late:
            self.set_attributes(attributes)
        if ended:
            self._end_time = time_ns()
        return getattr(self, name)
