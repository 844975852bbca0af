"""`playhead record`: the recorder, until it is interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from playhead.cli.garbage_collection import rare_collection
from playhead.cli.output import echo_json
from playhead.cli.questions import forbid_if_read_only
from playhead.formatting import date_time, size, whole
from playhead.settings import Settings
from playhead.text import clean, escape_json, without_password
from playhead.values import utc_text

if TYPE_CHECKING:
    from playhead.record.recorder import Recorder, RecorderOptions
    from playhead.store.retention import Keep

__all__ = ["command"]

STATUS_SECONDS = 10.0
SWITCH_SECONDS = 0.0005
"""Time that a thread which computes in Python keeps the interpreter while others wait for it.

A query changes threads some ten times, and waits as often when spans are being decoded.
"""
PROCESS_BYTES = 768 * 1024 * 1024
"""Memory of the recorder from which slow queries end during which it has grown."""
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
@click.option(
    "--archive-after",
    type=click.IntRange(1),
    metavar="DAYS",
    help="Move invocations to Parquet files this many days after their end.",
)
@click.option(
    "--delete-after",
    type=click.IntRange(1),
    metavar="DAYS",
    help="Delete invocations from the database this many days after their end.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="TABLE=LIMIT",
    help="Delete the oldest rows of TABLE (spans, journal, journal_events) that exceed an age "
    "(12h, 30d, 8w) or a size on disk (500MB, 10GB); repeatable. Rows of invocations that have not "
    "ended stay.",
)
@click.option("--status", is_flag=True, help="Show the state of the running recorder, and exit.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON: one line per change of state.")
@click.pass_context
def command(
    ctx: click.Context,
    otlp_grpc_port: int | None,
    otlp_http_port: int | None,
    api_port: int | None,
    no_journal: bool,
    archive_after: int | None,
    delete_after: int | None,
    keep: tuple[str, ...],
    status: bool,
    as_json: bool,
) -> None:
    """Record traces and journals into the store.

    Receives OpenTelemetry traces (OTLP over HTTP and gRPC) and copies journals from the
    Restate server. All ports listen on 127.0.0.1. Stop the recorder with Ctrl+C.
    """
    settings: Settings = ctx.obj
    if status:
        _show_status(asyncio.run(_health(settings)), as_json)
        return
    from playhead.record.allocators import return_freed_memory
    from playhead.record.open_files import allow_more_open_files
    from playhead.record.recorder import RecorderOptions
    from playhead.store.query_limits import Limits

    limits = _limits(keep, settings)
    if limits or delete_after:
        forbid_if_read_only(ctx, "deletions, as by --keep and --delete-after")
    return_freed_memory()
    allow_more_open_files()
    options = RecorderOptions(
        otlp_grpc_port=_given(otlp_grpc_port, settings.otlp_grpc_port),
        otlp_http_port=_given(otlp_http_port, settings.otlp_http_port),
        api_port=_given(api_port, settings.api_port),
        journals=not no_journal,
        archive_after=archive_after,
        delete_after=delete_after,
        keep=limits,
        limits=Limits(process=PROCESS_BYTES, end_process=_start_again),
    )
    # Traces and journals contain conversations, so their files are private to the owner.
    os.umask(0o077)
    with rare_collection():
        asyncio.run(_record(settings, options, as_json))


def _limits(flags: tuple[str, ...], settings: Settings) -> tuple[Keep, ...]:
    """Return the limits of the command line, or else of the settings."""
    from playhead.errors import SettingsError
    from playhead.store.retention import parse_keep

    try:
        return tuple(parse_keep(text) for text in flags or settings.keep)
    except ValueError as error:
        raise SettingsError(f"keep: {error}", "Write it as spans=30d.") from error


async def _health(settings: Settings) -> dict[str, Any]:
    from playhead.errors import RecorderError
    from playhead.record.client import connect

    client = await connect(settings)
    try:
        health = await client.health() if client is not None else None
    finally:
        if client is not None:
            await client.close()
    if health is None:
        raise RecorderError(
            f"No recorder is running for the store {settings.store}",
            "Start one with `playhead record`, or choose another store with --store.",
        )
    return health


def _show_status(health: dict[str, Any], as_json: bool) -> None:
    if as_json:
        echo_json(health)
        return
    ports = ", ".join(f"{name} {port}" for name, port in health["ports"].items())
    started = date_time(datetime.fromisoformat(health["started_at"]))
    waiting, log = whole(health["waiting_requests"]), size(health["log_bytes"])
    rows = [
        ("recorder", f"process {health['pid']}, since {started}"),
        ("store", f"{health['store']}, {size(health['bytes'])}"),
        ("ports", ports),
        ("spans", f"{whole(health['spans'])} stored, {whole(health['received_spans'])} received"
         f" since the start, {whole(health['rejected_spans'])} rejected"),
        ("log", f"{waiting} requests wait for their commit, {log}"),
    ]  # fmt: skip
    if behind := health.get("text_index_behind"):
        rows.append(("text", f"{whole(behind)} invocations are not in the text index yet"))
    rows += [("rejected", f"{count}: {why}") for why, count in health["rejected_by_reason"].items()]
    rows += [
        ("dropped", f"{whole(count)} requests with {signal}: only traces are stored")
        for signal, count in health.get("dropped_requests", {}).items()
    ]
    if health["set_aside_requests"]:
        rows.append(("set aside", f"{health['set_aside_requests']} requests could not be stored"))
    if health["damaged_log_bytes"]:
        rows.append(("damaged", f"{health['damaged_log_bytes']} bytes of the log were unreadable"))
    journals = health["journals"]
    if journals is None:
        rows.append(("journals", "not copied (--no-journal)"))
    else:
        done = whole(journals["total"] - journals["behind"])
        text = f"{done} of {whole(journals['total'])} invocations copied"
        rows.append(("journals", f"{text} from {journals['admin_url']}"))
        if journals["problem"]:
            rows.append(("problem", journals["problem"]))
    if health["errors"]:
        rows.append(("errors", f"{health['errors']}, last: {health['last_error']}"))
    for name, text in rows:
        click.echo(f"{name:<10}{clean(text)}")


def _given(value: int | None, default: int) -> int:
    return default if value is None else value


async def _record(settings: Settings, options: RecorderOptions, as_json: bool) -> None:
    from playhead.cli.output import note
    from playhead.record.ownership import exposure
    from playhead.record.recorder import open_recorder

    sys.setswitchinterval(SWITCH_SECONDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if not stop.is_set():
            stop.set()
            _exit_after(STOP_SECONDS)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    async with open_recorder(settings, options) as recorder, contextlib.AsyncExitStack() as stack:
        gc.freeze()  # what is here stays, and looking through it for cycles stops all threads
        stack.callback(gc.unfreeze)  # or libraries complain about leaks at the end
        endpoint = recorder.endpoint
        if exposed := exposure(recorder.store.folder):
            note(f"Warning: {exposed}")
        if (log := recorder.store.set_aside_log) is not None:
            note(f"Warning: the write-ahead log of the store was damaged; it is kept as {log}")
        if files := recorder.store.set_aside_files:
            note(
                f"Warning: {whole(files)} archived {'file is' if files == 1 else 'files are'} of a"
                f" run that was interrupted, or of another database, and not read:"
                f" {recorder.store.folder / 'archive'} has them as *.set-aside"
            )
        if as_json:
            await _log_states(recorder, stop)
            return
        click.echo(f"Recording into {recorder.store.path}")
        click.echo(f"  OTLP/HTTP   http://127.0.0.1:{endpoint.otlp_http_port}/v1/traces")
        click.echo(f"  OTLP/gRPC   127.0.0.1:{endpoint.otlp_grpc_port}")
        click.echo(f"  query API   {endpoint.api_url}")
        source = without_password(settings.admin_url) if options.journals else "none (--no-journal)"
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


async def _log_states(recorder: Recorder, stop: asyncio.Event) -> None:
    """Write the state as JSON lines when it has changed, and when the recorder stops."""
    line = ""
    event = "started"
    while not stop.is_set():
        health = recorder.health()
        status = _status(health)
        if status != line:
            _log(event, health)
        line, event = status, "changed"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), STATUS_SECONDS)
    _log("stopping", recorder.health())


def _log(event: str, health: dict[str, Any]) -> None:
    now = utc_text(datetime.now(UTC), timespec="milliseconds")
    click.echo(escape_json(json.dumps({"time": now, "event": event, **health})))


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
