"""The dashboard; no other module of this package imports `playhead_tui`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from playhead import heap
from playhead.cli.errors import CliError, Exit
from playhead.saved_views import SavedView, kept_file
from playhead.settings import Settings

__all__ = ["open_dashboard"]

LARGE_BYTES = 1024 * 1024
"""Size of a block, such as a large payload, that returns to the system as soon as it is freed."""


def open_dashboard(
    settings: Settings,
    *,
    read_only: bool,
    ascii_only: bool,
    invocation: str | None = None,
    index: int | None = None,
    filter_: str = "",
    view: SavedView | None = None,
    restart: Callable[[], object] | None = None,
    keep_in: Path | None = None,
) -> None:
    """Run the dashboard until the user quits it.

    Args:
        settings: Settings of the server and the store.
        read_only: Disable every action that changes the server.
        ascii_only: Draw with ASCII characters only.
        invocation: Id of an invocation to open at once.
        index: Journal index of a step of it to open it at.
        filter_: Filter of the list.
        view: Saved view of the list.
        restart: Starts the running recorder again when it ends; by default, nobody does.
        keep_in: File of the filter, the places and the views to keep between runs; by default,
            that of the user.

    Raises:
        CliError: Standard input or output is not a terminal, or the dashboard crashed.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CliError(
            "The dashboard needs a terminal",
            "In scripts, use `playhead ls` and `playhead show ID`; both take --json.",
            Exit.USAGE,
        )
    from playhead_tui.app import PlayheadApp
    from playhead_tui.sources.connector import connector

    app = PlayheadApp(
        connector(settings, record=not read_only, restart=restart),
        read_only=read_only,
        ascii_only=ascii_only,
        invocation=invocation,
        index=index,
        filter_=filter_,
        view=view,
        keep_in=keep_in or kept_file(),
    )
    heap.return_large_blocks(LARGE_BYTES)
    app.run()
    if app.ended_by is not None:
        sys.exit(128 + app.ended_by)
    if app.return_code:
        raise CliError("The dashboard crashed; the traceback is above", exit_code=app.return_code)
