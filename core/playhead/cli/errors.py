"""Errors of commands, and their exit codes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import IO, Any

import click

from playhead.errors import (
    AmbiguousIdError,
    AmbiguousObjectError,
    ArchivedFileError,
    FilterError,
    NotFoundError,
    PlayheadError,
    QueryError,
    SettingsError,
)
from playhead.text import clean

__all__ = ["CliError", "Exit", "exit_code"]


class Exit(IntEnum):
    """Exit codes of every command."""

    FINE = 0
    FOUND = 1
    """The command found a problem: a replay diverged, a scenario failed, a doctor check failed."""
    USAGE = 2
    """The arguments or settings are wrong."""
    UNREACHABLE = 3
    """A server, store or process that the command needs cannot be reached or started."""
    INTERRUPTED = 130
    """Ctrl+C, SIGTERM or SIGHUP ended the command before it was done."""
    UNREAD = 141
    """Nobody reads standard output any more, as after `| head`: the code of SIGPIPE."""


EXIT_CODES: Mapping[type[PlayheadError], Exit] = MappingProxyType(
    {
        ArchivedFileError: Exit.UNREACHABLE,
        AmbiguousIdError: Exit.USAGE,
        AmbiguousObjectError: Exit.USAGE,
        FilterError: Exit.USAGE,
        NotFoundError: Exit.USAGE,
        QueryError: Exit.USAGE,
        SettingsError: Exit.USAGE,
    }
)
"""Exit code by type of error: the first that fits, else `Exit.UNREACHABLE`."""


class CliError(click.ClickException):
    """An error of a command, with a title, a hint and an exit code."""

    def __init__(
        self, title: str, hint: str = "", exit_code: Exit | int = Exit.UNREACHABLE
    ) -> None:
        """Create the error.

        Args:
            title: What is wrong, and where.
            hint: What to do next; may have several lines.
            exit_code: Exit code of the command.
        """
        super().__init__(title)
        self.hint = hint
        # click reads it from the instance.
        self.exit_code = int(exit_code)  # pyright: ignore[reportAttributeAccessIssue]

    def show(self, file: IO[Any] | None = None) -> None:
        """Write title and hint to standard error, without escape sequences from either."""
        for number, line in enumerate(clean(self.message, lines=True).splitlines() or [""]):
            click.echo(line if number else f"playhead: {line}", err=True, file=file)
        for line in clean(self.hint, lines=True).splitlines():
            click.echo(f"  {line}", err=True, file=file)


def exit_code(error: PlayheadError) -> Exit:
    """Return the exit code of a command that ends with this error."""
    return next(
        (code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), Exit.UNREACHABLE
    )
