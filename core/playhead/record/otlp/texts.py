"""Text of Arrow columns as spans are stored: hex, names of enumerations, and JSON objects.

Columns go through Arrow's functions as a whole. What has few distinct values, such as names of
events, is encoded once for each.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Sequence
from typing import Any

from playhead.store.arrow import pa, pc

__all__ = [
    "details",
    "enumerated",
    "hex_text",
    "is_default",
    "json_number",
    "json_text",
    "members",
    "unless",
]

_KINDS = {
    "version": "text",
    "attributes": "object",
    "schema_url": "text",
    "trace_state": "text",
    "flags": "number",
    "dropped_attributes_count": "number",
    "attribute_types": "json",
    "entity_refs": "json",
}
"""Members of JSON objects that are left out unless they are set."""


def hex_text(column: Any) -> Any:
    """Return bytes as text in hex."""
    if not len(column):
        return pa.array([], pa.string())
    column = pc.fill_null(column, b"")
    _, offsets, content = column.buffers()
    ends = pa.Array.from_buffers(pa.int32(), len(column) + 1, [None, offsets], offset=column.offset)
    first, last = ends[0].as_py(), ends[-1].as_py()
    text = binascii.hexlify(memoryview(content)[first:last]) if last > first else b""
    doubled = pc.multiply(pc.subtract(ends, ends[0]), pa.scalar(2, pa.int32()))
    buffers = [None, doubled.buffers()[1], pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.string(), len(column), buffers)


def enumerated(column: Any, names: Sequence[str]) -> Any:
    """Return the names of an enumeration's values; a number without one is kept."""
    distinct = column.dictionary_encode()
    texts = [
        names[value] if 0 <= value < len(names) else str(value)
        for value in distinct.dictionary.to_pylist()
    ]
    return pa.array(texts, pa.string()).take(distinct.indices)


def unless(condition: Any, column: Any) -> Any:
    """Return a column with nulls where the condition is true."""
    return pc.if_else(condition, pa.scalar(None, column.type), column)


def is_default(column: Any) -> Any:
    """Return where a column of numbers or texts has protobuf's default."""
    default = "" if column.type == pa.string() else 0
    return pc.equal(column, pa.scalar(default, column.type))


def json_text(column: Any) -> Any:
    """Return texts as JSON strings."""
    distinct = column.dictionary_encode()
    quoted = [json.dumps(text, ensure_ascii=False) for text in distinct.dictionary.to_pylist()]
    return pa.array(quoted, pa.string()).take(distinct.indices)


def json_number(column: Any) -> Any:
    """Return whole numbers as JSON."""
    return column.cast(pa.string())


def members(**columns: Any) -> Any:
    """Return the members that are set, each after a comma."""
    found = [text for name, column in columns.items() for text in _member(name, column)]
    if not found:
        return pa.repeat("", len(next(iter(columns.values()))))
    return pc.binary_join_element_wise(*found, "")


def details(**columns: Any) -> Any:
    """Return JSON objects of the members that are set; null where none is."""
    found = members(**columns)
    objects = pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(found, 1), "}", "")
    return unless(pc.equal(found, ""), objects)


def _member(name: str, column: Any) -> list[Any]:
    """Return the text of a member, or nothing if it is never set."""
    kind = _KINDS[name]
    match kind:
        case "number" | "text":
            is_set = pc.invert(is_default(column))
        case "object":
            is_set = pc.not_equal(column, "{}")
        case _:
            is_set = pc.is_valid(column)
    is_set = pc.fill_null(is_set, False)
    if not pc.any(is_set).as_py():
        return []
    if kind == "number":
        column = json_number(column)
    elif kind == "text":
        column = json_text(column)
    return [pc.if_else(is_set, pc.binary_join_element_wise(f',"{name}":', column, ""), "")]
