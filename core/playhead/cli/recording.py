"""`playhead recording`: journals saved as files."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def command() -> None:
    """Save journals as files for replays.

    A file contains one invocation: its journal byte for byte, its state, and the events that the
    server recorded.
    """


@command.command()
@click.argument("invocation_id", metavar="ID")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--app",
    metavar="MODULE:ATTR",
    help="Also save the arguments of steps, by a replay with the code that made the recording.",
)
@click.option(
    "--keep-headers", is_flag=True, help="Keep the values of request headers, which may be secret."
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.pass_context
def save(
    ctx: click.Context,
    invocation_id: str,
    file: Path,
    app: str | None,
    keep_headers: bool,
    as_json: bool,
) -> None:
    """Save the journal of invocation ID to FILE.

    Reads the journal from the live server, or else from the store, which keeps it after the server
    has deleted it. Prompts of LLM calls come from the store's spans. Commands on a folder of
    recordings only find files that end in .journal.json.
    """
    from playhead.client import Client
    from playhead.replay.replays import annotate

    with Client(settings=ctx.obj) as client:
        recording = client.recording(invocation_id)
        missing = client.invocations(limit=1).missing
    if app is not None:
        recording = annotate(app, recording, app_dir=ctx.obj.app_dir)
    recording.save(file, keep_headers=keep_headers)
    prompts = sum("messages" in step for step in recording.steps.values())
    arguments = len(recording.steps) - prompts
    if as_json:
        from playhead.cli.output import echo_json

        echo_json(
            {
                "file": str(file),
                "id": recording.id,
                "entries": len(recording.entries),
                "prompts": prompts,
                "arguments": arguments,
                "missing": missing,
            }
        )
        return
    from playhead.cli.output import note
    from playhead.text import clean

    counts = {"prompts": prompts, "arguments": arguments}
    saved = "".join(f", {what} of {_steps(n)}" for what, n in counts.items() if n)
    click.echo(clean(f"{file}: {recording.target}, {len(recording.entries)} entries{saved}"))
    for sentence in missing:
        note(sentence)


def _steps(count: int) -> str:
    return f"{count} step" if count == 1 else f"{count} steps"
