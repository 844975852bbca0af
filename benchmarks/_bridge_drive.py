"""Run a Restate app in this process with generated journals, without a server."""

from __future__ import annotations

import struct
from typing import Any

CONTENT = b"application/vnd.restate.invocation.v6"
INVOCATION = "inv_1g1QM7NENw4y3flf8NVfu2LImfbpQvq8Ya"
TRACEPARENT = b"00-eeb480d5a69642baf09cdd6ec1ad5a6c-5cc09a3e25da924f-01"


def journal(steps: int, value: bytes = b'"done"') -> bytes:
    """Return a request body: the input, then a number of steps named `step` with results."""
    entries = [_frame(0x400, _field(14, _field(1, b'"x"')))]
    for number in range(1, steps + 1):
        entries.append(_frame(0x411, _number(11, number) + _field(12, b"step")))
        entries.append(_frame(0x8011, _number(1, number) + _field(5, _field(1, value))))
    start = (
        _field(1, bytes(range(24)))
        + _field(2, INVOCATION.encode())
        + _number(3, len(entries))
        + _number(9, 7)
    )
    return _frame(0, start) + b"".join(entries)


async def drive(app: Any, service: str, handler: str, body: bytes) -> bytes:
    """Run one attempt and return the bytes that the SDK sent."""
    events = [
        {"type": "http.request", "body": body, "more_body": True},
        {"type": "http.request", "body": b"", "more_body": False},
    ]
    sent: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return events.pop(0) if events else {"type": "http.disconnect"}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event.get("body", b""))

    scope = {
        "type": "http",
        "http_version": "2",
        "path": f"/invoke/{service}/{handler}",
        "headers": [
            (b"content-type", CONTENT),
            (b"accept", CONTENT),
            (b"x-restate-invocation-id", INVOCATION.encode()),
            (b"traceparent", TRACEPARENT),
        ],
    }
    await app(scope, receive, send)
    output = b"".join(sent)
    assert b"\x00\x03\x00\x00\x00\x00\x00\x00" in output, f"the attempt did not end: {output[:300]}"
    return output


def _frame(kind: int, message: bytes) -> bytes:
    return struct.pack(">HHI", kind, 0, len(message)) + message


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _field(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value
