"""Run a Restate app in this process with generated journals, without a server."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from playhead.restate.protocol import ENTRY_TYPES
from playhead.restate.protocol import service_protocol_pb2 as pb
from playhead.restate.protocol.framing import frame

CONTENT = b"application/vnd.restate.invocation.v6"
INVOCATION = "inv_1g1QM7NENw4y3flf8NVfu2LImfbpQvq8Ya"
TRACEPARENT = b"00-eeb480d5a69642baf09cdd6ec1ad5a6c-5cc09a3e25da924f-01"
START = 0
"""Wire type of the first message."""


def journal(steps: int, value: bytes = b'"done"') -> bytes:
    """Return a request body: the input, then a number of steps named `step` with results."""
    entries = [_entry("Command: Input", pb.InputCommandMessage(value=pb.Value(content=b'"x"')))]
    result = pb.Value(content=value)
    for number in range(1, steps + 1):
        step = pb.RunCommandMessage(result_completion_id=number, name="step")
        entries.append(_entry("Command: Run", step))
        ended = pb.CompletionNotificationMessage(completion_id=number, value=result)
        entries.append(_entry("Notification: Run", ended))
    start = pb.StartMessage(
        id=bytes(range(24)), debug_id=INVOCATION, known_entries=len(entries), random_seed=7
    )
    return frame(START, start.SerializeToString()) + b"".join(entries)


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


def _entry(kind: str, message: Message) -> bytes:
    return frame(ENTRY_TYPES[kind], message.SerializeToString())
