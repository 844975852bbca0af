"""All private parts of restate-sdk and OpenTelemetry's SDK that the bridge looks up.

The other modules get these parts from here.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any, cast

from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor, TracerProvider
from restate import server
from restate.endpoint import Endpoint
from restate.handler import Handler
from restate.server_context import ServerInvocationContext
from restate.vm import VMWrapper

from playhead_tracing.processor import BridgeProcessor
from playhead_tracing.vm import COMMANDS

_NOT_COMMANDS = {
    "sys_awakeable",
    "sys_end",
    "sys_input",
    "sys_signal",
    "sys_write_output_failure",
    "sys_write_output_success",
}


class NotARestateAppError(TypeError):
    """The argument of `instrument()` is not an app that `restate.app(...)` returned."""


def problems() -> list[str]:
    """Return the parts that the bridge needs and that this version of restate-sdk does not have.

    They are private to the SDK, so every release may change them.
    """
    found: list[str] = []
    commands = {name for name in vars(VMWrapper) if name.startswith("sys_")} - _NOT_COMMANDS
    watched = {*COMMANDS, "sys_run"}
    if unknown := commands - watched:
        found.append(f"journal commands that are not counted: {sorted(unknown)}")
    needed = watched | {"do_progress", "is_replaying", "take_notification", "take_output"}
    if missing := needed - set(vars(VMWrapper)):
        found.append(f"VMWrapper has no {sorted(missing)}")
    if hasattr(VMWrapper, "__slots__"):
        found.append("VMWrapper has slots, so its instances cannot be watched")
    run: Any = getattr(ServerInvocationContext, "create_run_coroutine", None)
    if not inspect.iscoroutinefunction(run):
        found.append("ServerInvocationContext.create_run_coroutine is not a coroutine function")
    elif list(inspect.signature(run).parameters)[:3] != ["self", "handle", "action"]:
        found.append("ServerInvocationContext.create_run_coroutine has different parameters")
    if "context_managers" not in {f.name for f in dataclasses.fields(Handler)}:
        found.append("Handler has no context_managers")
    if not hasattr(server, "install_shutdown_hook") or not hasattr(server, "_shutdown_hooks"):
        found.append("restate.server has no shutdown hooks")
    return found


def endpoint_of(app: Any) -> Endpoint:
    """Return the endpoint behind an app of `restate.app(...)`.

    Raises:
        NotARestateAppError: `app` is something else.
    """
    for cell in getattr(app, "__closure__", None) or ():
        if isinstance(cell.cell_contents, Endpoint):
            return cell.cell_contents
    raise NotARestateAppError(
        f"instrument() takes the app that restate.app(...) returns, not a {type(app).__name__!r}. "
        "Instrument it before it is mounted in another application or wrapped by a middleware."
    )


def handlers_of(endpoint: Endpoint) -> Iterator[Handler[Any, Any]]:
    """Yield the handlers of all services of the endpoint."""
    for service in endpoint.services.values():
        yield from cast(Any, service).handlers.values()


def sdk_provider(provider: object) -> TracerProvider:
    """Return the OpenTelemetry SDK's provider, unwrapped from proxies such as Logfire's.

    Raises:
        TypeError: `provider` has no such provider inside.
    """
    inside: Any = provider
    while not isinstance(inside, TracerProvider):
        inside = getattr(inside, "provider", None)
        if inside is None:
            raise TypeError(
                f"tracer_provider is a {type(provider).__name__}, not a provider of the "
                "OpenTelemetry SDK: pass an opentelemetry.sdk.trace.TracerProvider, or nothing."
            )
    return inside


def wrap_processors(
    provider: TracerProvider, wrap: Callable[[SpanProcessor], BridgeProcessor]
) -> BridgeProcessor:
    """Wrap all processors of a provider, including those added later, in one.

    Tracers refer to the provider's list of processors, not to the provider. The list therefore
    stays, with the new processor as its only member, and additions go to the inner list.
    """
    outer: Any = provider._active_span_processor  # pyright: ignore[reportPrivateUsage]
    for processor in outer._span_processors:
        if isinstance(processor, BridgeProcessor):
            return processor
    inner = SynchronousMultiSpanProcessor()
    for processor in outer._span_processors:
        inner.add_span_processor(processor)
    wrapper = wrap(inner)
    outer._span_processors = (wrapper,)
    outer.add_span_processor = inner.add_span_processor
    return wrapper
