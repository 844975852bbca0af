"""`playhead replay --set`, `--answer` and `--live`: a run with other results."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from playhead.cli.errors import CliError, Exit

if TYPE_CHECKING:
    from playhead.journal.commands import Journal
    from playhead.replay import LivePlan, Recording, WhatIfQuestion

__all__ = ["run_what_if"]


def run_what_if(recording: Recording, options: dict[str, Any]) -> Exit:
    """Run the code with other results and write the comparison with the recorded run.

    Args:
        recording: Recording to replay.
        options: Options of `playhead replay`.
    """
    from playhead.replay import WhatIfQuestion, live_plan, what_if
    from playhead.replay.text import what_if_lines

    journal = recording.journal()
    question = WhatIfQuestion(
        {**_pairs("--set", options["changes"], journal)},
        recorded=not options["dry"],
        answers=_pairs("--answer", options["answers"], journal),
        live=options["live"],
        max_live=options["max_live"],
    )
    if options["require_isolation"] and question.live:
        raise CliError(
            "--live and --require-isolation exclude each other",
            "Steps that are executed for real have the network, files and API keys.",
            Exit.USAGE,
        )
    where: dict[str, Any] = {name: options[name] for name in ("app_dir", "timeout", "env")}
    where["require_isolation"] = options["require_isolation"]
    plan = live_plan(options["app"], recording, question, **where) if question.live else None
    if plan is not None:
        _announce(plan, question, confirmed=options["yes"])
    result = what_if(
        options["app"],
        recording,
        question.changes,
        answers=question.answers,
        # Without a difference, nothing runs: the network stays off, too.
        live=question.live if plan is not None and plan.steps else (),
        max_live=question.max_live,
        recorded=question.recorded,
        **where,
    )
    if options["as_json"]:
        from playhead.cli.output import echo_json

        live = None if plan is None else {"plan": plan.to_json(), "executed": result.live_steps}
        echo_json({**result.to_json(), "live": live})
        return Exit.FINE
    for line in what_if_lines(result):
        click.echo(line)
    if plan is not None and plan.steps:
        click.echo(f"live:     {result.live_steps} executed")
    return Exit.FINE


def _announce(plan: LivePlan, question: WhatIfQuestion, *, confirmed: bool) -> None:
    """Write how many steps will run for real, and ask unless the user has agreed."""
    from playhead.replay import live_plan_line
    from playhead.text import clean

    line = live_plan_line(plan)
    click.echo(line, err=True)
    if confirmed or not plan.steps:
        return
    try:
        names = ", ".join(question.live)
        agreed = click.confirm(
            clean(f"Execute {names} for real, with network and files?"), err=True
        )
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise CliError(
            "--live needs a confirmation", "Give --yes to agree beforehand.", Exit.USAGE
        ) from None
    if not agreed:
        raise click.Abort


def _pairs(option: str, texts: tuple[str, ...], journal: Journal) -> dict[str, Any]:
    from playhead.replay.targets import result_of_text

    found: dict[str, Any] = {}
    example = "#4" if option == "--set" else "get weather"
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            if not equals:
                raise ValueError("the = is missing")
            of_model = _is_of_model(option, name, journal)
            found[name] = result_of_text(value, of_model=of_model)
        except ValueError as error:
            raise CliError(
                f"{option} {text}: {error}",
                f"Write it as NAME=JSON, such as {option} '{example}=\"text\"'. Only the answer of "
                "a model call can be text without quotes.",
                Exit.USAGE,
            ) from error
    return found


def _is_of_model(option: str, name: str, journal: Journal) -> bool:
    from playhead.conventions import MODEL_STEPS
    from playhead.replay.targets import asks_model, target_of

    if option == "--answer":
        return name in MODEL_STEPS
    return asks_model(target_of(journal, name).command)
