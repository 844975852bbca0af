"""Run all benchmarks, or the named ones: `python -m benchmarks [NAME ...] [OPTION ...]`.

Options are those of the named benchmark.
"""

from __future__ import annotations

import argparse
import pkgutil
import signal
import subprocess
import sys
from types import FrameType

import benchmarks

SLOW = {
    "bridge_truth",
    "catch_up",
    "faults",
    "freshness",
    "ingest",
    "large_trace",
    "list_screen",
    "overload",
    "peers",
    "recovery",
    "scale",
    "scenarios",
    "soak",
    "truth",
}
"""Benchmarks that take minutes. They run only if they are named."""


def run(command: list[str]) -> int:
    """Run a benchmark and return its exit code.

    It ends its processes and removes its folders before SIGTERM and Ctrl+C end this process.
    """
    ended_by = 0

    def end(number: int, _: FrameType | None) -> None:
        nonlocal ended_by
        ended_by = number
        if number == signal.SIGTERM:  # Ctrl+C reaches the benchmark, too.
            child.send_signal(signal.SIGINT)

    with subprocess.Popen(command) as child:
        before = {n: signal.signal(n, end) for n in (signal.SIGTERM, signal.SIGINT)}
        try:
            code = child.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if ended_by:
        sys.exit(128 + ended_by)
    return code


def main() -> int:
    """Run each benchmark in a separate process; return the highest exit code."""
    names = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name[0] != "_")
    runnable = [name for name in names if name != "__main__"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"benchmark to run: {', '.join(runnable)}; without a name, all but "
        f"{', '.join(sorted(SLOW))}",
    )
    parsed, options = parser.parse_known_args()
    if options and len(parsed.names) != 1:
        parser.error(f"name one benchmark, which takes {' '.join(options)}")
    chosen = parsed.names or [name for name in runnable if name not in SLOW]
    if unknown := set(chosen) - set(runnable):
        print(f"Unknown benchmark: {', '.join(sorted(unknown))}", file=sys.stderr)
        print(f"Benchmarks: {', '.join(runnable)}", file=sys.stderr)
        return 2
    codes: list[int] = []
    for name in chosen:
        print(f"\n== {name}", flush=True)
        codes.append(run([sys.executable, "-m", f"benchmarks.{name}", *options]))
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
