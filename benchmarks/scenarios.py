"""Run all scenarios three times. All must pass, in at most five minutes per run on two cores."""

from __future__ import annotations

import json
import subprocess
import sys
import time

TIMES = 3
LIMIT_SECONDS = 300.0


def main() -> int:
    """Run the scenarios; return 1 if one fails or a run takes too long."""
    passed = True
    for number in range(1, TIMES + 1):
        started = time.monotonic()
        command = [sys.executable, "-m", "playhead", "scenario", "run", "--all", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
        if not done.stdout:
            print(f"run {number}: exit code {done.returncode}\n{done.stderr}")
            return 1
        scenarios = json.loads(done.stdout)["scenarios"]
        ok = sum(scenario["ok"] for scenario in scenarios)
        print(
            f"run {number}: {ok} of {len(scenarios)} passed in {seconds:.0f} s "
            f"(at most {LIMIT_SECONDS:.0f})",
            flush=True,
        )
        for scenario in scenarios:
            for check in scenario["checks"]:
                if not check["ok"]:
                    print(f"  {scenario['name']}: {json.dumps(check)}")
        passed = passed and ok == len(scenarios) and seconds <= LIMIT_SECONDS
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
