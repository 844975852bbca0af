"""`playhead replay`: today's code against recorded journals."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.options import parse_index

if TYPE_CHECKING:
    from playhead.replay import Recording, Report

_VERDICTS = ("same", "incomplete", "diverged", "blocked", "refused", "invalid")
"""Verdicts in the order of a folder's summary."""


@click.command()
@click.argument("target", metavar="ID|FILE|DIR")
@click.option("--app", metavar="MODULE:ATTR", help="The Restate app to replay.  [PLAYHEAD_APP]")
@click.option(
    "--app-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory to import the app from.  [PLAYHEAD_APP_DIR, or the current directory]",
)
@click.option(
    "--strict/--explain",
    default=False,
    help="Show only the SDK's verdict, or every difference.  [default: --explain]",
)
@click.option(
    "--restart-from",
    callback=parse_index,
    metavar="INDEX",
    help="Replay only the entries that a restart as new keeps: those up to this index (12 or "
    "'#12'), and the results of their commands.",
)
@click.option(
    "--at",
    metavar="#INDEX|STEP|EXPR",
    help="Show code, variables and state at a journal index ('#12' or 12), at 'command 2' (its "
    "ordinal), at the first step with this name, or where a Python expression is first true in "
    "the user's frame.",
)
@click.option(
    "--pdb", is_flag=True, help="Open Python's debugger at --at, or at the first command."
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="#INDEX=JSON",
    help="Change the result of the command at this journal index. Also 'command 2=JSON', "
    "awakeable:1=JSON and signal:NAME=JSON. For a model call, text becomes its answer.",
)
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="STEP=JSON",
    help="Give the result of a step that has none in the recording, or of awakeable:1 or "
    "signal:NAME. For a model call, text becomes its answer.",
)
@click.option(
    "--live",
    multiple=True,
    metavar="STEP",
    help="Execute this step for real from the first difference on, after a confirmation. Up to "
    "there, it keeps its recorded result.",
)
@click.option(
    "--max-live",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="N",
    help="Maximum number of steps to execute with --live; after them, the run is blocked.",
)
@click.option(
    "--dry", is_flag=True, help="Answer nothing from the recording after the first difference."
)
@click.option("--yes", is_flag=True, help="Do not ask before executing steps with --live.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit of one replay.",
)
@click.option(
    "--env",
    multiple=True,
    metavar="NAME",
    help="Pass this environment variable to the app, which gets few.  [PLAYHEAD_REPLAY_ENV]",
)
@click.option(
    "--require-isolation",
    is_flag=True,
    help="Exit with 3 unless the operating system isolates the app, not only Python.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Number of processes for a folder.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.pass_context
def command(ctx: click.Context, target: str, **options: Any) -> None:
    """Run today's code against a recorded journal, without side effects.

    The argument is an invocation id or a unique prefix of one, a recording, or a folder of
    recordings. The code runs in a separate process, without network, file writes, subprocesses or
    secrets from the environment; no step is executed. With --set, --answer or --live, the code runs
    with other results, and both runs are compared.

    Exits with 0 when the code accepts the journal, 1 when it does not or when code outside a step
    tried a side effect or spoiled the answer, and 3 when the replay is not possible.
    """
    from playhead.replay import restarted

    options["app"] = options["app"] or ctx.obj.app
    options["app_dir"] = options["app_dir"] or ctx.obj.app_dir
    if not options["app"]:
        raise CliError(
            "No app given for the replay",
            "Give --app module:attribute, or set PLAYHEAD_APP.",
            Exit.USAGE,
        )
    if Path(target).is_dir():
        code = _folder(Path(target), options)
    else:
        recording = _recording(ctx, target)
        if options["restart_from"] is not None:
            recording = restarted(recording, options["restart_from"])
        if options["changes"] or options["answers"] or options["live"] or options["dry"]:
            from playhead.cli.what_if_run import run_what_if

            code = run_what_if(recording, options)
        elif options["pdb"] or options["at"] is not None:
            code = _stop(recording, options)
        else:
            code = _one(recording, options)
    ctx.exit(int(code))


def _recording(ctx: click.Context, target: str) -> Recording:
    from playhead.client import Client
    from playhead.replay import Recording

    may_be_id = target.startswith("inv_") or "inv_".startswith(target)
    if may_be_id and not Path(target).exists():
        with Client(settings=ctx.obj) as client:
            return client.recording(target)
    return Recording.load(target)


def _one(recording: Recording, options: dict[str, Any]) -> Exit:
    from playhead.replay import replay
    from playhead.replay.text import report_lines as lines

    report = replay(
        options["app"],
        recording,
        app_dir=options["app_dir"],
        timeout=options["timeout"],
        explain=not options["strict"],
        env=options["env"],
        require_isolation=options["require_isolation"],
    )
    if options["as_json"]:
        _json(report.to_json())
    else:
        click.echo(f"{_clean(recording.target)}  {recording.id}")
        for line in lines(report):
            click.echo(line)
    return _exit([report])


def _stop(recording: Recording, options: dict[str, Any]) -> Exit:
    from playhead.replay import Session
    from playhead.replay.replays import debug
    from playhead.replay.text import stop_lines as lines

    with Session.open(
        options["app"],
        recording,
        app_dir=options["app_dir"],
        timeout=options["timeout"],
        env=options["env"],
        require_isolation=options["require_isolation"],
    ) as session:
        stop = session.find(options["at"] or "command 1")
    if stop is None:
        blocked = f" A side effect was blocked: {session.blocked[0]}." if session.blocked else ""
        raise CliError(
            f"The run does not stop at {options['at'] or 'command 1'}",
            f"It goes through commands 1 to {len(session.stops)}.{blocked} Give a journal index (12"
            " or '#12'), 'command 2', the name of a step, or a Python expression."
            if session.stops
            else f"It has no command.{blocked}",
            Exit.USAGE,
        )
    if options["pdb"]:
        debug(options["app"], recording, stop, app_dir=options["app_dir"], env=options["env"])
    elif options["as_json"]:
        _json(stop.to_json())
    else:
        for line in lines(stop, len(session.stops)):
            click.echo(line)
    return Exit.FINE


def _folder(folder: Path, options: dict[str, Any]) -> Exit:
    from playhead.replay import replay_all
    from playhead.replay.replays import recordings_in
    from playhead.replay.text import report_lines as lines

    for option, is_set in (
        ("--pdb", options["pdb"]),
        ("--at", options["at"] is not None),
        ("--restart-from", options["restart_from"] is not None),
        ("--set", options["changes"]),
        ("--answer", options["answers"]),
        ("--live", options["live"]),
        ("--dry", options["dry"]),
    ):
        if is_set:
            raise CliError(
                f"{option} needs one recording", f"{folder} is a folder.", exit_code=Exit.USAGE
            )
    paths = recordings_in(folder)
    if not paths:
        raise CliError(
            f"{folder} has no recordings",
            "Save one with `playhead recording save ID FILE.journal.json`.",
            Exit.USAGE,
        )
    reports: dict[Path, Report] = {}
    progress = sys.stderr.isatty() and not options["as_json"]
    for path, report in replay_all(
        options["app"],
        paths,
        app_dir=options["app_dir"],
        timeout=options["timeout"],
        explain=not options["strict"],
        env=options["env"],
        require_isolation=options["require_isolation"],
        jobs=options["jobs"],
    ):
        reports[path] = report
        if progress:
            click.echo(f"\r{len(reports)}/{len(paths)}", nl=False, err=True)
    if progress:
        click.echo("\r\033[K", nl=False, err=True)
    verdicts = [reports[path].verdict for path in paths]
    summary = {verdict: verdicts.count(verdict) for verdict in _VERDICTS}
    if options["as_json"]:
        named = {str(path): reports[path].to_json() for path in paths}
        _json({"summary": summary, "reports": named})
        return _exit(list(reports.values()))
    for sentence in dict.fromkeys(r.isolation.sentence for r in reports.values() if r.isolation):
        click.echo(_clean(f"isolation: {sentence}"))
    for path in paths:
        if reports[path].verdict not in ("same", "incomplete") or reports[path].divergences:
            click.echo(_clean(str(path)))
            # All have the same isolation, which is named once.
            for line in lines(replace(reports[path], isolation=None)):
                click.echo(f"  {line}")
    partly = sum(bool(report.not_compared) for report in reports.values())
    if partly:
        click.echo(f"{partly} of {len(paths)} not compared in full; --json has the parts")
    click.echo(", ".join(f"{count} {verdict}" for verdict, count in summary.items() if count))
    return _exit(list(reports.values()))


def _exit(reports: list[Report]) -> Exit:
    if any(report.found for report in reports):
        return Exit.FOUND
    refused = any(report.verdict == "refused" for report in reports)
    return Exit.UNREACHABLE if refused else Exit.FINE


def _json(document: Any) -> None:
    from playhead.cli.output import echo_json

    echo_json(document)


def _clean(text: str) -> str:
    from playhead.text import clean

    return clean(text)
