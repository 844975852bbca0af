"""The scripted answers of the sample agents, a few agents per file."""

import importlib
import pkgutil

__all__ = ["load"]


def load() -> None:
    """Register the rules of every file in this folder with `llm.script`."""
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
