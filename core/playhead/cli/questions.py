"""The question before a change."""

from __future__ import annotations

import sys

import click

from playhead.cli.errors import CliError, Exit

__all__ = ["confirm", "forbid_if_read_only"]


def confirm(question: str) -> None:
    """Ask on the terminal.

    Raises:
        CliError: The answer is no, or there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise CliError(
            "Nothing was changed: without a terminal, the change cannot be confirmed",
            "Add --yes to change without a question.",
            Exit.USAGE,
        )
    if not click.confirm(question, default=False, err=True):
        raise CliError("Nothing was changed", "", Exit.USAGE)


def forbid_if_read_only(ctx: click.Context, what: str) -> None:
    """Raise a CliError if `--read-only` is set."""
    if ctx.meta.get("playhead.read_only"):
        raise CliError(
            f"--read-only forbids {what}", "Run the command without --read-only.", Exit.USAGE
        )
