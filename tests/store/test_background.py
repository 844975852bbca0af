from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

from playhead.store.background import NICENESS, Background, made_in_background
from playhead.store.database import Store

STEPS = NICENESS if sys.platform == "linux" else 0


def niceness(thread: int = 0) -> int:
    return os.getpriority(os.PRIO_PROCESS, thread)


def own_niceness() -> int:
    return niceness(threading.get_native_id())


def expected(steps: int = STEPS) -> int:
    return min(own_niceness() + steps, 19)


def test_calls_run_in_threads_that_give_way() -> None:
    background = Background(1, "test")
    assert asyncio.run(background.run(own_niceness)) == expected()
    assert asyncio.run(background.run(own_niceness)) == expected()


def test_threads_that_something_starts_give_way() -> None:
    def make() -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(own_niceness()))
        thread.start()
        thread.join()
        return found[0]

    before = own_niceness()
    assert made_in_background(make) == expected()
    assert own_niceness() == before


def test_a_thread_that_gives_way_already_goes_to_the_end_at_most() -> None:
    script = (
        "import os; from playhead.store.background import made_in_background as made; "
        "os.nice(19); print(made(lambda: os.getpriority(os.PRIO_PROCESS, 0)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(ended.stdout) == 19


def test_the_threads_of_the_database_give_way_to_those_of_its_callers(tmp_path: Path) -> None:
    before = threads()
    store = Store(tmp_path)
    started = threads() - before
    found: set[int] = set()
    for thread in started:
        with contextlib.suppress(ProcessLookupError):  # the thread that opened the store has ended
            found.add(niceness(thread))
    store.close()
    assert found == ({expected()} if started else set())
    assert bool(started) == (sys.platform == "linux")


def threads() -> set[int]:
    tasks = Path("/proc/self/task")
    return {int(path.name) for path in tasks.iterdir()} if tasks.exists() else set()
