"""Opens the dashboard. The screens live in `playhead_tui`, which is imported only here."""

from __future__ import annotations

import sys

from playhead.cli.errors import CliError, Exit
from playhead.settings import Settings

__all__ = ["open_dashboard"]


def open_dashboard(
    settings: Settings, *, read_only: bool, ascii_only: bool, invocation: str | None = None
) -> None:
    """Run the dashboard until it is left.

    Args:
        settings: where the server and the recording are.
        read_only: forbid whatever changes the server.
        ascii_only: draw with ASCII characters only.
        invocation: id of the invocation to open at once.

    Raises:
        CliError: standard input or output is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CliError(
            "The dashboard needs a terminal.",
            "Use `playhead ls` and `playhead show ID` in scripts; both take --json.",
            Exit.USAGE,
        )
    from playhead_tui.app import PlayheadApp
    from playhead_tui.sources.connector import connector

    app = PlayheadApp(
        connector(settings, record=not read_only),
        read_only=read_only,
        ascii_only=ascii_only,
        invocation=invocation,
    )
    app.run()
    if app.return_code:
        raise CliError("The dashboard ended because of an error of its own.", exit_code=1)
