"""`playhead doctor`: checks of the server, the recorder and the spans."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from playhead.cli.errors import Exit

if TYPE_CHECKING:
    from playhead.doctor.check import Check
    from playhead.settings import Settings

_MARKS = {"passed": "✓", "warning": "!", "failed": "✗", "skipped": "-"}
_ASCII_MARKS = {"passed": "+", "warning": "!", "failed": "x", "skipped": "-"}
_STYLES = {"passed": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check that everything Playhead needs is running and reachable.

    Checks the Restate server (version, deployments, tracing), the recorder and its store, and
    whether the spans of the newest invocations arrived; and how this system isolates a replay.
    Exits with 1 when a check fails.
    """
    checks = asyncio.run(_checks(ctx.obj))
    failures = sum(check.state == "failed" for check in checks)
    if as_json:
        from playhead.cli.output import echo_json

        echo_json({"checks": checks, "failed": failures})
    else:
        _write(checks, ascii_only=bool(ctx.meta.get("playhead.ascii")))
    ctx.exit(Exit.FOUND if failures else Exit.FINE)


async def _checks(settings: Settings) -> list[Check]:
    import os

    from playhead.doctor import collector, completeness, recorder, server, spans
    from playhead.record.client import connect
    from playhead.record.endpoint import read_endpoint
    from playhead.restate.client import RestateClient

    store = await connect(settings)
    endpoint = read_endpoint(settings.store)
    port = endpoint.otlp_http_port if endpoint else settings.otlp_http_port
    client = RestateClient(
        settings.admin_url, ingress_url=settings.ingress_url, auth_token=settings.auth_token
    )
    async with client:
        try:
            of_spans = await spans.spans(client, store, port)
            on_time = not any((check.problem or "").startswith("agent-clock") for check in of_spans)
            return [
                *await server.server(client),
                *await recorder.recorder(settings, store),
                *of_spans,
                *await completeness.completeness(client, store, agents_on_time=on_time),
                *await collector.collector(os.environ),
                await asyncio.to_thread(_isolation),
            ]
        finally:
            if store is not None:
                await store.close()


def _isolation() -> Check:
    from playhead.doctor.check import skipped
    from playhead.doctor.isolation import isolation
    from playhead.errors import ReplayError
    from playhead.replay.worker import measured_isolation

    try:
        found, live = measured_isolation(), measured_isolation(live=True)
    except ReplayError as error:
        return skipped("isolation", error.title)
    sentence = f"{found.sentence}; {live.live_sentence}"
    return isolation(sentence, complete=found.complete, unavailable=found.unavailable)


def _write(checks: list[Check], *, ascii_only: bool) -> None:
    from playhead.cli.output import console, paint

    out = console()
    for check in checks:
        mark = (_ASCII_MARKS if ascii_only else _MARKS)[check.state]
        line = paint(f"{mark} {check.name:<13} ", _STYLES[check.state])
        word = "" if check.state == "passed" else f"{check.state}: "
        line.append_text(paint(word + check.finding, "dim" if check.state == "skipped" else ""))
        out.print(line)
        if check.hint:
            out.print(paint(f"                {check.hint}"))
    failures = sum(check.state == "failed" for check in checks)
    summary = f"{failures} {'check' if failures == 1 else 'checks'} failed."
    out.print()
    out.print(paint(summary, "red") if failures else paint("No check failed.", "green"))
