"""Values of attributes whose types JSON cannot express, as text of classes of their own.

They are text for what reads or shows them, and exports write what was received.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, cast

import msgspec.json

__all__ = ["Base64", "Endless", "details", "restored", "with_types"]

_decode = msgspec.json.Decoder().decode


class Base64(str):
    """Bytes as base64."""

    __slots__ = ()


class Endless(str):
    """`nan`, `inf` or `-inf`: a double that is not a number of JSON."""

    __slots__ = ()


def restored(values: dict[str, Any], types: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give attributes the types of the column `attribute_types`, in place; return them."""
    for name, kind in (types or {}).items():
        if name in values:
            values[name] = _restored(values[name], kind)
    return values


def _restored(value: Any, kind: Any) -> Any:
    if isinstance(value, str):
        return Base64(value) if kind == "bytes" else Endless(value) if kind == "double" else value
    if not isinstance(kind, dict):
        return value
    types = cast("dict[str, Any]", kind)
    if isinstance(value, list):
        items = enumerate(cast("list[Any]", value))
        return [
            _restored(item, types[place]) if (place := str(number)) in types else item
            for number, item in items
        ]
    return restored(cast("dict[str, Any]", value), types) if isinstance(value, dict) else value


def with_types(item: dict[str, Any]) -> dict[str, Any]:
    """Give the attributes of an event, link or scope their types, in place; return it."""
    if types := item.pop("attribute_types", None):
        restored(item["attributes"], types)
    return item


@lru_cache(maxsize=4096)
def details(text: str) -> Mapping[str, Any]:
    """Return what else a scope or resource has; equal ones are one mapping."""
    found = _decode(text)
    return MappingProxyType(with_types(found) if "attributes" in found else found)
