"""The `playhead` command: one file a subcommand, loaded only when it is called."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import click

from playhead.cli.errors import CliError, Exit

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "demo": "Run sample agents and their failures, and open the dashboard.",
    "diff": "Compare two invocations step by step.",
    "doctor": "Check that everything needed is there and answers.",
    "export": "Send recorded traces and journals elsewhere.",
    "import": "Read exported traces and recordings into the store.",
    "ls": "List invocations.",
    "record": "Record traces and journals into DuckDB.",
    "recording": "Save journals as files to replay.",
    "replay": "Run today's code against a recorded journal, without side effects.",
    "scenario": "Cause a failure and watch it being survived.",
    "serve": "The dashboard in a browser, on this machine only.",
    "show": "Show one invocation: its steps, LLM calls, attempts and errors.",
    "sql": "Query the recording with SQL.",
    "stats": "Count invocations, LLM calls, tokens and failures.",
    "tail": "Follow what happens.",
}
"""Every subcommand and its one line of help; the module is named after it."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(name for name in COMMANDS if self._exists(name))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None when there is none."""
        if cmd_name not in COMMANDS or not self._exists(cmd_name):
            return None
        command: click.Command = importlib.import_module(_module(cmd_name)).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing any command."""
        rows = [(name, COMMANDS[name]) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    @staticmethod
    def _exists(name: str) -> bool:
        return importlib.util.find_spec(_module(name)) is not None


def _module(name: str) -> str:
    return f"playhead.cli.{name}_" if name == "import" else f"playhead.cli.{name}"


@click.group(cls=LazyGroup, invoke_without_command=True)
@click.version_option(package_name="playhead")
@click.option("--read-only", is_flag=True, help="Forbid whatever changes the server.")
@click.option("--admin-url", help="Restate's admin API.  [RESTATE_ADMIN_URL]")
@click.option("--store", help="Folder of the recording.  [PLAYHEAD_STORE]")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters only.")
@click.pass_context
def cli(ctx: click.Context, **flags: Any) -> None:
    """The debugger for durable AI agents.

    Without a command, opens the dashboard over the Restate server at RESTATE_ADMIN_URL and
    the recording in the store.
    """
    from playhead import settings

    overrides = {name: flags[name] for name in ("admin_url", "store")}
    try:
        ctx.obj = settings.load(overrides)
    except settings.SettingsError as error:
        raise CliError(str(error), exit_code=Exit.USAGE) from error
    ctx.meta["playhead.read_only"] = flags["read_only"]
    ctx.meta["playhead.ascii"] = flags["ascii_only"]
    if ctx.invoked_subcommand is None:
        from playhead.cli.dashboard import open_dashboard

        open_dashboard(ctx.obj, read_only=flags["read_only"], ascii_only=flags["ascii_only"])


def main() -> None:
    """Entry point of the console script."""
    cli(prog_name="playhead")
