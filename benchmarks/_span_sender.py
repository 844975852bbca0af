"""Send requests of agent spans to a recorder, and print rates and latencies as JSON.

`python -m benchmarks._span_sender PORT --requests 800` prepares the requests, prints `ready`, waits
for a line on standard input, and sends them as fast as the recorder answers, or at `--rate` spans a
second.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from benchmarks._agent_spans import SPANS, Load


@dataclass
class Sender:
    """A connection that sends requests from a shared queue."""

    port: int
    waiting: deque[bytes]
    pause: float = 0.0
    """Seconds between the starts of two requests."""
    latencies: list[float] = field(default_factory=list[float])
    refused: int = 0

    def run(self) -> None:
        """Send until the queue is empty."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            due = time.perf_counter()
            while True:
                try:
                    body = self.waiting.popleft()
                except IndexError:
                    return
                if self.pause:
                    due += self.pause
                    time.sleep(max(due - time.perf_counter(), 0))
                began = time.perf_counter()
                status = self._send(connection, body)
                self.latencies.append(time.perf_counter() - began)
                if status == 503:
                    self.refused += 1
                    self.waiting.append(body)
                elif status != 200:
                    raise RuntimeError(f"the recorder answered {status}")

    @staticmethod
    def _send(connection: socket.socket, body: bytes) -> int:
        head = (
            "POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            f"content-type: application/x-protobuf\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += _received(connection)
        header, _, content = answer.partition(b"\r\n\r\n")
        lines = header.decode().lower().split("\r\n")
        length = next(int(x.split(":")[1]) for x in lines if x.startswith("content-length"))
        while len(content) < length:
            content += _received(connection)
        return int(lines[0].split()[1])


def _received(connection: socket.socket) -> bytes:
    part = connection.recv(65536)
    if not part:
        raise RuntimeError("the recorder closed the connection")
    return part


def main() -> None:
    """Send and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--first", type=int, default=1, help="number of the first request")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0, help="spans a second; 0 for no limit")
    chosen = parser.parse_args()
    waiting = deque(Load().requests(chosen.requests, chosen.first))
    pause = SPANS * chosen.connections / chosen.rate if chosen.rate else 0.0
    senders = [Sender(chosen.port, waiting, pause) for _ in range(chosen.connections)]
    threads = [threading.Thread(target=sender.run) for sender in senders]
    size = sum(map(len, waiting))
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    latencies = sorted(latency for sender in senders for latency in sender.latencies)
    print(
        json.dumps(
            {
                "spans": chosen.requests * SPANS,
                "bytes": size,
                "seconds": seconds,
                "p50": latencies[len(latencies) // 2],
                "p95": latencies[int(len(latencies) * 0.95)],
                "worst": latencies[-1],
                "refused": sum(sender.refused for sender in senders),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
