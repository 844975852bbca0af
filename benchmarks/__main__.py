"""`python -m benchmarks [NAME ...]`: run all benchmarks, or the named ones, one after the other."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import benchmarks

SLOW = {"bridge_truth", "scale", "scenarios"}
"""These take minutes; they run when named."""


def main() -> int:
    """Run each in a process of its own, so that none inherits another's memory."""
    known = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name[0] != "_")
    runnable = [name for name in known if name != "__main__"]
    chosen = sys.argv[1:] or [name for name in runnable if name not in SLOW]
    if unknown := set(chosen) - set(runnable):
        print(f"no benchmark is called {sorted(unknown)}; there are {runnable}", file=sys.stderr)
        return 2
    codes: list[int] = []
    for name in chosen:
        print(f"\n== {name}", flush=True)
        codes.append(
            subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
        )
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
