"""Measure the speed of replays: strict, with every stop, and of many recordings under pytest.

`python -m benchmarks.replay` makes journals in memory: of durable steps (Run and its result), and
of steps, state, sleeps and calls. Strict replay is compared with the SDK alone on the same journal.
Rates are medians of five, by wall-clock time and by CPU time, which other processes do not distort.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
from playhead.journal.recording import SUFFIX, Entry
from playhead.replay import Recording
from playhead.replay.child.stops import stops_of
from playhead.replay.differences.explain import all_differences
from playhead.replay.engine.app import App, load_app
from playhead.replay.engine.handler_run import HandlerRun, request_body
from playhead.replay.verdict import strict
from playhead.replay.worker import Worker
from playhead.restate.protocol import service_protocol_pb2 as messages
from restate.vm import VMWrapper

STEPS = 5_000
"""Number of steps; each has two entries."""
FILES, FILE_ENTRIES = 1_000, 20
ROUNDS_OF_MIXED = 1_000
"""Number of rounds; each has ten entries."""
ROUNDS = 5
ID = "inv_17fD8RA0GIro5rEXc3TWCff1SK84eaqssz"
APP = "benchmarks._long_handler:app"
ROOT = Path(__file__).parents[1]


class _Journal:
    """Journal entries, as the server stores them."""

    def __init__(self, handler: str, argument: int) -> None:
        self.entries: list[Entry] = []
        self._handler = handler
        self._ids = itertools.count(1)
        self.add("Command: Input", "InputCommand", value={"content": str(argument).encode()})

    def add(self, kind: str, message: str, **fields: Any) -> None:
        raw = getattr(messages, f"{message}Message")(**fields).SerializeToString()
        name = fields.get("name", "")
        self.entries.append(Entry(len(self.entries), kind, name, raw, "2026-01-01T00:00:00Z"))

    def answered(self, kind: str, *, result: dict[str, Any], **fields: Any) -> None:
        """Add a command and its result."""
        number = next(self._ids)
        self.add(f"Command: {kind}", f"{kind}Command", result_completion_id=number, **fields)
        self.add(f"Notification: {kind}", "CompletionNotification", completion_id=number, **result)

    def call(self, **fields: Any) -> None:
        """Add a call, the callee's id, and its result."""
        callee, result = next(self._ids), next(self._ids)
        self.add("Command: Call", "CallCommand", invocation_id_notification_idx=callee,
                 result_completion_id=result, **fields)  # fmt: skip
        for kind, number, value in (
            ("CallInvocationId", callee, {"invocation_id": ID}),
            ("Call", result, {"value": {"content": b"1"}}),
        ):
            self.add(
                f"Notification: {kind}",
                "CompletionNotification",
                completion_id=number,
                **value,
            )

    def ended(self, output: int) -> Recording:
        self.add("Command: Output", "OutputCommand", value={"content": str(output).encode()})
        row = {"id": ID, "target": f"Long/me/{self._handler}", "target_service_name": "Long",
               "target_service_key": "me", "target_handler_name": self._handler}  # fmt: skip
        return Recording(row, tuple(self.entries))


def steps(count: int, *, size: int = 1) -> Recording:
    """Return a completed invocation with durable steps; `size` pads each result with spaces."""
    journal = _Journal("loop", count)
    for _ in range(count):
        value = {"value": {"content": b"1" + b" " * (size - 1)}}
        journal.answered("Run", name="step", result=value)
    return journal.ended(count)


def mixed(rounds: int) -> Recording:
    """Return a completed invocation with steps, state, sleeps and calls."""
    journal = _Journal("mixed", rounds)
    for number in range(rounds):
        journal.answered("Run", name="step", result={"value": {"content": b"1"}})
        value = {"content": str(number).encode()}
        before = {"value": {"content": str(max(number - 1, 0)).encode()}}
        journal.answered("GetLazyState", key=b"total", result=before if number else {"void": {}})
        journal.add("Command: SetState", "SetStateCommand", key=b"total", value=value)
        journal.answered("Sleep", wake_up_time=1_767_225_601_000, result={"void": {}})
        journal.call(service_name="Long", handler_name="loop", key="another",
                     parameter=str(number).encode())  # fmt: skip
    return journal.ended(rounds)


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Return the median seconds of wall-clock time and of CPU time."""
    walls: list[float] = []
    cpus: list[float] = []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def in_process(app: App) -> bool:
    """Measure strict replay, explanation and stepping of long journals."""
    long = steps(STEPS)

    def sdk_alone() -> None:
        with patch("playhead.replay.engine.handler_run.shortcuts", contextlib.nullcontext):
            HandlerRun(app, long, VMWrapper).run(request_body(long))

    def strictly(recording: Recording) -> None:
        assert strict(app, recording).verdict == "same"

    def explained() -> None:
        assert all_differences(app, long).divergences == ()

    def stepped() -> None:
        assert len(stops_of(app, long)[0]) == STEPS + 1

    print(f"{'':<34}  seconds   entries/s   entries/s of processor time")
    several = mixed(ROUNDS_OF_MIXED)
    rates: dict[str, float] = {}
    for name, recording, work in (
        ("steps: the SDK alone", long, sdk_alone),
        ("steps: strict", long, functools.partial(strictly, long)),
        ("all kinds: strict", several, functools.partial(strictly, several)),
        ("steps: all differences", long, explained),
        ("steps: stepped with snapshots", long, stepped),
    ):
        count = len(recording.entries)
        wall, cpu = measured(work)
        rates[name] = count / cpu
        print(f"  {name:<32} {wall:8.3f} {count / wall:11,.0f} {count / cpu:11,.0f}")
    ratio = rates["steps: strict"] / rates["steps: the SDK alone"]
    print(f"strict reads {ratio:.2f} times as many entries a second as the SDK alone")
    fast = min(rates["steps: strict"], rates["all kinds: strict"])
    slow = len(long.entries) / rates["steps: stepped with snapshots"]
    print(f"strict: {fast:,.0f} entries/s (wanted 50,000); ", end="")
    print(f"stepped: {slow:.2f} s (wanted at most 1 s)")
    return fast >= 50_000 and slow <= 1.0


def under_pytest() -> bool:
    """Measure a thousand small recordings, each of which is a test."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        small = steps((FILE_ENTRIES - 2) // 2)
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
    """Measure the worker's memory after the largest recording, and after many of them."""
    large = steps(500, size=2_000)
    megabytes = len(json.dumps(large.to_json())) / 1e6
    with Worker(APP, app_dir=ROOT) as worker:

        def used() -> float:
            return psutil.Process(worker.pid).memory_info().rss / 1e6

        worker.report(steps(1))
        idle = used()
        for _ in range(3):
            worker.report(large)
        few = used()
        for _ in range(60):
            worker.report(large)
        some = used()
        for _ in range(240):
            worker.report(large)
        many = used()
    growth = (many - some) / 240
    print(
        f"worker: {idle:.0f} MB idle, {few:.0f} MB after 3 recordings of {megabytes:.1f} MB, "
        f"{some:.0f} MB after 63, {many:.0f} MB after 303"
    )
    # Garbage waits for the collector, so the memory varies by a few recordings; a leak adds up.
    return some - few < 3 * megabytes and growth < 0.05 * megabytes


def main() -> int:
    """Run all measurements; exit with 1 if a limit is not met."""
    app = load_app(APP, str(ROOT))
    gc.freeze()  # As in the process that runs the code.
    reached = [in_process(app), under_pytest(), memory()]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
