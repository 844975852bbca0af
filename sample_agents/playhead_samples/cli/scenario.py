"""`playhead scenario`: causes a failure on servers of its own, and checks how it is survived."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from playhead.cli.errors import CliError, Exit
from playhead.cli.signals import interruptible

if TYPE_CHECKING:
    from playhead.settings import Settings

    from playhead_samples.scenarios.engine import Outcome
    from playhead_samples.scenarios.scenario import Scenario

__all__ = ["command"]

INTERRUPTED = 130


@click.group("scenario")
def command() -> None:
    """Cause a failure and watch it being survived.

    A scenario sends requests to the sample agents, makes the LLM, a tool, a process, the
    network or the server fail at a chosen moment, and compares what happened with what Restate
    promises. It runs on servers of its own; yours are never touched.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_(as_json: bool) -> None:
    """Name every scenario."""
    families = _catalogue().families()
    if as_json:
        rows = [
            {"name": s.name, "title": s.title, "family": title}
            for title, scenarios in families
            for s in scenarios
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(s.name) for _, scenarios in families for s in scenarios)
    for title, scenarios in families:
        click.echo(f"{title}:")
        for scenario in scenarios:
            click.echo(f"  {scenario.name:{width}}  {scenario.title}")


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Every scenario there is.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of tables.")
@click.option("--open", "open_", is_flag=True, help="Open the dashboard at the invocation.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep recording and logs there; by default they are kept only of what went wrong.",
)
@click.pass_context
def run(
    ctx: click.Context,
    names: tuple[str, ...],
    everything: bool,
    as_json: bool,
    open_: bool,
    folder: Path | None,
) -> None:
    """Play scenarios, and compare what is expected with what is observed.

    Prints what happens to standard error and the comparison to standard output. Ends with 1
    when something is not as expected.
    """
    chosen = _chosen(names, everything)
    if open_:
        _can_open(chosen, as_json)
    outcomes: list[Outcome] = []
    with interruptible(), _place(folder, outcomes) as place:
        try:
            for outcome in _outcomes(ctx, chosen, place, open_):
                outcomes.append(outcome)
                if not as_json:
                    _print(outcome)
        except KeyboardInterrupt:
            raise CliError(
                "interrupted", "Every process it started was stopped.", INTERRUPTED
            ) from None
    _conclude(outcomes, as_json)


def _catalogue() -> Any:
    try:
        from playhead_samples.scenarios import registry as catalogue
    except ImportError as error:
        raise CliError(
            f"the sample agents are not installed: {error}",
            "pip install 'playhead[samples]'",
            Exit.UNREACHABLE,
        ) from error
    return catalogue


def _chosen(names: tuple[str, ...], everything: bool) -> list[Scenario]:
    catalogue = _catalogue()
    if everything == bool(names):
        raise CliError(
            "which scenario?",
            "Give one or more names, or --all. `playhead scenario list` shows them.",
            Exit.USAGE,
        )
    if everything:
        return list(catalogue.everything().values())
    try:
        return [catalogue.find(name) for name in dict.fromkeys(names)]
    except catalogue.UnknownScenario as error:
        near = f"Do you mean {' or '.join(error.near)}?\n" if error.near else ""
        raise CliError(
            str(error), f"{near}`playhead scenario list` shows them all.", Exit.USAGE
        ) from error


def _can_open(chosen: list[Scenario], as_json: bool) -> None:
    if len(chosen) > 1 or as_json:
        raise CliError(
            "--open is for one scenario, without --json", "Leave the others out.", Exit.USAGE
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CliError("--open needs a terminal", "Leave it out in scripts.", Exit.USAGE)


@contextlib.contextmanager
def _place(folder: Path | None, outcomes: list[Outcome]) -> Generator[Path]:
    """An empty folder: the one given, or a temporary one that stays only after a failure."""
    if folder is not None:
        if folder.exists() and any(folder.iterdir()):
            raise CliError(f"{folder} is not empty", "Name a new folder with --dir.", Exit.USAGE)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CliError(f"{folder} cannot be used: {error}", exit_code=Exit.USAGE) from error
        yield folder.resolve()
        return
    place = Path(tempfile.mkdtemp(prefix="playhead-scenario-"))
    fine = False
    try:
        yield place
        fine = all(outcome.ok for outcome in outcomes)
    except CliError as error:
        fine = error.exit_code == INTERRUPTED
        raise
    finally:
        if fine:
            shutil.rmtree(place, ignore_errors=True)
        else:
            _say(f"recording and logs are kept in {place}")


def _outcomes(
    ctx: click.Context, chosen: list[Scenario], place: Path, open_: bool
) -> Iterator[Outcome]:
    from playhead.errors import ProcessError, ServerNotFoundError

    from playhead_samples.scenarios import runner

    def shown(settings: Settings, invocation: str) -> None:
        if open_:
            from playhead.cli.dashboard import open_dashboard

            open_dashboard(
                settings,
                read_only=ctx.meta["playhead.read_only"],
                ascii_only=ctx.meta["playhead.ascii"],
                invocation=invocation,
            )

    try:
        yield from runner.run(chosen, place, _say, shown)
    except ServerNotFoundError as error:
        raise CliError("no restate-server", f"{error.title}\n{error.hint}") from error
    except ProcessError as error:
        raise CliError("the scenario could not run", f"{error.title}\n{error.hint}") from error


def _print(outcome: Outcome) -> None:
    from playhead_samples.scenarios import report

    for line in report.table(outcome, shutil.get_terminal_size((120, 24)).columns):
        click.echo(line)
    click.echo()


def _conclude(outcomes: list[Outcome], as_json: bool) -> None:
    from playhead_samples.scenarios import report

    ok = all(outcome.ok for outcome in outcomes)
    if as_json:
        document = {"ok": ok, "scenarios": [report.as_json(outcome) for outcome in outcomes]}
        click.echo(json.dumps(document, indent=2))
    elif len(outcomes) > 1:
        click.echo(report.summary(outcomes))
    if not ok:
        raise SystemExit(Exit.FOUND)


def _say(line: str) -> None:
    from playhead.text import clean

    click.echo(clean(line), err=True)
