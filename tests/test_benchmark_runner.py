"""The runner of the benchmarks."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from waiting import until

RUNNER = "import sys; from benchmarks.__main__ import run; run(sys.argv[1:])"
BENCHMARK = """
import sys, time
from pathlib import Path

begun, cleaned = map(Path, sys.argv[1:])
try:
    begun.touch()
    time.sleep(60)
finally:
    cleaned.touch()
"""


def test_a_benchmark_cleans_up_when_the_runner_gets_sigterm(tmp_path: Path) -> None:
    begun, cleaned = tmp_path / "begun", tmp_path / "cleaned"
    command = [sys.executable, "-c", RUNNER, sys.executable, "-c", BENCHMARK, begun, cleaned]
    runner = subprocess.Popen(
        command, cwd=Path(__file__).parents[1], stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until(begun.exists, "the benchmark runs")
        runner.terminate()
        assert runner.wait(30) == 128 + signal.SIGTERM
        assert cleaned.exists()
    finally:
        runner.kill()
        runner.wait()
