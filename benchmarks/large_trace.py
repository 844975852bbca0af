"""Measure the dashboard on the whole path: a store, a recorder in its own process, and a terminal.

    python -m benchmarks.large_trace [--spans 50000] [--entries 1000] [--invocations 30]

Two sessions of `playhead` on a pseudo-terminal of 120x40:

- An invocation with a trace of many spans, with prompts, and a journal: opened, moved through, and
  all its views shown, while its spans arrive late; then back to the list.
- Invocations of 1,000 entries, opened one after another, with all views of each.

Prints processor time until the trace is on screen, the time from a key to the first output after
it, and the most memory (resident, of Linux). Exits with 1 if a session needs more than 200 MB, the
memory of the second half of the invocations grows by more than 15 MB, or, where the machine is not
busy, a key has a median above 20 ms or a p95 above 50 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from playhead.record.endpoint import read_endpoint
from playhead.record.process import start_recorder
from playhead.settings import Settings
from playhead.store.calls.call_table import rebuild_calls
from playhead.store.database import Store
from playhead.store.figures import begin_figures, update_figures

from benchmarks._large_trace import invocation_id, trace_id, write_invocation
from benchmarks.list_screen import Terminal

KEYS = ("j",) * 30 + ("k",) * 15 + ("\x04", "\x15") * 10 + ("G", "g") * 5
VIEWS = "123456"
LATE = 3
"""Requests with late spans."""
MOST_MEGABYTES, MOST_GROWTH = 200, 15
MEDIAN_MS, P95_MS = 20, 50
BUSY = 1.5
"""Load beside which key times are those of the machine."""


@contextmanager
def dashboard(folder: Path) -> Generator[tuple[Terminal, str]]:
    """Run a recorder and a dashboard; yield its terminal, and where spans are sent to."""
    settings = replace(Settings(), store=folder / "store", admin_url="http://127.0.0.1:1")
    recorder = start_recorder(settings, folder / "recorder.log", free_ports=True)
    endpoint = read_endpoint(settings.store)
    assert endpoint is not None
    env = {
        **os.environ, "RESTATE_ADMIN_URL": settings.admin_url, "TERM": "xterm-256color",
        "PLAYHEAD_STORE": str(settings.store), "XDG_STATE_HOME": str(folder / "state"),
    }  # fmt: skip
    try:
        terminal = Terminal(env)
        try:
            terminal.wait_for(b" total")
            terminal.settle(0.3)
            yield terminal, f"http://127.0.0.1:{endpoint.otlp_http_port}/v1/traces"
        finally:
            terminal.stop()
    finally:
        recorder.stop()


def fill(folder: Path, invocations: int, *, spans: int, entries: int) -> None:
    """Write invocations into a new store, the first one newest."""
    with contextlib.closing(Store(folder / "store")) as store:
        for number in range(invocations):
            write_invocation(store, number, spans=spans, entries=entries)
        rebuild_calls(store, threading.Event())
        begin_figures(store)
        while update_figures(store):
            pass


def megabytes(terminal: Terminal, name: str = "VmHWM") -> float:
    """Return the most memory that the dashboard has had, or `VmRSS`: what it has now."""
    status = Path(f"/proc/{terminal.child.pid}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024 / 1e6


def seconds(terminal: Terminal) -> float:
    """Return the processor time of the dashboard."""
    spent = terminal.process.cpu_times()
    return spent.user + spent.system


def send_late(url: str, number: int) -> None:
    """Send spans of the first invocation that end after it."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    scope = resource.scope_spans.add()
    for place in range(20):
        span = scope.spans.add(
            trace_id=bytes.fromhex(trace_id()), span_id=(1 << 63 | number << 8 | place).to_bytes(8),
            name=f"late {number}",
        )  # fmt: skip
        span.start_time_unix_nano = time.time_ns()
        span.end_time_unix_nano = span.start_time_unix_nano + 1_000_000
        span.attributes.add(key="restate.invocation.id").value.string_value = invocation_id()
    headers = {"content-type": "application/x-protobuf"}
    content = message.SerializeToString()
    httpx.post(url, content=content, headers=headers).raise_for_status()


def show_views(terminal: Terminal) -> None:
    """Show all views of the open invocation, and go back to it."""
    terminal.press("v")
    for key in VIEWS[1:]:
        terminal.settle(0.3)
        os.write(terminal.master, key.encode())
    terminal.settle(0.3)
    terminal.press("\x1b")


def send(terminal: Terminal, key: str, shows: bytes) -> None:
    """Send a key, and wait until a text is written and the screen is still."""
    terminal.settle(0.3)
    os.write(terminal.master, key.encode())
    terminal.wait_for(shows)
    terminal.settle(0.3)


def trace_session(spans: int, entries: int) -> bool:
    """Measure one large trace, print the figures, and return whether they are within bounds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, 1, spans=spans, entries=entries)
        with dashboard(folder) as (terminal, url):
            before = seconds(terminal)
            terminal.press("\r")
            terminal.wait_for(b"invoke_agent research")
            terminal.settle(0.5)
            opened, memory = seconds(terminal) - before, megabytes(terminal)
            times = sorted(terminal.press(key) for key in KEYS)
            for number in range(LATE):
                send_late(url, number)
                terminal.settle(1.0)
            terminal.press("G")
            if b"late" not in terminal.screen():
                raise RuntimeError("the late spans are not on screen")
            show_views(terminal)
            terminal.press("\x1b")
            terminal.settle(1.0)
            peak, left = megabytes(terminal), megabytes(terminal, "VmRSS")
    median, p95 = statistics.median(times), times[int(len(times) * 0.95) - 1]
    load = os.getloadavg()[0]
    print(
        f"{spans:,} spans, {entries:,} entries: opened with {opened:.1f} s of processor time and "
        f"{memory:.0f} MB; key {median:.1f} ms (p95 {p95:.1f}); at most {peak:.0f} MB with late "
        f"spans and all views, {left:.0f} MB in the list; load {load:.1f}",
        flush=True,
    )
    slow = load < BUSY and (median > MEDIAN_MS or p95 > P95_MS)
    return peak <= MOST_MEGABYTES and not slow


def long_session(invocations: int) -> bool:
    """Measure a session that opens one invocation after another; return whether it is bounded."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, invocations, spans=1000, entries=1000)
        memory: list[float] = []
        with dashboard(folder) as (terminal, _):
            for _ in range(invocations):
                send(terminal, "\r", b"TIMELINE")
                show_views(terminal)
                send(terminal, "\x1b", b" total")
                os.write(terminal.master, b"j")  # after the last row, it changes nothing
                terminal.settle(0.3)
                memory.append(megabytes(terminal, "VmRSS"))
            peak = megabytes(terminal)
    growth = memory[-1] - memory[len(memory) // 2]
    print(f"{invocations} invocations of 1,000 entries: {memory[0]:.0f} MB after the first one, "
          f"{memory[-1]:.0f} MB after the last one ({growth:+.0f} MB in the second half), "
          f"at most {peak:.0f} MB", flush=True)  # fmt: skip
    return peak <= MOST_MEGABYTES and growth <= MOST_GROWTH


def main() -> int:
    """Measure both sessions, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=50_000)
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--invocations", type=int, default=30)
    options = parser.parse_args()
    within = [trace_session(options.spans, options.entries), long_session(options.invocations)]
    return int(not all(within))


if __name__ == "__main__":
    sys.exit(main())
