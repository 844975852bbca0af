"""pyarrow for a strict type checker; the package ships no types."""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow
import pyarrow.compute

__all__ = ["ArrowTable", "pa", "pc"]

pa: Any = pyarrow
pc: Any = pyarrow.compute
ArrowTable: TypeAlias = Any
"""A `pyarrow.Table`."""
