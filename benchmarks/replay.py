"""How fast journals replay: strictly, stepped with snapshots, and many of them under pytest.

`python -m benchmarks.replay` makes journals of durable steps in memory (Run and its result). The
floor of strict replay is the SDK itself reading the same journal. Rates are by the clock and by
processor time, which other work on the machine does not distort; medians of five.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from playhead.replay import Recording
from playhead.replay.app import App, load_app
from playhead.replay.attempt import Attempt, attempt_body
from playhead.replay.explain import explain
from playhead.replay.recording import SUFFIX, Entry
from playhead.replay.snapshots import snapshots
from playhead.replay.strict import strict
from playhead.replay.worker import Worker
from playhead.restate.protocol import MESSAGES
from restate.vm import VMWrapper

STEPS = 5_000
"""Two entries each."""
FILES, FILE_ENTRIES = 1_000, 20
ROUNDS = 5
ID = "inv_17fD8RA0GIro5rEXc3TWCff1SK84eaqssz"
APP = "benchmarks._long_handler:app"
ROOT = Path(__file__).parents[1]


def recording(steps: int, *, size: int = 1) -> Recording:
    """A finished invocation of the long handler; `size` pads each result with spaces."""
    entries: list[Entry] = []

    def add(kind: str, message: str, **fields: Any) -> None:
        raw = MESSAGES[message](**fields).SerializeToString()
        entries.append(
            Entry(len(entries), kind, fields.get("name", ""), raw, "2026-01-01T00:00:00Z")
        )

    value = {"content": b"1" + b" " * (size - 1)}
    add("Command: Input", "InputCommand", value={"content": str(steps).encode()})
    for number in range(1, steps + 1):
        add("Command: Run", "RunCommand", result_completion_id=number, name="step")
        add("Notification: Run", "CompletionNotification", completion_id=number, value=value)
    add("Command: Output", "OutputCommand", value={"content": str(steps).encode()})
    row = {"id": ID, "target": "Long/loop", "target_service_name": "Long"}
    return Recording({**row, "target_handler_name": "loop"}, tuple(entries))


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Median seconds by the clock and of processor time."""
    walls: list[float] = []
    cpus: list[float] = []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def in_process(app: App) -> bool:
    """Strict replay, explanation and stepping of one long journal."""
    long = recording(STEPS)
    count = len(long.entries)

    def sdk_alone() -> None:
        Attempt(app, long, VMWrapper).run(attempt_body(long))

    def strictly() -> None:
        assert strict(app, long).verdict == "same"

    def explained() -> None:
        assert explain(app, long).divergences == ()

    def stepped() -> None:
        assert len(snapshots(app, long)[0]) == STEPS + 1

    print(f"{count} entries            seconds   entries/s   entries/s of processor time")
    results: dict[str, tuple[float, float]] = {}
    for name, work in (
        ("the SDK alone", sdk_alone),
        ("strict", strictly),
        ("all differences", explained),
        ("stepped", stepped),
    ):
        wall, cpu = results[name] = measured(work)
        print(f"  {name:<20} {wall:8.3f} {count / wall:11,.0f} {count / cpu:11,.0f}")
    ratio = results["strict"][1] / results["the SDK alone"][1]
    print(f"strict takes {ratio:.2f} times as long as the SDK alone")
    fast = count / results["strict"][1]
    print(f"strict: {fast:,.0f} entries/s (wanted 50,000); ", end="")
    print(f"stepped: {results['stepped'][1]:.2f} s (wanted at most 1 s)")
    return fast >= 50_000 and results["stepped"][1] <= 1.0


def under_pytest() -> bool:
    """A thousand small recordings, each a test."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        small = recording((FILE_ENTRIES - 2) // 2)
        for number in range(FILES):
            small.save(folder / f"{number:04}{SUFFIX}")
        options = ["--playhead-app", APP, "--playhead-recordings", str(folder)]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - start
    print(f"{FILES} recordings of {len(small.entries)} entries under pytest: {seconds:.1f} s")
    print(f"  {done.stdout.splitlines()[-1] if done.stdout else done.stderr[-300:]}")
    return done.returncode == 0 and seconds <= 20.0


def memory() -> bool:
    """The worker's memory after the largest recording, and after many of them."""
    large = recording(500, size=2_000)
    megabytes = len(json.dumps(large.to_json())) / 1e6
    with Worker(APP, folder=ROOT) as worker:

        def used() -> float:
            return psutil.Process(worker.pid).memory_info().rss / 1e6

        worker.request("judge", recording(1))
        idle = used()
        for _ in range(3):
            worker.request("judge", large)
        once = used()
        for _ in range(60):
            worker.request("judge", large)
        many = used()
    print(
        f"worker: {idle:.0f} MB idle, {once:.0f} MB after 3 recordings of {megabytes:.1f} MB, "
        f"{many:.0f} MB after 63"
    )
    return many - once < 3 * megabytes


def main() -> int:
    """Measure, and exit 1 when something wanted is not reached."""
    app = load_app(APP, str(ROOT))
    reached = [in_process(app), under_pytest(), memory()]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
