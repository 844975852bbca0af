"""The commands `playhead demo` and `playhead scenario`, found by their entry points.

Their modules import the agents' libraries only when a command needs them, since those belong to
the extra `samples`.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Generator

from playhead.cli.errors import CliError

__all__ = ["samples_installed"]

LIBRARIES = ("hypercorn", "openai", "pydantic_ai", "restate")
"""Modules of the extra. To find one takes no time, while to import them takes seconds."""


@contextlib.contextmanager
def samples_installed() -> Generator[None]:
    """Raise an error that names the extra if libraries of the agents are missing."""
    try:
        for name in LIBRARIES:
            if importlib.util.find_spec(name) is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        yield
    except ImportError as error:
        raise CliError(
            f"The sample agents are not installed: {error}",
            "Run `pip install 'playhead[samples]'`.",
        ) from error
