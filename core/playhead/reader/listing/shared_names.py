"""Attributes of many spans in little memory: names are shared by the spans that have the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

__all__ = ["NamedValues", "SharedNames"]


class NamedValues(Mapping[str, Any]):
    """Values, with names that other spans share; a third of the memory of a dict."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: Mapping[str, int], values: tuple[Any, ...]) -> None:
        """Take the place of each name, in order, and the values."""
        self._places = places
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[self._places[name]]

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or else the default; most lookups find none."""
        place = self._places.get(key)
        return default if place is None else self._values[place]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, NamedValues) and self._places is other._places:
            return self._values == other._values
        return isinstance(other, Mapping) and dict(self) == dict(cast("Mapping[Any, Any]", other))

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # as a dict, which it stands for

    def __repr__(self) -> str:
        return repr(dict(self))


class SharedNames:
    """The sets of names that were seen so far, of a fixed list of names."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take all names that there can be."""
        self._names = tuple(names)
        self._places: dict[bytes, Mapping[str, int]] = {}

    def attributes(self, values: Sequence[Any]) -> NamedValues:
        """Return attributes with the values that are not None, one for each of the names."""
        key = bytes([value is not None for value in values])
        places = self._places.get(key)
        if places is None:
            present = (name for name, is_set in zip(self._names, key, strict=True) if is_set)
            places = self._places[key] = {name: place for place, name in enumerate(present)}
        return NamedValues(places, tuple([value for value in values if value is not None]))
