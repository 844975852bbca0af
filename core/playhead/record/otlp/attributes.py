"""Lists of attributes as Arrow columns: their JSON, their types, and single values."""

from __future__ import annotations

import base64
import functools
import math
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, EntityRef, KeyValueList

from playhead.record.otlp.rows import BYTES, DOUBLE, entities_json, value_json
from playhead.store.arrow import pa, pc
from playhead.store.span_marks import CALL, CALL_VALUES, MARKING_NAMES

__all__ = [
    "AttributeLists",
    "entities",
    "field",
    "joined",
    "list_field",
    "other_values",
    "types_of",
]


@dataclass(frozen=True, slots=True)
class AttributeLists:
    """The attributes of spans, resources, events or links."""

    lists: Any
    keys: Any
    """The name of each member, as its place in `names`."""
    names: dict[str, int]
    columns: dict[str, Any]
    json: Any
    """One JSON object for each list."""
    types: Any
    """Its types that JSON cannot express, as one JSON object; null if there are none."""

    def text(self, name: str, default: str | None) -> Any:
        """Return the text of one attribute for each list."""
        return self._values(name, "text", pa.string(), default)

    def true(self, name: str) -> Any:
        """Return for each list whether a boolean attribute is true."""
        return self._values(name, "truth", pa.bool_(), False)

    def marks(self) -> Any:
        """Return the marks for each list; see `playhead.store.span_marks`."""
        marks: dict[int, list[Any]] = {}
        for name, mark in MARKING_NAMES.items():
            if (members := self._members(name)) is not None:
                marks.setdefault(mark, []).append(members)
        for name, kinds in CALL_VALUES.items():
            if (members := self._members(name)) is not None:
                accepted = pc.is_in(self.columns["text"], pa.array(sorted(kinds), pa.string()))
                marks.setdefault(CALL, []).append(pc.and_(members, accepted))
        found: Any = pa.repeat(pa.scalar(0, pa.uint8()), len(self.lists))
        for mark, members in marks.items():
            owners = pc.list_parent_indices(self.lists).filter(functools.reduce(pc.or_, members))
            values = pa.repeat(pa.scalar(mark, pa.uint8()), len(owners))
            found = pc.bit_wise_or(found, pc.fill_null(self._placed(values, owners), 0))
        return found

    def _members(self, name: str) -> Any:
        """Return which members have this name; None if none has."""
        place = self.names.get(name)
        return None if place is None else pc.equal(self.keys, pa.scalar(place, pa.int32()))

    def _values(self, name: str, column: str, kind: Any, default: Any) -> Any:
        chosen = self._members(name)
        if chosen is None:
            found = pa.nulls(len(self.lists), kind)
        else:
            owners = pc.list_parent_indices(self.lists).filter(chosen)
            found = self._placed(self.columns[column].filter(chosen), owners)
        return found if default is None else pc.fill_null(found, default)

    def _placed(self, values: Any, owners: Any) -> Any:
        """Return a column with these values at the places of their lists; the last one counts."""
        if len(owners) > 1:
            repeated = pc.equal(owners.slice(1), owners.slice(0, len(owners) - 1))
            last = pa.concat_arrays([pc.invert(repeated), pa.array([True])])
            values, owners = values.filter(last), owners.filter(last)
        if not len(owners):
            return pa.nulls(len(self.lists), values.type)
        return pc.scatter(values, owners, max_index=len(self.lists) - 1)


def joined(lists: Any, texts: Any, opening: str, closing: str) -> Any:
    """Join the texts of each list by commas, between brackets."""
    joined = pc.binary_join(pa.ListArray.from_arrays(lists.offsets, texts), ",")
    return pc.binary_join_element_wise(opening, pc.fill_null(joined, ""), closing, "")


field = pc.struct_field


def list_field(parent: Any, name: str) -> Any:
    """Return a list field of a struct array, an empty list where the struct is missing."""
    lists = field(parent, name)
    if not lists.null_count:
        return lists
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    return pa.ListArray.from_arrays(offsets, lists.flatten())


def types_of(pairs: Any, quoted: Any, types: Any) -> Any:
    """Return the types of each list's members, for the few lists that have any.

    Args:
        pairs: The lists.
        quoted: The name of each member as JSON with a colon, dictionary-encoded.
        types: The type of each member, as JSON; null if JSON expresses it.
    """
    if types.null_count == len(types):
        return pa.nulls(len(pairs), pa.string())
    # The last one of a repeated name counts, and JSON may express its type.
    named = pc.is_in(quoted.indices, quoted.indices.filter(pc.is_valid(types)).unique())
    found: dict[int, dict[str, str | None]] = {}
    owners = pc.list_parent_indices(pairs).filter(named).to_pylist()
    names, kinds = quoted.filter(named).to_pylist(), types.filter(named).to_pylist()
    for owner, name, kind in zip(owners, names, kinds, strict=True):
        found.setdefault(owner, {})[name] = kind
    texts: list[str | None] = [None] * len(pairs)
    for owner, members in found.items():
        if written := [f"{name}{kind}" for name, kind in members.items() if kind is not None]:
            texts[owner] = f"{{{','.join(written)}}}"
    return pa.array(texts, pa.string())


def entities(lists: Any) -> Any:
    """Return the JSON of each resource's references to entities; null without any."""
    if not len(lists.values):
        return pa.nulls(len(lists), pa.string())
    return pa.array([
        entities_json([EntityRef(**entity) for entity in entities]) if entities else None
        for entities in lists.to_pylist()
    ], pa.string())  # fmt: skip


def other_values(value: Any, number: Any) -> tuple[Any, Any]:
    """Return the JSON of arrays, maps, bytes, NaN and infinities, and that of their types.

    Both are null for other values.
    """
    length = len(value)
    found: Any = pa.nulls(length, pa.string())
    types: Any = pa.nulls(length, pa.string())
    for name, decode in (
        ("array_value", _array_json),
        ("kvlist_value", _map_json),
        ("bytes_value", _bytes_json),
    ):
        raw = field(value, name)
        if raw.null_count < length:
            distinct = raw.dictionary_encode()
            pairs = [decode(item.as_py()) for item in distinct.dictionary]
            texts = pa.array([text for text, _ in pairs], pa.string())
            kinds = pa.array([kind for _, kind in pairs], pa.string())
            found = pc.coalesce(found, texts.take(distinct.indices))
            types = pc.coalesce(types, kinds.take(distinct.indices))
    if number.null_count < length:
        endless = pc.fill_null(pc.invert(pc.is_finite(number)), False)
        if pc.any(endless).as_py():
            texts = pa.array([
                None if item is None or math.isfinite(item) else f'"{item}"'
                for item in number.to_pylist()
            ], pa.string())  # fmt: skip
            found = pc.coalesce(found, texts)
            types = pc.if_else(endless, f'"{DOUBLE}"', types)
    return found, types


def _array_json(raw: bytes) -> tuple[str, str | None]:
    return value_json(AnyValue(array_value=ArrayValue.FromString(raw)))


def _map_json(raw: bytes) -> tuple[str, str | None]:
    return value_json(AnyValue(kvlist_value=KeyValueList.FromString(raw)))


def _bytes_json(raw: bytes) -> tuple[str, str | None]:
    return f'"{base64.b64encode(raw).decode()}"', f'"{BYTES}"'
