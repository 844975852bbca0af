"""The type of Arrow tables; pyarrow has no type hints."""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow
import pyarrow.compute

__all__ = ["ArrowTable", "pa", "pc"]

pa: Any = pyarrow
pc: Any = pyarrow.compute
ArrowTable: TypeAlias = Any
"""A `pyarrow.Table`."""
