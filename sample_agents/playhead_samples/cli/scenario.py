"""`playhead scenario`: inject a failure on separate servers and check the recovery."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from playhead.cli.errors import CliError, Exit
from playhead.text import clean

from playhead_samples.cli import samples_installed

if TYPE_CHECKING:
    from playhead.settings import Settings

    from playhead_samples.scenarios.player import ScenarioResult
    from playhead_samples.scenarios.scenario import Scenario

__all__ = ["command"]


@click.group("scenario")
def command() -> None:
    """Inject a failure and watch Restate recover.

    A scenario sends requests to the sample agents and makes the LLM, a tool, a process, the
    network or the server fail at a chosen moment. It then compares the outcome with Restate's
    guarantees. Scenarios start their own servers and never use yours.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(as_json: bool) -> None:
    """List all scenarios."""
    with samples_installed():
        from playhead_samples.scenarios import registry

    families = registry.families()
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
@click.option("--all", "run_all", is_flag=True, help="Run all scenarios.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--open", "open_", is_flag=True, help="Open the dashboard at the invocation.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep store and logs in this folder. Default: keep them only after a failure.",
)
@click.pass_context
def run(
    ctx: click.Context,
    names: tuple[str, ...],
    run_all: bool,
    as_json: bool,
    open_: bool,
    folder: Path | None,
) -> None:
    """Run scenarios and compare expected with observed values.

    Prints progress to standard error and the comparison to standard output. Exits with 1 when
    a value differs.
    """
    scenarios = _find(names, run_all)
    if open_:
        _check_open(scenarios, as_json)
    outcomes: list[ScenarioResult] = []
    with _data_folder(folder, outcomes) as data:
        try:
            for outcome in _outcomes(ctx, scenarios, data, open_):
                outcomes.append(outcome)
                if not as_json:
                    _print(outcome)
        except KeyboardInterrupt:
            raise CliError(
                "Interrupted", "All processes that it started were stopped.", Exit.INTERRUPTED
            ) from None
    _conclude(outcomes, as_json)


def _find(names: tuple[str, ...], run_all: bool) -> list[Scenario]:
    with samples_installed():
        from playhead_samples.scenarios import registry

    if run_all == bool(names):
        raise CliError(
            "No scenario was chosen" if not names else "--all cannot be combined with names",
            "Pass one or more names, or --all. `playhead scenario list` shows the names.",
            Exit.USAGE,
        )
    if run_all:
        return list(registry.all_scenarios().values())
    try:
        return [registry.find(name) for name in dict.fromkeys(names)]
    except registry.UnknownScenarioError as error:
        similar = f"Did you mean {' or '.join(error.similar)}?\n" if error.similar else ""
        raise CliError(
            str(error), f"{similar}`playhead scenario list` shows all names.", Exit.USAGE
        ) from error


def _check_open(scenarios: list[Scenario], as_json: bool) -> None:
    if len(scenarios) > 1 or as_json:
        raise CliError(
            "--open works with a single scenario and without --json",
            "Run one scenario, or leave out --open.",
            Exit.USAGE,
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CliError("--open needs a terminal", "Leave it out in scripts.", Exit.USAGE)


@contextlib.contextmanager
def _data_folder(folder: Path | None, outcomes: list[ScenarioResult]) -> Generator[Path]:
    """Use the given empty folder, or a temporary one that is kept only after a failure."""
    if folder is not None:
        if folder.exists() and any(folder.iterdir()):
            raise CliError(f"{folder} is not empty", "Choose a new folder with --dir.", Exit.USAGE)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CliError(
                f"{folder} cannot be used: {error}",
                "Choose another folder with --dir.",
                Exit.USAGE,
            ) from error
        yield folder.resolve()
        return
    import tempfile

    data = Path(tempfile.mkdtemp(prefix="playhead-scenario-"))
    passed = False
    try:
        yield data
        passed = all(outcome.ok for outcome in outcomes)
    except CliError as error:
        passed = error.exit_code == Exit.INTERRUPTED
        raise
    finally:
        if passed:
            shutil.rmtree(data, ignore_errors=True)
        else:
            _report(f"The store and the logs are kept in {data}.")


def _outcomes(
    ctx: click.Context, scenarios: list[Scenario], data: Path, open_: bool
) -> Iterator[ScenarioResult]:
    from playhead_samples.scenarios import runner

    def show(settings: Settings, invocation: str) -> None:
        if open_:
            from playhead.cli.dashboard import open_dashboard

            open_dashboard(
                settings,
                read_only=ctx.meta["playhead.read_only"],
                ascii_only=ctx.meta["playhead.ascii"],
                invocation=invocation,
            )

    yield from runner.run(scenarios, data, _report, show)


def _print(outcome: ScenarioResult) -> None:
    from playhead_samples.scenarios import report

    for line in report.table(outcome, shutil.get_terminal_size((120, 24)).columns):
        click.echo(line)
    click.echo()


def _conclude(outcomes: list[ScenarioResult], as_json: bool) -> None:
    from playhead_samples.scenarios import report

    ok = all(outcome.ok for outcome in outcomes)
    if as_json:
        document = {"ok": ok, "scenarios": [report.as_json(outcome) for outcome in outcomes]}
        click.echo(json.dumps(document, indent=2))
    elif len(outcomes) > 1:
        click.echo(report.summary(outcomes))
    if not ok:
        raise SystemExit(Exit.FOUND)


def _report(line: str) -> None:
    click.echo(clean(line), err=True)
