"""Processes as they were when looked at: one that ends meanwhile is left out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["RunningProcess", "processes_below", "processes_of", "running_processes"]


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A process that was neither gone nor a zombie."""

    process: psutil.Process
    command: list[str]
    environment: dict[str, str]


def running_processes(among: Iterable[psutil.Process] | None = None) -> list[RunningProcess]:
    """Return what runs on this machine, or of the given processes.

    Processes of other users, whose environment cannot be read, are left out.
    """
    found: list[RunningProcess] = []
    for process in psutil.process_iter() if among is None else among:
        try:
            seen = RunningProcess(process, process.cmdline(), process.environ())
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(seen)
        except psutil.Error:
            continue
    return found


def processes_below() -> list[RunningProcess]:
    """Return what this process has started, and what that has started."""
    return running_processes(psutil.Process().children(recursive=True))


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return the other processes whose command or environment names this folder."""
    return [
        seen.process
        for seen in running_processes()
        if seen.process.pid != os.getpid()
        and any(str(folder) in text for text in (*seen.command, *seen.environment.values()))
    ]
