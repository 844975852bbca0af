"""`playhead recording`: journals saved as files."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def command() -> None:
    """Save journals as files to replay.

    A file holds one invocation: its journal byte for byte, its state, and the events that the
    server recorded.
    """


@command.command()
@click.argument("invocation_id", metavar="ID")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--app",
    metavar="MODULE:ATTR",
    help="Also save the arguments of each step, by replaying it with the code that made it.",
)
@click.option(
    "--keep-headers", is_flag=True, help="Keep the values of request headers; they may be secret."
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

    Reads it from the live server, else from the recorder's store, which keeps it after the
    server has deleted it. The prompts of model calls come from the recorder's spans. FILE has to
    end in .journal.json to be found in a folder of recordings.
    """
    from playhead.client import Client
    from playhead.replay.replays import annotate

    with Client(settings=ctx.obj) as client:
        recording = client.recording(invocation_id)
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
            }
        )
        return
    from playhead.text import clean

    counts = {"prompts": prompts, "arguments": arguments}
    saved = "".join(f", {what} of {_steps(n)}" for what, n in counts.items() if n)
    click.echo(clean(f"{file}: {recording.target}, {len(recording.entries)} entries{saved}"))


def _steps(count: int) -> str:
    return f"{count} step" if count == 1 else f"{count} steps"
