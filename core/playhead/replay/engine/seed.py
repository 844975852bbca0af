"""The random seed that the server derives from an invocation id.

The server seeds the SDK's random numbers with the SipHash-1-3 (zero key) of the id's 24 bytes, as
Rust hashes an array: the length as little-endian u64, then the bytes. A server with experimental
unique random seeds draws the seed instead; its recordings must include it.
"""

from __future__ import annotations

from playhead.restate.ids import decode_invocation_id

__all__ = ["random_seed"]

_MASK = (1 << 64) - 1


def random_seed(invocation_id: str) -> int:
    """Return the default seed (u64) of the invocation's `ctx.random()` and `ctx.uuid()`."""
    ident = decode_invocation_id(invocation_id)
    return _siphash13(len(ident).to_bytes(8, "little") + ident)


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
