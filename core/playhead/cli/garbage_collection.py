"""The pace of Python's garbage collector, in commands that make many objects at a time."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator

__all__ = ["rare_collection"]

OBJECTS = 20_000
"""New objects after which cyclic garbage is looked for. It keeps the bodies of past requests."""


@contextlib.contextmanager
def rare_collection() -> Generator[None]:
    """Look for cyclic garbage less often within the block.

    Spans have no cycles, and are freed at once. To look through them again and again for cycles
    takes a tenth of the time of an export.
    """
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
