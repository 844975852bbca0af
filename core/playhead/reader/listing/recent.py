"""What was made of the rows of recent invocations, until these rows change."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["Recent"]

REMEMBERED = 2000
"""Number of invocations that are remembered."""

_T = TypeVar("_T")


class Recent(Generic[_T]):
    """The latest value of each id, for one version of its rows."""

    def __init__(self) -> None:
        """Start without any."""
        self._values: OrderedDict[str, tuple[object, _T]] = OrderedDict()

    def get(self, id_: str, version: object) -> _T | None:
        """Return the value for this version; None when it is not kept."""
        known = self._values.get(id_)
        return known[1] if known and known[0] == version else None

    def put(self, id_: str, version: object, value: _T) -> _T:
        """Keep the value instead of one for an earlier version, and return it."""
        self._values[id_] = (version, value)
        self._values.move_to_end(id_)
        while len(self._values) > REMEMBERED:
            self._values.popitem(last=False)
        return value
