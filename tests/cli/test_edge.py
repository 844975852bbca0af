"""The command group: help, lazy imports, and error messages."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import CliRunner
from playhead import errors
from playhead.cli import COMMANDS, cli
from playhead.cli.errors import Exit, exit_code


def test_help_lists_built_in_commands_and_those_of_entry_points() -> None:
    text = CliRunner().invoke(cli, ["--help"]).output
    for name in (*COMMANDS, "demo", "scenario"):
        assert f"\n  {name} " in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_shows_the_first_sentence_of_each_command(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.get_short_help_str(200) == COMMANDS[name]


def test_help_imports_no_built_in_command() -> None:
    code = (
        "import sys; from playhead.cli import cli; cli(['--version'], standalone_mode=False);"
        "print([m for m in sys.modules if m.startswith(('playhead.cli.', 'playhead_', 'httpx'))])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert output.splitlines()[1] == "['playhead.cli.errors']"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SettingsError("x"), Exit.USAGE),
        (errors.AmbiguousIdError("x"), Exit.USAGE),
        (errors.NotFoundError("x"), Exit.USAGE),
        (errors.QueryLimitError("x"), Exit.USAGE),
        (errors.ArchivedFileError("x"), Exit.UNREACHABLE),
        (errors.UnreachableError("x"), Exit.UNREACHABLE),
        (errors.RecorderError("x"), Exit.UNREACHABLE),
        (errors.StoreLockedError("x"), Exit.UNREACHABLE),
        (errors.RecordingError("x"), Exit.UNREACHABLE),
    ],
)
def test_exit_codes_follow_the_type_of_error(error: errors.PlayheadError, code: Exit) -> None:
    assert exit_code(error) == code


def test_an_error_is_a_title_and_an_indented_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def fails() -> None:
        raise errors.StoreError("no \x1b[31mstore\x07 here", "do this\nor \x1b]0;title\x07that")

    monkeypatch.setitem(cli.commands, "fails", fails)
    monkeypatch.setattr(type(cli), "get_command", lambda self, ctx, name: fails)
    result = CliRunner().invoke(cli, ["fails"])
    assert result.stderr == "playhead: no store here\n  do this\n  or that\n"
    assert result.stdout == ""
    assert result.exit_code == Exit.UNREACHABLE


@pytest.mark.parametrize(("typed", "meant"), [("lss", "ls"), ("shwo", "show"), ("dmo", "demo")])
def test_a_command_that_does_not_exist_suggests_one(typed: str, meant: str) -> None:
    done = CliRunner().invoke(cli, [typed])
    assert done.exit_code == Exit.USAGE
    assert f"No such command '{typed}'" in done.output
    assert f"'{meant}'" in done.output


def test_the_dashboard_needs_a_terminal() -> None:
    result = CliRunner().invoke(cli, [])
    assert result.exit_code == Exit.USAGE
    assert "The dashboard needs a terminal" in result.stderr


def test_a_command_that_cannot_be_loaded_does_not_break_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = EntryPoint("broken", "playhead_no_such_module:command", "playhead.commands")
    monkeypatch.setattr("playhead.cli._registered", lambda: {"broken": broken})
    shown = CliRunner().invoke(cli, ["--help"])
    assert shown.exit_code == 0
    assert "Cannot be loaded" in shown.output
    called = CliRunner().invoke(cli, ["broken"])
    assert called.exit_code == Exit.UNREACHABLE
    assert "The command 'broken' cannot be loaded: No module named" in called.output
