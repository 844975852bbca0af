"""The pytest plugin: `pytest --playhead-app module:attr --playhead-recordings DIR`.

One test a recording. Nothing heavy is imported until a recording is collected, since every
pytest run in an environment that has Playhead installed loads this module.
"""

from __future__ import annotations

import pytest

__all__ = ["pytest_addoption"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options; without them nothing is collected."""
    group = parser.getgroup("playhead", "replay of recorded Restate invocations")
    group.addoption(
        "--playhead-app",
        metavar="MODULE:ATTR",
        default=None,
        help="the Restate app that the recordings are replayed against",
    )
    group.addoption(
        "--playhead-recordings",
        metavar="DIR",
        default=None,
        help="folder of *.journal.json recordings; each becomes a test",
    )
