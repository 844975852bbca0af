"""Which test files one process runs, and which ones first, under `make test`.

Files that share the servers of a session fixture run in the same process, which then starts them
once. What takes longest begins first, so that no process ends long before the others.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

__all__ = ["FilesTogether", "rank"]

TOGETHER = (
    "tests/availability/",
    "tests/scenarios/",
    "tests/samples/",
    "tests/targets/",
    "tests/collector/",
    "tests/cli/",
    "tests/packaging/",
    "tests/reader/",
    "tests/journal/",
    "tests/doctor/",
    "tests/restate/",
)
"""Folders whose files share servers; those that take longest first."""
LONG = ("tests/tracing/", "tests/replay/", "tests/tui/", "tests/record/", "tests/demo/")
"""Further folders with files that take long. The files of other folders take seconds."""


def rank(nodeid: str) -> int:
    """Return the place of a test's folder in the order of execution."""
    folders = (*TOGETHER, *LONG)
    return next((n for n, one in enumerate(folders) if nodeid.startswith(one)), len(folders))


class FilesTogether(LoadFileScheduling):
    """Gives each process whole files, or all files of a folder that share servers."""

    def _split_scope(self, nodeid: str) -> str:
        folder = next((one for one in TOGETHER if nodeid.startswith(one)), None)
        return folder or super()._split_scope(nodeid)
