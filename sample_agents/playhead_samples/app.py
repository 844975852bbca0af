"""The ASGI app with every sample agent, under Playhead's tracing bridge."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Collection
from typing import Any

import restate
from playhead_tracing import instrument

from playhead_samples import agents

__all__ = ["create_app", "names", "services"]


def names() -> list[str]:
    """The sample agents' files, by which `services` can be limited."""
    return sorted(module.name for module in pkgutil.iter_modules(agents.__path__))


def services(only: Collection[str] = ()) -> list[Any]:
    """The Restate services of the sample agents, in the order of their files.

    Args:
        only: names of files to load; all when empty. Few files start faster.
    """
    modules = [importlib.import_module(f"{agents.__name__}.{n}") for n in only or names()]
    return [service for module in modules for service in getattr(module, "SERVICES", ())]


def create_app(only: Collection[str] = ()) -> Any:
    """The app that hypercorn serves. Spans go where `OTEL_*` says."""
    app = instrument(restate.app(services=services(only)))
    if "agents" in sys.modules:
        _trace_agents_sdk()
    return app


def _trace_agents_sdk() -> None:
    """Spans of the OpenAI Agents SDK, where OpenInference's instrumentor is installed."""
    try:
        from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
    except ImportError:
        return
    OpenAIAgentsInstrumentor().instrument()
