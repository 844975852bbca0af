"""The ASGI app that serves the sample agents, with Playhead's tracing bridge."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Collection
from typing import Any

import restate
from playhead_tracing import instrument

from playhead_samples import agents, plain_tracing

__all__ = ["create_app", "names", "services"]


def names() -> list[str]:
    """Return the names of the agents' files."""
    return sorted(module.name for module in pkgutil.iter_modules(agents.__path__))


def services(only: Collection[str] = ()) -> list[Any]:
    """Return the Restate services of the sample agents, in the order of their files.

    Args:
        only: names of the files to load; all when empty. Fewer files start faster.
    """
    modules = [importlib.import_module(f"{agents.__name__}.{n}") for n in only or names()]
    return [service for module in modules for service in getattr(module, "SERVICES", ())]


def create_app(only: Collection[str] = ()) -> Any:
    """Return the app that hypercorn serves. `OTEL_*` variables set the target of its spans."""
    app = restate.app(services=services(only))
    if bridge := os.environ.get(plain_tracing.VARIABLE):
        return plain_tracing.traced(app, attach=bridge == plain_tracing.WITH_CONTEXT)
    app = instrument(app)
    if "agents" in sys.modules:
        _trace_agents_sdk()
    return app


def _trace_agents_sdk() -> None:
    """Trace the OpenAI Agents SDK if OpenInference's instrumentor is installed."""
    try:
        from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
    except ImportError:
        return
    OpenAIAgentsInstrumentor().instrument()
