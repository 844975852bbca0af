"""Measure the list of the dashboard with 100,000 stored invocations, and with 200 as the floor.

    python -m benchmarks.list_screen [--invocations 100000] [--idle 30]

For each number, starts a restate-server, a recorder with that many stored invocations, and
`playhead` on a pseudo-terminal of 120x40. Prints the time from a key to the first output after it
(median, p95), the share of a core that the dashboard needs while one invocation a second arrives
and nobody presses a key, and its memory at the end. Exits with 1 if the median with many
invocations is more than three times the floor, or the memory is more than 200 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.record.process import start_recorder
from playhead.settings import Settings
from playhead.store.database import Store

from benchmarks.groups import fill

HANDLERS = Path(__file__).resolve().parents[1] / "tests" / "support" / "journal_service.py"
FLOOR = 200
MOST_RATIO = 3.0
MOST_MEGABYTES = 200
KEYS = ("j",) * 40 + ("k",) * 20 + ("\x04", "\x15") * 10 + ("G", "g") * 10 + ("e",) * 6
MOST_SECONDS = 5.0
QUIET = 0.08
"""Seconds without output after which the screen is painted."""


@dataclass(frozen=True)
class Figures:
    """What was measured."""

    median: float
    """Milliseconds from a key to the repaint."""
    p95: float
    idle: float
    """Share of a core."""
    megabytes: float


class Terminal:
    """The dashboard on a pseudo-terminal."""

    def __init__(self, env: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.child = subprocess.Popen(
            [sys.executable, "-m", "playhead"], stdin=slave, stdout=slave, stderr=slave, env=env,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.process = psutil.Process(self.child.pid)

    def read(self, seconds: float) -> bytes:
        """Return the output that is there within this time; empty for none."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        return os.read(self.master, 1 << 16) if ready else b""

    def screen(self) -> bytes:
        """Return everything on screen, by a change of its size."""
        output = b""
        for rows in (39, 40):
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 120, 0, 0))
            self.process.send_signal(signal.SIGWINCH)
            while piece := self.read(0.5):
                output += piece
                if len(output) > 1 << 20:
                    break
        return output

    def settle(self, quiet: float = QUIET) -> None:
        """Read until there was no output for a while, or for some seconds: ages change."""
        deadline = time.monotonic() + MOST_SECONDS
        while self.read(quiet) and time.monotonic() < deadline:
            pass

    def wait_for(self, text: bytes, seconds: float = 120) -> None:
        """Read until a text was written."""
        seen, deadline = b"", time.monotonic() + seconds
        while text not in seen:
            if time.monotonic() > deadline or self.child.poll() is not None:
                raise RuntimeError(f"{text!r} did not appear: {seen[-2000:]!r}")
            seen = (seen + self.read(0.5))[-(1 << 20) :]

    def press(self, key: str) -> float:
        """Press a key; return the milliseconds until the first output."""
        self.settle()
        begun = time.perf_counter()
        os.write(self.master, key.encode())
        while not self.read(5):
            raise RuntimeError(f"{key!r} changed nothing on screen")
        return (time.perf_counter() - begun) * 1000

    def stop(self) -> None:
        """Quit; the output is read meanwhile, since a full terminal would block."""
        self.child.terminate()
        deadline = time.monotonic() + 30
        while self.child.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.read(0.1)
        self.child.kill()
        self.child.wait()
        os.close(self.master)


@contextmanager
def service(server: RestateServer, folder: Path) -> Generator[str]:
    """Run the handlers; yield the URL of one that fails at once, to be called."""
    port = free_port()
    command = [sys.executable, HANDLERS, str(port), str(folder / "steps.log")]
    with ManagedProcess("handlers", command, log=folder / "handlers.log") as child:
        child.wait_until(lambda: answers(f"http://127.0.0.1:{port}/discover"), seconds=60,
                         what="it answered")  # fmt: skip
        server.register(f"http://127.0.0.1:{port}")
        yield f"{server.ingress_url}/every/fails/send"


def answers(url: str) -> bool:
    """Return whether something answers."""
    try:
        httpx.get(url)
    except httpx.HTTPError:
        return False
    return True


def measure(invocations: int, idle: float) -> Figures:
    """Return the figures with this many stored invocations."""
    with (
        tempfile.TemporaryDirectory() as name,
        RestateServer(Path(name, "restate")) as server,
        service(server, Path(name)) as url,
    ):
        folder = Path(name)
        settings = replace(Settings(), store=folder / "store", admin_url=server.admin_url)
        with contextlib.closing(Store(settings.store)) as store:
            fill(store, invocations)
            with store.transaction() as connection:
                connection.execute(
                    "UPDATE invocations SET created_at = created_at + shift, running_at = "
                    "running_at + shift, completed_at = completed_at + shift, modified_at = "
                    "modified_at + shift FROM (SELECT now() - max(completed_at) AS shift "
                    "FROM invocations)"
                )
        recorder = start_recorder(settings, folder / "recorder.log", free_ports=True)
        env = {
            **os.environ, "RESTATE_ADMIN_URL": server.admin_url, "TERM": "xterm-256color",
            "PLAYHEAD_STORE": str(settings.store), "XDG_STATE_HOME": str(folder / "state"),
        }  # fmt: skip
        terminal = Terminal(env)
        try:
            total = {100_000: b"100k", FLOOR: b"200"}.get(invocations, b"")
            terminal.wait_for(total + b" total" if total else b" total")
            terminal.settle(0.3)
            times = sorted(terminal.press(key) for key in KEYS)
            share = idle_share(terminal, url, idle)
            if b"not answering" in terminal.screen():
                raise RuntimeError("the dashboard does not reach the server")
            memory = terminal.process.memory_info().rss / 1e6
        finally:
            terminal.stop()
            recorder.stop()
    p95 = times[int(len(times) * 0.95) - 1]
    return Figures(statistics.median(times), p95, share, memory)


def idle_share(terminal: Terminal, url: str, seconds: float) -> float:
    """Return the share of a core while one invocation a second arrives."""
    used = terminal.process.cpu_times()
    begun = time.monotonic()
    for second in range(int(seconds)):
        httpx.post(url, json=1).raise_for_status()
        while (left := begun + second + 1 - time.monotonic()) > 0:
            terminal.read(left)
    spent = terminal.process.cpu_times()
    return (spent.user + spent.system - used.user - used.system) / (time.monotonic() - begun)


def main() -> int:
    """Measure both, print them, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=100_000)
    parser.add_argument("--idle", type=float, default=30.0)
    options = parser.parse_args()
    print(f"{'invocations':>11}  {'key median':>10}  {'p95':>8}  {'idle':>6}  {'memory':>7}")
    found: list[Figures] = []
    for number in (FLOOR, options.invocations):
        one = measure(number, options.idle)
        found.append(one)
        print(f"{number:>11,}  {one.median:>7.1f} ms  {one.p95:>5.1f} ms  {one.idle:>6.1%}"
              f"  {one.megabytes:>4.0f} MB", flush=True)  # fmt: skip
    floor, large = found
    print(f"ratio of medians {large.median / floor.median:.2f}; load {os.getloadavg()[0]:.1f}")
    too_slow = large.median > MOST_RATIO * floor.median
    return int(too_slow or large.megabytes > MOST_MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
