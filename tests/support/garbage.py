"""A plugin of pytest: the garbage collector does not look through what lives as long as the tests.

Each process holds half a million objects of imported modules and collected tests. Looking through
them again and again took a sixth of the processor time of the tests of screens.
"""

from __future__ import annotations

import atexit
import gc

import pytest

__all__ = ["Garbage"]

NEW_OBJECTS = 10_000
"""A collection follows so many new objects. Python's own number, 700, fits smaller programs."""


class Garbage:
    """Postpones collections until the tests are known, and leaves out what exists then."""

    def pytest_configure(self) -> None:
        gc.disable()
        # The libraries in C++ report objects that remain at the end.
        atexit.register(gc.unfreeze)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        gc.collect()
        gc.freeze()
        gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
        gc.enable()
