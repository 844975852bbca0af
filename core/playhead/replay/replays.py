"""Replays as callers ask for them: in a process of their own, one or many."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from playhead.errors import AppError, ReplayError
from playhead.journal.recording import SUFFIX, Recording
from playhead.replay.changes import WhatIfResult, request_fields
from playhead.replay.report import Report
from playhead.replay.worker import SECONDS, Worker

__all__ = ["annotated", "judged", "judged_file", "recordings_in", "replay", "replay_all", "what_if"]


def replay(
    app: str,
    recording: Recording | Path | str,
    *,
    folder: Path | str | None = None,
    seconds: float = SECONDS,
    explained: bool = True,
) -> Report:
    """Run today's code against a recording, without side effects.

    Args:
        app: `module:attribute` of the Restate app.
        recording: a recording, or the path of its file.
        folder: where to import the app from; the current folder when not given.
        seconds: how long the code may take, apart from being imported.
        explained: list all differences, not only the first that the SDK refuses.

    Raises:
        AppError: the app cannot be imported.
        RecordingError: the file is no recording.
        UnsupportedJournalError: it is one of a kind that cannot be replayed.
    """
    with Worker(app, folder=folder, seconds=seconds) as worker:
        worker.start()
        return judged(worker, _loaded(recording), explained=explained)


def replay_all(
    app: str,
    paths: Iterable[Path],
    *,
    folder: Path | str | None = None,
    seconds: float = SECONDS,
    explained: bool = True,
    jobs: int | None = None,
) -> Iterator[tuple[Path, Report]]:
    """Replay many files in parallel; yields each report as it is ready, in no order.

    A file that cannot be read, or a crash of the code, makes a report of verdict `refused`.

    Args:
        app: `module:attribute` of the Restate app.
        paths: the files.
        folder: where to import the app from; the current folder when not given.
        seconds: how long one replay may take.
        explained: list all differences, not only the first that the SDK refuses.
        jobs: processes to use; one a processor when not given.

    Raises:
        AppError: the app cannot be imported.
    """
    waiting = queue.SimpleQueue[Path]()
    count = 0
    for path in paths:
        waiting.put(path)
        count += 1
    done = queue.SimpleQueue[tuple[Path, Report] | AppError]()

    def work() -> None:
        with Worker(app, folder=folder, seconds=seconds) as worker:
            while True:
                try:
                    path = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    worker.start()
                    done.put((path, judged_file(worker, path, explained=explained)))
                except AppError as error:
                    done.put(error)
                    return
                except ReplayError as error:
                    done.put((path, Report("refused", reason=str(error))))
                except Exception as error:  # the caller waits for one answer a file
                    reason = f"replaying failed: {type(error).__name__}: {error}"
                    done.put((path, Report("refused", reason=reason)))

    for number in range(min(jobs or os.cpu_count() or 1, count)):
        threading.Thread(target=work, name=f"replay-{number}", daemon=True).start()
    for _ in range(count):
        item = done.get()
        if isinstance(item, AppError):
            raise item
        yield item


def what_if(
    app: str,
    recording: Recording | Path | str,
    changes: Mapping[int | str, Any],
    *,
    recorded: bool = True,
    answers: Mapping[str, Any] | None = None,
    live: Collection[str] = (),
    folder: Path | str | None = None,
    seconds: float = SECONDS,
) -> WhatIfResult:
    """Change recorded results and run the code on from there.

    Nothing talks to a Restate server. Sleeps take no time. A command after the change is
    answered, in this order: from `answers`; live, if it is named there; from the recording, if
    it was given the same arguments then; else not at all, and the handler waits.

    Args:
        app: `module:attribute` of the Restate app.
        recording: a recording, or the path of its file.
        changes: new results, as JSON values or `Failure`: by ordinal of the command (Input is
            0), or `awakeable:N` (from 1), or `signal:NAME`. Text as the result of a model call
            is the model's answer in words.
        recorded: whether to answer from the recording after the first change.
        answers: results by step name, or `service/handler` of calls, for what is new.
        live: names of steps whose code is executed for real, each time they are reached.
        folder: where to import the app from; the current folder when not given.
        seconds: how long the code may take.

    Raises:
        AppError: the app cannot be imported, or does not serve the handler.
        ReplayError: a change names no result of this journal.
        WorkerError: the code crashed or took too long.
    """
    loaded = _loaded(recording)
    fields = request_fields(changes, recorded=recorded, answers=answers)
    with Worker(app, folder=folder, seconds=seconds, live=bool(live)) as worker:
        document, blocked = worker.request("what_if", loaded, live=list(live), **fields)
    return WhatIfResult.from_json({**document, "blocked": blocked})


def judged(worker: Worker, recording: Recording, *, explained: bool = True) -> Report:
    """The report on one recording by a running worker; what goes wrong makes it `refused`."""
    try:
        document, blocked = worker.request("judge", recording, explained=explained)
    except ReplayError as error:
        return Report("refused", recording.id, recording.target, reason=str(error))
    return changed(Report.from_json(document), blocked=tuple(blocked))


def recordings_in(folder: Path) -> list[Path]:
    """The recordings in a folder and those below it, sorted."""
    return sorted(folder.rglob(f"*{SUFFIX}"))


def judged_file(worker: Worker, path: Path, *, explained: bool = True) -> Report:
    """The report on one file, which the worker reads by itself.

    Raises:
        ReplayError: the file is no recording, or the app or its process failed.
    """
    document, blocked = worker.request("judge", path, explained=explained)
    return changed(Report.from_json(document), blocked=tuple(blocked))


def _loaded(recording: Recording | Path | str) -> Recording:
    return recording if isinstance(recording, Recording) else Recording.load(recording)


def annotated(app: str, recording: Recording, *, folder: Path | str | None = None) -> Recording:
    """The recording with the arguments that this code passes to its steps (see `annotate`).

    Raises:
        AppError: the app cannot be imported, or does not serve the handler.
        WorkerError: the code crashed or took too long.
    """
    with Worker(app, folder=folder) as worker:
        document, _ = worker.request("annotate", recording)
    return Recording.from_json(document)
