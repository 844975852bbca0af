"""`playhead record`: the recorder, until it is interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from playhead.formatting import size, whole
from playhead.settings import Settings
from playhead.text import clean

if TYPE_CHECKING:
    from playhead.record.recorder import RecorderOptions

__all__ = ["command"]

STATUS_SECONDS = 10.0
STOP_SECONDS = 8.0
"""Longest time to stop. What was acknowledged is in the request log, so nothing is lost then."""


@click.command("record")
@click.option(
    "--otlp-grpc-port",
    type=click.IntRange(0, 65535),
    help="Port for OTLP over gRPC; 0 takes a free port.",
)
@click.option(
    "--otlp-http-port",
    type=click.IntRange(0, 65535),
    help="Port for OTLP over HTTP; 0 takes a free port.",
)
@click.option(
    "--api-port",
    type=click.IntRange(0, 65535),
    help="Port for the query API; 0 takes a free port.",
)
@click.option("--no-journal", is_flag=True, help="Record traces only; do not copy journals.")
@click.pass_obj
def command(
    settings: Settings,
    otlp_grpc_port: int | None,
    otlp_http_port: int | None,
    api_port: int | None,
    no_journal: bool,
) -> None:
    """Record traces and journals into the store.

    Receives OpenTelemetry traces (OTLP over HTTP and gRPC) and copies journals from the
    Restate server. All ports listen on 127.0.0.1. Stop the recorder with Ctrl+C.
    """
    from playhead.record.recorder import RecorderOptions
    from playhead.store.query import Limits

    options = RecorderOptions(
        otlp_grpc_port=_given(otlp_grpc_port, settings.otlp_grpc_port),
        otlp_http_port=_given(otlp_http_port, settings.otlp_http_port),
        api_port=_given(api_port, settings.api_port),
        journals=not no_journal,
        limits=Limits(end_process=_start_again),
    )
    # Traces and journals contain conversations, so their files are private to the owner.
    os.umask(0o077)
    asyncio.run(_record(settings, options))


def _given(value: int | None, default: int) -> int:
    return default if value is None else value


async def _record(settings: Settings, options: RecorderOptions) -> None:
    from playhead.record.recorder import open_recorder

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if not stop.is_set():
            stop.set()
            _exit_after(STOP_SECONDS)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    async with open_recorder(settings, options) as recorder:
        endpoint = recorder.endpoint
        click.echo(f"Recording into {recorder.store.path}")
        click.echo(f"  OTLP/HTTP   http://127.0.0.1:{endpoint.otlp_http_port}/v1/traces")
        click.echo(f"  OTLP/gRPC   127.0.0.1:{endpoint.otlp_grpc_port}")
        click.echo(f"  query API   {endpoint.api_url}")
        source = settings.admin_url if options.journals else "none (--no-journal)"
        click.echo(f"  journals    {source}")
        line = ""
        while not stop.is_set():
            line = _show(_status(recorder.health()), line)
            try:
                await asyncio.wait_for(stop.wait(), STATUS_SECONDS)
            except TimeoutError:
                continue
        click.echo("Stopping: committing accepted spans …")
    click.echo("Stopped.")


def _start_again() -> None:
    """Replace this process with a new recorder; the request log holds what is not stored yet."""
    click.echo("A query cannot be interrupted. Starting the recorder again …")
    sys.stdout.flush()
    os.execv(sys.executable, sys.orig_argv)


def _exit_after(seconds: float) -> None:
    """End this process after some seconds, also while DuckDB computes what cannot be interrupted.

    A DuckDB call that holds Python's lock stops threads and signal handlers of Python, so that the
    operating system's timer ends the process.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _show(line: str, previous: str) -> str:
    """Print the status line when it has changed: output may go to a log file."""
    if line != previous:
        click.echo(line)
    return line


def _status(health: dict[str, Any]) -> str:
    parts = [f"{health['spans']} spans"]
    journals = health["journals"]
    if journals is not None:
        parts.append(f"{journals['invocations']} invocations")
        if journals["behind"]:
            done, total = journals["total"] - journals["behind"], journals["total"]
            parts.append(f"copied {whole(done)} of {whole(total)}")
        if journals["problem"]:
            parts.append(f"journals: {clean(journals['problem'])}")
    parts.append(size(health["bytes"]))
    if health["rejected_spans"]:
        parts.append(f"{health['rejected_spans']} spans rejected")
    if health["errors"]:
        parts.append(f"{health['errors']} errors, last: {clean(str(health['last_error']))}")
    return " · ".join(parts)
