"""Send thousands of one-way requests to a server's ingress in seconds."""

from __future__ import annotations

import asyncio
import json

__all__ = ["send_many"]

CONNECTIONS = 20
IN_FLIGHT = 50


async def send_many(port: int, path: str, count: int) -> None:
    """Send `count` requests with the bodies 0, 1, …; each must be accepted.

    HTTP/1.1 requests are written before the answers of earlier ones arrive, which no HTTP client
    does: sent one after the other, 50,000 requests take minutes.
    """
    shares = [range(n, count, CONNECTIONS) for n in range(min(CONNECTIONS, count))]
    await asyncio.gather(*(_send(port, path, share) for share in shares))


async def _send(port: int, path: str, numbers: range) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    free = asyncio.Semaphore(IN_FLIGHT)

    async def write() -> None:
        for number in numbers:
            await free.acquire()
            body = json.dumps(number).encode()
            writer.write(
                f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await writer.drain()

    writing = asyncio.create_task(write())
    try:
        for _ in numbers:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            assert " 20" in head[0], head[0]
            [length] = [line for line in head if line.startswith("content-length:")]
            await reader.readexactly(int(length.partition(":")[2]))
            free.release()
        await writing
    finally:
        writing.cancel()
        writer.close()
