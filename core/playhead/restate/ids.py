"""Invocation and awakeable ids, decoded and encoded."""

from __future__ import annotations

import base64
import re

__all__ = ["awakeable_id", "decode_invocation_id", "is_invocation_id", "partition_key"]

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = {digit: value for value, digit in enumerate(_ALPHABET)}
_INVOCATION = re.compile(r"inv_1([0-9a-zA-Z]{11})([0-9a-zA-Z]{22})")


def is_invocation_id(text: str) -> bool:
    """Return whether the text has the form of a whole invocation id."""
    return _INVOCATION.fullmatch(text) is not None


def decode_invocation_id(text: str) -> bytes:
    """Return the 24 bytes of an invocation id: partition key, then the unique part.

    Raises:
        ValueError: The text is not an invocation id.
    """
    found = _INVOCATION.fullmatch(text)
    try:
        if found:
            return _decode(found[1], 8) + _decode(found[2], 16)
    except OverflowError:
        pass
    raise ValueError(f"{text!r} is not an invocation id")


def partition_key(invocation_id: str) -> int:
    """Return the partition key, which all invocations on one key of an object have in common.

    Raises:
        ValueError: The text is not an invocation id.
    """
    return int.from_bytes(decode_invocation_id(invocation_id)[:8], "big")


def _decode(digits: str, size: int) -> bytes:
    number = 0
    for digit in digits:
        number = number * len(_ALPHABET) + _DIGITS[digit]
    return number.to_bytes(size, "little")


def awakeable_id(invocation_id: str, signal_index: int) -> str:
    """Return the id of the awakeable that this signal completes.

    Raises:
        ValueError: `invocation_id` is not an invocation id.
    """
    data = decode_invocation_id(invocation_id) + signal_index.to_bytes(4, "big")
    return "sign_1" + base64.urlsafe_b64encode(data).decode().rstrip("=")
