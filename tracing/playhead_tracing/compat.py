"""The private parts of restate-sdk that the bridge needs, in one place.

Not here: what the bridge does with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor, TracerProvider
from restate.endpoint import Endpoint
from restate.handler import Handler


class NotARestateApp(TypeError):  # noqa: N818 - reads as what it says
    """`instrument()` was given something that `restate.app(...)` did not return."""


def endpoint_of(app: Any) -> Endpoint:
    """The endpoint behind an app of `restate.app(...)`.

    Raises:
        NotARestateApp: `app` is something else.
    """
    for cell in getattr(app, "__closure__", None) or ():
        if isinstance(cell.cell_contents, Endpoint):
            return cell.cell_contents
    raise NotARestateApp(
        f"instrument() takes what restate.app(...) returned, not {type(app).__name__!r}. "
        "Instrument it before it is mounted in another application or wrapped by a middleware."
    )


def handlers_of(endpoint: Endpoint) -> Iterator[Handler[Any, Any]]:
    """Every handler of every service of the endpoint."""
    for service in endpoint.services.values():
        yield from cast(Any, service).handlers.values()


def wrap_processors(
    provider: TracerProvider, wrap: Callable[[SpanProcessor], SpanProcessor]
) -> SpanProcessor:
    """Put one processor around all of a provider's, those that are added later included.

    Tracers hold the provider's list of processors, not the provider: so the list stays, with the
    new processor as its only member, and additions go to the list inside.
    """
    outer: Any = provider._active_span_processor  # pyright: ignore[reportPrivateUsage]
    inner = SynchronousMultiSpanProcessor()
    for processor in outer._span_processors:
        inner.add_span_processor(processor)
    wrapper = wrap(inner)
    outer._span_processors = (wrapper,)
    outer.add_span_processor = inner.add_span_processor
    return wrapper
