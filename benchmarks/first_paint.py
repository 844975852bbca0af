"""Compare the time to first paint of the dashboard and of a Textual app with one DataTable.

Both run as cold processes in a pseudo-terminal of 120 columns and 40 lines. The time is measured
from the start of the process until the terminal has received the table's header. Prints the
medians and their ratio. Exits with 1 if the ratio is above the limit.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

LIMIT = 1.5
BARE = """
from textual.app import App
from textual.widgets import DataTable


class Bare(App):
    def compose(self):
        yield DataTable()

    def on_mount(self):
        self.query_one(DataTable).add_columns("STATUS", "TARGET", "AGE")


Bare().run()
"""


def seconds_to(marker: bytes, command: list[str], env: dict[str, str]) -> float:
    """Return the seconds from the start of a process until the marker is on its terminal."""
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, env)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    seen = b""
    try:
        while marker not in seen:
            ready, _, _ = select.select([terminal], [], [], 30)
            if not ready:
                raise TimeoutError(f"{command[0]} painted nothing in 30 s: {seen[-500:]!r}")
            seen += os.read(terminal, 65536)
        return time.perf_counter() - started
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def measure(runs: int) -> dict[str, float]:
    """Return both medians in seconds, and their ratio. Rounds alternate to share noise."""
    python = Path(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        bare_file = Path(folder, "bare.py")
        bare_file.write_text(BARE)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PLAYHEAD_", "RESTATE_"))}
        # No server listens at these addresses: the first paint must not wait for one.
        env |= {"TERM": "xterm-256color", "COLORTERM": "truecolor",
                "RESTATE_ADMIN_URL": "http://127.0.0.1:9", "PLAYHEAD_STORE": folder,
                "PLAYHEAD_API_PORT": "9"}  # fmt: skip
        commands = {
            "bare": [str(python), str(bare_file)],
            "playhead": [str(python.with_name("playhead"))],
        }
        for command in commands.values():
            seconds_to(b"TARGET", command, env)
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                taken[name].append(seconds_to(b"TARGET", command, env))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    return {**medians, "ratio": medians["playhead"] / medians["bare"]}


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    result = measure(parser.parse_args().runs)
    print(f"first paint of a Textual app with one table  {result['bare']:6.3f} s")
    print(f"first paint of the dashboard                 {result['playhead']:6.3f} s")
    print(f"ratio {result['ratio']:.2f} (at most {LIMIT})")
    return 0 if result["ratio"] <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
