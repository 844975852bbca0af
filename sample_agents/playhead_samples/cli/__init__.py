"""The commands `playhead demo` and `playhead scenario`, found by their entry points.

Their modules import the agents' libraries only when a command needs them, since those belong to
the extra `samples`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from playhead.cli.errors import CliError

__all__ = ["samples_installed"]


@contextlib.contextmanager
def samples_installed() -> Generator[None]:
    """Turn an ImportError of the agents' libraries into an error that names the extra."""
    try:
        yield
    except ImportError as error:
        raise CliError(
            f"The sample agents are not installed: {error}",
            "Run `pip install 'playhead[samples]'`.",
        ) from error
