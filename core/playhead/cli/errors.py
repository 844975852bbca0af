"""Errors as people see them: what, where, what to do; and the exit codes."""

from __future__ import annotations

from enum import IntEnum
from typing import IO, Any

import click


class Exit(IntEnum):
    """Exit codes of every command."""

    FINE = 0
    FOUND = 1
    """It found what it looks for: diverged, a scenario failed, doctor found a fault."""
    USAGE = 2
    UNREACHABLE = 3
    """What it needs cannot be reached or started."""


class CliError(click.ClickException):
    """An error for people: a title, and what to do next."""

    def __init__(
        self, title: str, hint: str = "", exit_code: Exit | int = Exit.UNREACHABLE
    ) -> None:
        """Title and hint are shown as plain text, the hint on lines of its own."""
        super().__init__(title)
        self.hint = hint
        # click reads it from the instance.
        self.exit_code = int(exit_code)  # pyright: ignore[reportAttributeAccessIssue]

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it to standard error."""
        click.echo(f"playhead: {self.message}", err=True, file=file)
        for line in self.hint.splitlines():
            click.echo(f"  {line}", err=True, file=file)
