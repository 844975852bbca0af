"""Replays in separate processes: of one recording, of many, or of one with changed results."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Collection, Generator, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playhead.errors import AppError, IsolationError, ReplayError
from playhead.replay.report import Report
from playhead.replay.stop import Stop
from playhead.replay.what_ifs import MAX_LIVE, Changes, LivePlan, WhatIfQuestion, WhatIfResult
from playhead.replay.worker import TIMEOUT, Worker

if TYPE_CHECKING:
    from playhead.journal.recording import Recording

__all__ = [
    "annotate",
    "debug",
    "live_plan",
    "loaded",
    "recordings_in",
    "replay",
    "replay_all",
    "what_if",
]


def replay(
    app: str,
    recording: Recording | Path | str,
    *,
    app_dir: Path | str | None = None,
    timeout: float = TIMEOUT,
    explain: bool = True,
    env: Collection[str] = (),
    require_isolation: bool = False,
) -> Report:
    """Run today's code against a recording, without side effects.

    Args:
        app: `module:attribute` of the Restate app.
        recording: A recording, or the path of its file.
        app_dir: Directory to import the app from; by default, the current directory.
        timeout: Time limit in seconds, without the import of the app.
        explain: List all differences, not only the first one that the SDK refuses.
        env: Names of environment variables that the app needs.
        require_isolation: Refuse to run the app unless the operating system isolates it.

    Raises:
        AppError: The app cannot be imported.
        IsolationError: The system does not isolate it, and `require_isolation` is set.
        RecordingError: The file is not a recording.
        UnsupportedJournalError: The journal has a version that cannot be replayed.
        WorkerError: Importing the app crashed the process or took too long.
    """
    with Worker(
        app, app_dir=app_dir, timeout=timeout, env=env, require_isolation=require_isolation
    ) as worker:
        worker.start()
        return worker.report(loaded(recording), explain=explain)


def replay_all(
    app: str,
    paths: Iterable[Path],
    *,
    app_dir: Path | str | None = None,
    timeout: float = TIMEOUT,
    explain: bool = True,
    jobs: int | None = None,
    env: Collection[str] = (),
    require_isolation: bool = False,
) -> Generator[tuple[Path, Report]]:
    """Replay many files in parallel; yield each file's report as it is ready, in no order.

    An unreadable file, or a crash of the code, makes a report with the verdict `refused`.
    The processes end with the iterator, also if it is closed early.

    Args:
        app: `module:attribute` of the Restate app.
        paths: The files.
        app_dir: Directory to import the app from; by default, the current directory.
        timeout: Time limit of each replay, in seconds.
        explain: List all differences, not only the first one that the SDK refuses.
        jobs: Number of processes; by default, one per processor.
        env: Names of environment variables that the app needs.
        require_isolation: Refuse to run the app unless the operating system isolates it.

    Raises:
        AppError: The app cannot be imported.
        IsolationError: The system does not isolate it, and `require_isolation` is set.
    """
    waiting = queue.SimpleQueue[Path]()
    count = 0
    for path in paths:
        waiting.put(path)
        count += 1
    done = queue.SimpleQueue[tuple[Path, Report] | AppError | IsolationError]()

    def work(worker: Worker) -> None:
        with worker:
            while True:
                try:
                    path = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    worker.start()
                    done.put((path, worker.report(path, explain=explain)))
                except (AppError, IsolationError) as error:
                    done.put(error)
                    return
                except ReplayError as error:
                    done.put((path, Report("refused", reason=error.title, hint=error.hint)))
                except Exception as error:  # the caller expects one answer per file
                    reason = f"the replay failed: {type(error).__name__}: {error}"
                    done.put((path, Report("refused", reason=reason)))

    workers = [
        Worker(app, app_dir=app_dir, timeout=timeout, env=env, require_isolation=require_isolation)
        for _ in range(min(jobs or os.cpu_count() or 1, count))
    ]
    threads = [
        threading.Thread(target=work, args=(worker,), name=f"replay-{number}", daemon=True)
        for number, worker in enumerate(workers)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in range(count):
            item = done.get()
            if isinstance(item, AppError | IsolationError):
                raise item
            yield item
    finally:
        _drain(waiting)
        for worker in workers:
            worker.interrupt()
        for thread in threads:  # it removes its process's folder
            thread.join()


def _drain(waiting: queue.SimpleQueue[Path]) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            waiting.get_nowait()


def what_if(
    app: str,
    recording: Recording | Path | str,
    changes: Changes,
    *,
    recorded: bool = True,
    answers: Mapping[str, Any] | None = None,
    live: Collection[str] = (),
    max_live: int = MAX_LIVE,
    app_dir: Path | str | None = None,
    timeout: float = TIMEOUT,
    env: Collection[str] = (),
    require_isolation: bool = False,
) -> WhatIfResult:
    """Change recorded results and run the code with them.

    Nothing reaches a Restate server, and sleeps take no time. The recording answers all commands
    up to the first difference, except steps in `live` with another request. After it, a command
    gets its result from the recording, if it has the same arguments there and is not in `live`;
    else from `answers`; else from its execution, if `live` names it. Without one, the handler
    waits.

    Args:
        app: `module:attribute` of the Restate app.
        recording: A recording, or the path of its file.
        changes: New results, as JSON values or `Failure`; see `WhatIfQuestion.changes`. May be
            empty, to run changed code from its first difference on.
        recorded: Whether the recording answers commands after the first difference.
        answers: Results for commands without one; see `WhatIfQuestion.answers`.
        live: Names of steps to execute for real, from the first difference on. `live_plan` counts
            them beforehand.
        max_live: Maximum number of steps to execute for real.
        app_dir: Directory to import the app from; by default, the current directory.
        timeout: Time limit in seconds.
        env: Names of environment variables that the app needs; live steps have all.
        require_isolation: Refuse to run the app unless the operating system isolates it; not with
            `live`.

    Raises:
        AppError: The app cannot be imported or does not serve the handler.
        RecordingError: The file is not a recording.
        ReplayError: A change does not name a result of the journal.
        WorkerError: The code crashed or exceeded the time limit.
    """
    question = WhatIfQuestion(dict(changes.items()), recorded, answers or {}, tuple(live), max_live)
    with Worker(
        app,
        app_dir=app_dir,
        timeout=timeout,
        live=bool(live),
        env=env,
        require_isolation=require_isolation,
    ) as worker:
        return worker.what_if(loaded(recording), question)


def live_plan(
    app: str,
    recording: Recording | Path | str,
    question: WhatIfQuestion,
    *,
    app_dir: Path | str | None = None,
    timeout: float = TIMEOUT,
    env: Collection[str] = (),
    require_isolation: bool = False,
) -> LivePlan:
    """Return the steps that a what-if would execute for real, without executing one.

    Raises: as `what_if` does.
    """
    with Worker(
        app, app_dir=app_dir, timeout=timeout, env=env, require_isolation=require_isolation
    ) as worker:
        return worker.live_plan(loaded(recording), question)


def annotate(
    app: str,
    recording: Recording,
    *,
    app_dir: Path | str | None = None,
    env: Collection[str] = (),
) -> Recording:
    """Return the recording with the arguments that this code passes to its steps.

    Use the code that made the recording: later replays then show which arguments and prompts
    have changed since.

    Raises:
        AppError: The app cannot be imported or does not serve the handler.
        WorkerError: The code crashed or exceeded the time limit.
    """
    with Worker(app, app_dir=app_dir, env=env) as worker:
        return worker.annotate(recording)


def debug(
    app: str,
    recording: Recording,
    stop: Stop,
    *,
    app_dir: Path | str | None = None,
    env: Collection[str] = (),
) -> int:
    """Open Python's debugger in the user's code at a command; return the process's exit code.

    The process is isolated like a replay, but without a filter of system calls.

    Args:
        app: `module:attribute` of the Restate app.
        recording: Recording to replay.
        stop: Stop of a session with this recording.
        app_dir: Directory to import the app from; by default, the current directory.
        env: Names of environment variables that the app needs.
    """
    return Worker(app, app_dir=app_dir, env=env).debug(recording, stop)


def recordings_in(folder: Path) -> list[Path]:
    """Return the recordings in a folder and in those below it, sorted."""
    from playhead.journal.recording import SUFFIX

    return sorted(folder.rglob(f"*{SUFFIX}"))


def loaded(recording: Recording | Path | str) -> Recording:
    """Return the recording itself, or the one in the file.

    Raises:
        RecordingError: The file is not a recording.
        UnsupportedJournalError: The journal has a version that cannot be replayed.
    """
    from playhead.journal.recording import Recording

    return recording if isinstance(recording, Recording) else Recording.load(recording)
