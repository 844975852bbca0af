"""The ASGI app with every sample agent, under Playhead's tracing bridge."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import restate
from playhead_tracing import instrument

from playhead_samples import agents

__all__ = ["create_app", "services"]


def services() -> list[Any]:
    """Every Restate service of the sample agents, in the order of their files."""
    names = sorted(module.name for module in pkgutil.iter_modules(agents.__path__))
    modules = [importlib.import_module(f"{agents.__name__}.{name}") for name in names]
    return [service for module in modules for service in getattr(module, "SERVICES", ())]


def create_app() -> Any:
    """The app that hypercorn serves. Spans go where `OTEL_*` says."""
    return instrument(restate.app(services=services()))
