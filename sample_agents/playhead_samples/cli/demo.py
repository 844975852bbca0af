"""`playhead demo`: sample agents, injected failures and the dashboard, all on this machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
from playhead.cli.errors import CliError, Exit
from playhead.conventions import END_SPAN, name_sql
from playhead.errors import ProcessError

from playhead_samples.cli import samples_installed

if TYPE_CHECKING:
    from playhead.settings import Settings

    from playhead_samples.stack import Stack

__all__ = ["command"]

MARKER = ".playhead-demo"
KEPT = "dashboard.json"
"""File of what the dashboard keeps, in the folder of the demo."""
SPANS_SECONDS = 120.0
POLL_SECONDS = 0.2
ENDED_INVOCATIONS = f"""
    SELECT count(DISTINCT invocation_id) AS ended FROM spans
    WHERE {name_sql(END_SPAN)} AND end_unix_nano > 0
"""


@click.command()
@click.option("--headless", is_flag=True, help="Do not open the dashboard; print a table instead.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Folder of the demo's data; emptied at each start.",
)
@click.option(
    "--collector", is_flag=True, help="Send all spans through an OpenTelemetry Collector."
)
@click.option(
    "--to",
    "targets",
    type=click.Choice(
        ("jaeger", "phoenix", "langfuse", "logfire", "datadog", "honeycomb", "tempo")
    ),
    multiple=True,
    help="Target of the Collector besides the recorder; can be repeated. Implies --collector.",
)
@click.option(
    "--otlp",
    metavar="URL",
    help="Send all spans to this OTLP/HTTP address, such as your Collector.",
)
@click.option("--json", "as_json", is_flag=True, help="Imply --headless; print one JSON document.")
@click.pass_context
def command(
    ctx: click.Context,
    headless: bool,
    folder: Path,
    collector: bool,
    targets: tuple[str, ...],
    otlp: str | None,
    as_json: bool,
) -> None:
    """Run sample agents with injected failures, and open the dashboard.

    Starts a recorder, a restate-server, a local LLM server and the sample agents on free ports
    of 127.0.0.1, and sends requests to the agents. One tool fails twice, the LLM answers 429
    once, and one approval waits for a decision. All processes end with the command. If
    RESTATE_ADMIN_URL is set, the demo uses that server instead of starting one.

    With --collector, spans go through a Collector (otelcol-contrib on PATH, or from `make
    targets`) to the recorder, to a file and to the targets of --to. With --otlp, they go to URL
    only: let your Collector pass them on to the recorder, whose address is printed.
    """
    if otlp and (collector or targets):
        raise click.UsageError("--otlp excludes --collector and --to.")
    headless = headless or as_json or not (sys.stdin.isatty() and sys.stdout.isatty())
    with samples_installed():
        from playhead_samples import demo_requests as demo
        from playhead_samples.collector import require_keys
        from playhead_samples.stack import Stack

    require_keys(targets, os.environ)
    with _demo_folder(folder.resolve()) as home:
        try:
            stack = Stack(
                home,
                external=_external(ctx.obj),
                only=demo.AGENTS,
                collector=targets if collector or targets else None,
                otlp_url=otlp.rstrip("/").removesuffix("/v1/traces") if otlp else None,
                report=_report,
            )
            started = time.monotonic()
            with stack:
                _report(f"ready after {time.monotonic() - started:.1f} s")
                if stack.restate is None:
                    _report("your server does not send its traces here: attempts are unavailable")
                _report_addresses(stack, targets)
                if headless:
                    _run_headless(stack, as_json)
                else:
                    _run_dashboard(stack, ctx, home / KEPT)
                _report("stopping")
        except ProcessError as error:
            hint = f"{error.hint}\nThe logs of the demo are in {_relative(home / 'logs')}."
            raise CliError(error.title, hint.lstrip()) from error
    if headless and not as_json:
        store = _relative(home / "store")
        click.echo(f"\nThe store is in {store}. To query it again:")
        click.echo(f"  playhead --store {store} ls")


def _report(line: str) -> None:
    click.echo(f"demo: {line}", err=True)


def _report_addresses(stack: Stack, targets: Sequence[str]) -> None:
    """Tell where spans can be seen besides Playhead."""
    from playhead_samples.collector import web_address

    if stack.collector is not None:
        _report(f"all spans go through the Collector at {stack.collector.url}")
        _report(f"archive: {_relative(stack.collector.archive)}")
        for name in targets:
            _report(f"{name}: {web_address(name, os.environ)}")
    elif stack.otlp_url != stack.recorder_url:
        _report(f"all spans go to {stack.otlp_url}; the recorder listens at {stack.recorder_url}")


def _relative(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _external(settings: Settings) -> Settings | None:
    return settings if os.environ.get("RESTATE_ADMIN_URL") else None


@contextlib.contextmanager
def _demo_folder(folder: Path) -> Generator[Path]:
    """Empty a folder that an earlier demo created, and lock it against a second demo."""
    marker = folder / MARKER
    if folder.exists() and not marker.exists() and any(folder.iterdir()):
        raise CliError(
            f"{folder} is not empty and was not created by the demo",
            "The demo would delete its contents. Choose another folder with --dir.",
            Exit.USAGE,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock: IO[Any] = marker.open("w")
    except OSError as error:
        raise CliError(
            f"{folder} cannot be used: {error}", "Choose another folder with --dir."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CliError(
                f"Another demo is already running in {folder}",
                "Stop it first, or choose another folder with --dir.",
            ) from error
        for entry in folder.iterdir():
            if entry == marker:
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        yield folder


def _run_dashboard(stack: Stack, ctx: click.Context, kept: Path) -> None:
    """Open the dashboard while requests are sent in the background.

    It begins without the filter and the places of earlier runs, which are about other invocations.
    """
    from playhead.cli.dashboard import open_dashboard

    from playhead_samples import demo_requests as demo

    demo.inject_faults(stack)
    errors: list[str] = []

    def send() -> None:
        try:
            for _ in demo.send(stack):
                time.sleep(POLL_SECONDS)
        except Exception as error:
            errors.append(str(error))

    threading.Thread(target=send, daemon=True).start()
    open_dashboard(
        stack.settings,
        read_only=ctx.meta["playhead.read_only"],
        ascii_only=ctx.meta["playhead.ascii"],
        restart=stack.start_recorder,
        keep_in=kept,
    )
    for error in errors:
        _report(error)


def _run_headless(stack: Stack, as_json: bool) -> None:
    """Send all requests, approve the claim, and list the invocations."""
    from playhead.cli.ls import command as ls

    from playhead_samples import demo_requests as demo

    demo.inject_faults(stack)
    ids: list[str] = []
    approvals: list[str] = []
    for sent in demo.send(stack):
        _report(f"{sent.invocation_id}  {sent.request.title}")
        ids.append(sent.invocation_id)
        if sent.request.path.startswith("Approval"):
            approvals.append(sent.invocation_id)
    demo.wait_for_status(stack, [id_ for id_ in ids if id_ not in approvals], "completed")
    demo.wait_for_status(stack, approvals, "suspended")
    count = demo.approve(stack)
    _report(f"approved {count} claim{'' if count == 1 else 's'}")
    demo.wait_for_status(stack, ids, "completed")
    # At their end, the agents export the spans that are still queued.
    stack.agents.stop()
    if stack.restate is not None and (stack.collector or stack.otlp_url == stack.recorder_url):
        _wait_for_spans(stack, len(ids) + demo.CALLED)
    ls.main(["--json"] if as_json else [], "ls", standalone_mode=False, obj=stack.settings)


def _wait_for_spans(stack: Stack, invocations: int) -> None:
    """Wait until the recorder has the server's last span of every invocation."""
    from playhead import Client

    deadline = time.monotonic() + SPANS_SECONDS
    with Client(settings=stack.settings) as client:
        while (ended := client.sql(ENDED_INVOCATIONS)[0]["ended"]) < invocations:
            if time.monotonic() > deadline:
                raise ProcessError(
                    f"The recorder has the last span of only {ended} of {invocations} "
                    f"invocations after {SPANS_SECONDS:g} s",
                    stack.recorder.log_tail(),
                )
            time.sleep(POLL_SECONDS)
        # Within half a second the recorder confirms that no attempt is missing.
        while any(row.attempts is None for row in client.invocations(limit=invocations).rows):
            if time.monotonic() > deadline:
                return
            time.sleep(POLL_SECONDS)
