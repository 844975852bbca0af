"""What the server derives from an invocation id: its 24 bytes, and the random seed.

An id is `inv_1` and two base-62 numbers: a partition key (8 bytes, 11 digits) and a UUID
(16 bytes, 22 digits), their bytes read as little-endian integers. The server seeds the SDK's
random numbers with the SipHash-1-3 (zero key) of these bytes as Rust hashes an array of them:
the length as little-endian u64, then the bytes. A server with unique random seeds
(experimental) draws the seed instead; a recording then has to carry it.
"""

from __future__ import annotations

import string

__all__ = ["decode_id", "random_seed"]

_PREFIX = "inv_1"
_DIGITS = {c: i for i, c in enumerate(string.digits + string.ascii_letters)}
_KEY_DIGITS, _UUID_DIGITS = 11, 22
_MASK = (1 << 64) - 1


def decode_id(invocation_id: str) -> bytes:
    """The 24 bytes of an `inv_…` id: partition key, then UUID.

    Raises:
        ValueError: it is no invocation id.
    """
    digits = invocation_id.removeprefix(_PREFIX)
    try:
        if len(invocation_id) != len(_PREFIX) + _KEY_DIGITS + _UUID_DIGITS:
            raise ValueError
        key, uuid = _number(digits[:_KEY_DIGITS]), _number(digits[_KEY_DIGITS:])
        return key.to_bytes(8, "little") + uuid.to_bytes(16, "little")
    except (KeyError, OverflowError, ValueError):
        raise ValueError(f"{invocation_id!r} is no invocation id") from None


def random_seed(invocation_id: str) -> int:
    """The seed (u64) of the invocation's `ctx.random()` and `ctx.uuid()`, by default."""
    ident = decode_id(invocation_id)
    return _siphash13(len(ident).to_bytes(8, "little") + ident)


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 62 + _DIGITS[digit]
    return value


def _siphash13(data: bytes) -> int:
    v = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]
    whole = len(data) - len(data) % 8
    words = [int.from_bytes(data[i : i + 8], "little") for i in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v[3] ^= word
        _round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(3):
        _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _round(v: list[int]) -> None:
    v[0] = (v[0] + v[1]) & _MASK
    v[1] = _rotate(v[1], 13) ^ v[0]
    v[0] = _rotate(v[0], 32)
    v[2] = (v[2] + v[3]) & _MASK
    v[3] = _rotate(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & _MASK
    v[3] = _rotate(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & _MASK
    v[1] = _rotate(v[1], 17) ^ v[2]
    v[2] = _rotate(v[2], 32)


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK
