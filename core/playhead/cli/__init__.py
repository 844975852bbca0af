"""The `playhead` command: one file a subcommand, loaded only when it is called."""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from playhead.cli.errors import CliError, Exit
from playhead.errors import PlayheadError, SettingsError

__all__ = ["COMMANDS", "ENTRY_POINTS", "main"]

COMMANDS = {
    "diff": "Compare two invocations step by step.",
    "doctor": "Check that everything Playhead needs is running and reachable.",
    "ls": "List invocations.",
    "record": "Record traces and journals into DuckDB.",
    "recording": "Save journals as files to replay.",
    "replay": "Run today's code against a recorded journal, without side effects.",
    "show": "Show one invocation: its steps, LLM calls, attempts and errors.",
    "sql": "Query the store with SQL.",
    "stats": "Count invocations, LLM calls, tokens and failures.",
    "tail": "Follow invocations as they start, change and end.",
}
"""Every built-in subcommand and its one line of help; the module has the same name."""

ENTRY_POINTS = "playhead.commands"
"""Entry point group by which other distributions add subcommands."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted({*COMMANDS, *_added()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None when there is none."""
        if cmd_name in COMMANDS:
            found: click.Command = importlib.import_module(f"playhead.cli.{cmd_name}").command
            return found
        entry_point = _added().get(cmd_name)
        return None if entry_point is None else entry_point.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing any built-in command."""
        rows: list[tuple[str, str]] = []
        for name in self.list_commands(ctx):
            command = None if name in COMMANDS else self.get_command(ctx, name)
            rows.append((name, command.get_short_help_str(100) if command else COMMANDS[name]))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors of Playhead become errors for people."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise CliError(error.title, error.hint, Exit.USAGE) from error
        except PlayheadError as error:
            raise CliError(error.title, error.hint, Exit.UNREACHABLE) from error


def _added() -> dict[str, EntryPoint]:
    return {entry_point.name: entry_point for entry_point in entry_points(group=ENTRY_POINTS)}


@click.group(cls=LazyGroup, invoke_without_command=True)
@click.version_option(package_name="playhead")
@click.option("--read-only", is_flag=True, help="Forbid whatever changes the server.")
@click.option("--admin-url", help="Restate's admin API.  [RESTATE_ADMIN_URL]")
@click.option("--store", help="Folder of the store.  [PLAYHEAD_STORE]")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters only.")
@click.pass_context
def cli(ctx: click.Context, **flags: Any) -> None:
    """The debugger for durable AI agents.

    Without a command, opens the dashboard over the Restate server at RESTATE_ADMIN_URL and
    the store.
    """
    from playhead import settings

    ctx.obj = settings.load({name: flags[name] for name in ("admin_url", "store")})
    ctx.meta["playhead.read_only"] = flags["read_only"]
    ctx.meta["playhead.ascii"] = flags["ascii_only"]
    if ctx.invoked_subcommand is None:
        from playhead.cli.dashboard import open_dashboard

        open_dashboard(ctx.obj, read_only=flags["read_only"], ascii_only=flags["ascii_only"])


def main() -> None:
    """Entry point of the console script."""
    cli(prog_name="playhead")
