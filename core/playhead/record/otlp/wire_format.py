"""Protobuf's wire format for the fields of spans that most spans have.

Objects of the protobuf library for each span take half of the time of an export or import; see
https://protobuf.dev/programming-guides/encoding for the format.
"""

from __future__ import annotations

import struct
from functools import lru_cache

__all__ = [
    "PARENT_ID",
    "RESOURCE_SPANS",
    "SCOPE_SPANS",
    "SPANS",
    "SPAN_ID",
    "TRACE_ID",
    "field",
    "name_and_kind",
    "number_field",
    "status_field",
    "text_attribute",
    "times",
    "whole_number_attribute",
]

SPANS, SCOPE_SPANS, RESOURCE_SPANS = 0x12, 0x12, 0x0A
"""First bytes of the fields of a request: their numbers and types."""
_NAME, _KIND, _STATUS, _MESSAGE, _CODE = 0x2A, 0x30, 0x7A, 0x12, 0x18
"""First bytes of the fields of a span and its status."""
_CACHED_CHARACTERS = 200
"""Length up to which a text is remembered with its encoding."""
TRACE_ID, SPAN_ID, PARENT_ID = b"\x0a\x10", b"\x12\x08", b"\x22\x08"
"""First bytes of the ids, with their lengths."""
_ATTRIBUTE, _KEY, _VALUE, _STRING, _INTEGER = 0x4A, 0x0A, 0x12, 0x0A, 0x18
"""First bytes of an attribute of a span, of its fields, and of values."""
_CACHED_KEYS = 4096
_TIMES = struct.Struct("<BQBQ")
_START, _END = 0x39, 0x41


def _long_varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


_VARINTS = tuple(map(_long_varint, range(4096)))
"""Small numbers in the encoding of protobuf."""

_SHORT_ATTRIBUTES = tuple(bytes([_ATTRIBUTE, size]) for size in range(128))
"""First bytes of attributes whose lengths are a single byte."""
_SHORT_TEXTS = tuple(bytes([_VALUE, size + 2, _STRING, size]) for size in range(126))
_SHORT_NUMBERS = tuple(bytes([_VALUE, size + 1, _INTEGER]) for size in range(11))
"""First bytes of their values, text and whole numbers."""


def field(first: int, content: bytes) -> bytes:
    """Return a field with a length."""
    return _VARINTS[first] + _varint(len(content)) + content


def number_field(first: int, value: int) -> bytes:
    """Return a field with a number."""
    return _VARINTS[first] + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def times(start: int, end: int) -> bytes:
    """Return the fields with start and end of a span. Raises struct.error if one is too large."""
    return _TIMES.pack(_START, start, _END, end)


def text_attribute(name: str, value: bytes) -> bytes:
    """Return a text attribute of a span."""
    key = _keys[name]
    size = len(value)
    whole = len(key) + size + 4
    if whole < len(_SHORT_ATTRIBUTES):
        return _SHORT_ATTRIBUTES[whole] + key + _SHORT_TEXTS[size] + value
    text = _VARINTS[_STRING] + _varint(size)
    inner = _VARINTS[_VALUE] + _varint(len(text) + size)
    size += len(key) + len(inner) + len(text)
    return _VARINTS[_ATTRIBUTE] + _varint(size) + key + inner + text + value


def whole_number_attribute(name: str, value: int) -> bytes:
    """Return an attribute of a span that is a whole number of at most 64 bits."""
    key = _keys[name]
    number = _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    whole = len(key) + len(number) + 3
    if whole < len(_SHORT_ATTRIBUTES):
        return _SHORT_ATTRIBUTES[whole] + key + _SHORT_NUMBERS[len(number)] + number
    return field(_ATTRIBUTE, key + _SHORT_NUMBERS[len(number)] + number)


def name_and_kind(name: str, kind: int) -> bytes:
    """Return the fields with name and kind of a span."""
    if len(name) > _CACHED_CHARACTERS:
        return field(_NAME, name.encode()) + number_field(_KIND, kind)
    return _name_and_kind(name, kind)


def status_field(code: int, message: str) -> bytes:
    """Return the field with the status of a span."""
    if len(message) > _CACHED_CHARACTERS:
        return field(_STATUS, field(_MESSAGE, message.encode()) + number_field(_CODE, code))
    return _status(code, message)


@lru_cache(maxsize=4096)
def _name_and_kind(name: str, kind: int) -> bytes:
    return field(_NAME, name.encode()) + number_field(_KIND, kind)


@lru_cache(maxsize=4096)
def _status(code: int, message: str) -> bytes:
    text = field(_MESSAGE, message.encode()) if message else b""
    return field(_STATUS, text + number_field(_CODE, code))


def _varint(value: int) -> bytes:
    return _VARINTS[value] if value < len(_VARINTS) else _long_varint(value)


class _Keys(dict[str, bytes]):
    """The fields with the names of attributes."""

    def __missing__(self, name: str) -> bytes:
        found = field(_KEY, name.encode())
        if len(name) <= _CACHED_CHARACTERS and len(self) < _CACHED_KEYS:
            self[name] = found
        return found


_keys = _Keys()
