"""`playhead doctor`: is everything there, and does it work together?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from playhead.cli.errors import Exit

if TYPE_CHECKING:
    from playhead.doctor.check import Check
    from playhead.settings import Settings

_MARKS = {"fine": "✓", "warning": "!", "fault": "✗", "skipped": "-"}
_ASCII_MARKS = {"fine": "+", "warning": "!", "fault": "x", "skipped": "-"}
_STYLES = {"fine": "green", "warning": "yellow", "fault": "red", "skipped": "dim"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check that everything Playhead needs is running and reachable.

    Looks at the Restate server, its version, deployments and tracing, at the recorder and its
    store, and whether spans of the newest invocations arrived from server and agents. Exits
    with 1 when it finds a fault.
    """
    checks = asyncio.run(_checks(ctx.obj))
    faults = [check for check in checks if check.state == "fault"]
    if as_json:
        from playhead.cli.output import echo_json

        echo_json({"checks": checks, "faults": len(faults)})
    else:
        _write(checks, ascii_only=bool(ctx.meta.get("playhead.ascii")))
    ctx.exit(Exit.FOUND if faults else Exit.FINE)


async def _checks(settings: Settings) -> list[Check]:
    from playhead.doctor import recorder as recording
    from playhead.doctor import server, spans
    from playhead.record.client import connect
    from playhead.record.endpoint import read_running
    from playhead.restate.client import RestateClient

    source = await connect(settings)
    running = read_running(settings.store)
    port = running.otlp_http_port if running else settings.otlp_http_port
    client = RestateClient(
        settings.admin_url, ingress_url=settings.ingress_url, auth_token=settings.auth_token
    )
    async with client:
        try:
            return [
                *await server.server(client),
                *await recording.recorder(settings, source),
                *await spans.spans(client, source, port),
            ]
        finally:
            if source is not None:
                await source.close()


def _write(checks: list[Check], *, ascii_only: bool) -> None:
    from playhead.cli.output import console, paint

    out = console()
    for check in checks:
        mark = (_ASCII_MARKS if ascii_only else _MARKS)[check.state]
        line = paint(f"{mark} {check.name:<13} ", _STYLES[check.state])
        word = "" if check.state == "fine" else f"{check.state}: "
        line.append_text(paint(word + check.says, "dim" if check.state == "skipped" else ""))
        out.print(line)
        if check.hint:
            out.print(paint(f"                {check.hint}"))
    faults = sum(check.state == "fault" for check in checks)
    out.print()
    word = "fault" if faults == 1 else "faults"
    out.print(paint(f"{faults} {word}.", "red") if faults else paint("No fault found.", "green"))
