"""The `playhead` command: one module per subcommand, imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import click

from playhead.cli.errors import CliError, Exit, exit_code
from playhead.errors import PlayheadError
from playhead.text import clean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS = {
    "agents": "Count the calls of models, tools and steps, by agent.",
    "archive": "Move old days of the store to Parquet files in its folder `archive`.",
    "calls": "List single calls of models and tools, over all invocations.",
    "cancel": "Cancel invocations: their handlers can clean up, then they end.",
    "diff": "Compare two invocations step by step.",
    "doctor": "Check that everything Playhead needs is running and reachable.",
    "export": "Export what was recorded to other tools.",
    "import": "Import spans from files into the store.",
    "failures": "Group equal failures: same error, step, service and place in the code.",
    "kill": "End invocations at once, without cleanup.",
    "ls": "List invocations, newest first or in another order.",
    "pause": "Pause invocations until they are resumed.",
    "purge": "Delete ended invocations and their journals from the server.",
    "open": "Open the dashboard at an invocation, at one of its steps, or with a filter.",
    "record": "Record traces and journals into the store.",
    "recording": "Save journals as files for replays.",
    "replay": "Run today's code against a recorded journal, without side effects.",
    "restart": "Restart ended invocations as new ones with the same input.",
    "resume": "Resume paused invocations, or retry backing-off ones now.",
    "services": "Show registered services, their handlers and deployments.",
    "show": "Show one invocation: its attempts, steps, LLM calls and errors.",
    "sql": "Query the store with SQL.",
    "state": "Show virtual objects and workflows: their state, locks, queues and promises.",
    "stats": "Count invocations, attempts, LLM calls, tokens, cost and failures by service.",
    "store": "Show the size, tables and oldest rows of the store, or maintain it.",
    "tail": "Follow invocations as they start, change status and end.",
}
"""Built-in subcommands with their lines in `--help`; their modules have the same names."""
MODULES = {
    "import": "span_import",
    **dict.fromkeys(("cancel", "kill", "pause", "purge", "restart", "resume"), "changes"),
}
"""Modules with other names: Python reserves that of the subcommand, or one has several."""

ENTRY_POINTS = "playhead.commands"
"""Entry point group in which other distributions register subcommands."""


class LazyGroup(click.Group):
    """A group that imports its commands when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*COMMANDS, *_registered()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command with that name; None when it does not exist."""
        if cmd_name in COMMANDS:
            name = MODULES.get(cmd_name, cmd_name)
            module = importlib.import_module(f"playhead.cli.{name}")
            found: click.Command
            found = module.command_of(cmd_name) if name == "changes" else module.command
            return found
        entry_point = _registered().get(cmd_name)
        if entry_point is None:
            return None
        try:
            command: click.Command = entry_point.load()
        except Exception as error:  # another distribution's code
            provider = entry_point.dist.name if entry_point.dist else "unknown"
            raise CliError(
                f"The command {cmd_name!r} cannot be loaded: {error}",
                f"Reinstall or remove the distribution that provides it: {provider}.",
            ) from error
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name, or suggest similar names."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            names = self.list_commands(ctx)
            raise click.NoSuchCommand(error.command_name, possibilities=names, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list in `--help` without importing the built-in commands."""
        rows: list[tuple[str, str]] = []
        for name in self.list_commands(ctx):
            rows.append((name, COMMANDS.get(name) or self._registered_help(ctx, name)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _registered_help(self, ctx: click.Context, name: str) -> str:
        try:
            command = self.get_command(ctx, name)
        except CliError:
            return "Cannot be loaded; call it for the reason."
        return command.get_short_help_str(100) if command else ""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and show a `PlayheadError` or an interruption as a `CliError`."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _interrupted() from None
        except click.Abort as error:
            # A question that Ctrl+C ends; the end of the input aborts it as well.
            if isinstance(error.__context__, KeyboardInterrupt):
                raise _interrupted() from None
            raise
        except PlayheadError as error:
            raise CliError(error.title, error.hint, exit_code(error)) from error
        except click.ClickException as error:
            # Messages about options and arguments quote them.
            if not isinstance(error, CliError):
                vars(error)["message"] = clean(error.message, lines=True)
            raise


def _interrupted() -> CliError:
    if sys.stderr.isatty():
        click.echo(err=True)  # ends the line in which the terminal shows ^C
    return CliError("Interrupted", exit_code=Exit.INTERRUPTED)


def _registered() -> dict[str, EntryPoint]:
    # Importing it takes 20 ms, which only `--help` and commands that are not built in have to pay.
    from importlib.metadata import entry_points

    return {entry_point.name: entry_point for entry_point in entry_points(group=ENTRY_POINTS)}


@click.group(cls=LazyGroup, invoke_without_command=True)
@click.version_option(package_name="playhead")
@click.option(
    "--read-only",
    is_flag=True,
    help="Disable every action that changes the server or deletes stored rows.",
)
@click.option("--admin-url", metavar="URL", help="Restate's admin API.  [RESTATE_ADMIN_URL]")
@click.option("--store", metavar="DIR", help="Folder of the store.  [PLAYHEAD_STORE]")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters only.")
@click.pass_context
def cli(ctx: click.Context, **flags: Any) -> None:
    """The debugger for durable AI agents.

    Without a command, opens the dashboard on the Restate server at RESTATE_ADMIN_URL and on the
    store.
    """
    from playhead import settings

    ctx.obj = settings.load({name: flags[name] for name in ("admin_url", "store")})
    ctx.meta["playhead.read_only"] = flags["read_only"]
    ctx.meta["playhead.ascii"] = flags["ascii_only"]
    if ctx.invoked_subcommand is None:
        from playhead.cli.dashboard import open_dashboard

        open_dashboard(ctx.obj, read_only=flags["read_only"], ascii_only=flags["ascii_only"])


def main() -> None:
    """Run the `playhead` command: the entry point of the console script."""
    from playhead.cli.process_title import hide_secrets
    from playhead.cli.signals import interruptible
    from playhead.cli.streams import clean_streams

    hide_secrets(sys.argv[1:])
    # Otherwise httpx imports rich and pygments for its own command line, 30 ms of every start.
    sys.modules.setdefault("httpx._main", None)  # pyright: ignore[reportArgumentType]
    with clean_streams(), interruptible():
        cli(prog_name="playhead")
