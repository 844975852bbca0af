"""Every scenario, three times in a row: no flake, and at most five minutes a time on 2 cores."""

from __future__ import annotations

import json
import subprocess
import sys
import time

TIMES = 3
LIMIT_SECONDS = 300.0


def main() -> int:
    """1 when a scenario did not go as expected, or a run took too long."""
    fine = True
    for number in range(1, TIMES + 1):
        started = time.monotonic()
        command = [sys.executable, "-m", "playhead", "scenario", "run", "--all", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
        if not done.stdout:
            print(f"run {number}: exit code {done.returncode}\n{done.stderr}")
            return 1
        played = json.loads(done.stdout)["scenarios"]
        good = sum(scenario["ok"] for scenario in played)
        print(
            f"run {number}: {good} of {len(played)} as expected, {seconds:.0f} s "
            f"(at most {LIMIT_SECONDS:.0f})",
            flush=True,
        )
        for scenario in played:
            for check in scenario["checks"]:
                if not check["ok"]:
                    print(f"  {scenario['name']}: {json.dumps(check)}")
        fine = fine and good == len(played) and seconds <= LIMIT_SECONDS
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
