"""`playhead demo`: agents, failures and the dashboard, all local, in a folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
from playhead.cli.errors import CliError, Exit
from playhead.cli.signals import interruptible
from playhead.conventions import END_SPAN, name_sql

if TYPE_CHECKING:
    from playhead.settings import Settings

    from playhead_samples.demo_requests import Sent
    from playhead_samples.stack import Stack

MARKER = ".playhead-demo"
RUN_SECONDS = 120.0
POLL_SECONDS = 0.2
ENDED = f"""
    SELECT count(DISTINCT invocation_id) AS ended FROM spans
    WHERE {name_sql(END_SPAN)} AND end_unix_nano > 0
"""


@click.command()
@click.option("--headless", is_flag=True, help="No dashboard: run to the end and print a table.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Where the demo keeps its state; emptied at each start.",
)
@click.option("--json", "as_json", is_flag=True, help="With --headless: one JSON document.")
@click.pass_context
def command(ctx: click.Context, headless: bool, folder: Path, as_json: bool) -> None:
    """Run sample agents and their failures, and open the dashboard.

    Starts a recorder, a restate-server, a local LLM server and the sample agents on free ports
    of 127.0.0.1, and sends requests among which a tool fails twice, the LLM answers 429 once,
    and an approval waits. Everything ends with the command. RESTATE_ADMIN_URL makes it use
    that server instead of one of its own.
    """
    headless = headless or as_json or not (sys.stdin.isatty() and sys.stdout.isatty())
    try:
        from playhead_samples import demo_requests as demo
        from playhead_samples.stack import Stack
    except ImportError as error:
        raise CliError(
            f"the sample agents are not installed: {error}",
            "pip install 'playhead[samples]'",
            Exit.UNREACHABLE,
        ) from error
    from playhead.errors import ProcessError, ServerNotFoundError

    with interruptible(), _own_folder(folder.resolve()) as home:
        try:
            stack = Stack(home, external=_external(ctx.obj), only=demo.AGENTS, say=_say)
            started = time.monotonic()
            with stack:
                _say(f"ready after {time.monotonic() - started:.1f} s")
                if stack.restate is None:
                    _say("your server's own traces go elsewhere: attempts are not known (-)")
                if headless:
                    _run_to_the_end(stack, as_json)
                else:
                    _open(stack, ctx)
                _say("stopping")
        except ServerNotFoundError as error:
            raise CliError("no restate-server", f"{error.title}\n{error.hint}") from error
        except ProcessError as error:
            raise CliError(
                "the demo could not run",
                f"{error.title}\n{error.hint}\nAll logs: {home / 'logs'}",
                Exit.UNREACHABLE,
            ) from error
    if headless and not as_json:
        click.echo(f"\nRecorded in {home / 'store'}; look again with:")
        click.echo(f"  playhead --store {_shown(home / 'store')} ls")


def _say(line: str) -> None:
    click.echo(f"demo: {line}", err=True)


def _shown(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _external(settings: Settings) -> Settings | None:
    return settings if os.environ.get("RESTATE_ADMIN_URL") else None


@contextlib.contextmanager
def _own_folder(folder: Path) -> Generator[Path]:
    """An emptied folder that is surely ours, locked against a second demo."""
    marker = folder / MARKER
    if folder.exists() and not marker.exists() and any(folder.iterdir()):
        raise CliError(
            f"{folder} is not empty and was not made by the demo",
            "It would be emptied; name another one with --dir.",
            Exit.USAGE,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock: IO[Any] = marker.open("w")
    except OSError as error:
        raise CliError(
            f"{folder} cannot be used: {error}", "Name another one with --dir."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CliError(
                f"a demo runs in {folder} already",
                "Stop it first, or give this one a folder of its own with --dir.",
            ) from error
        for entry in folder.iterdir():
            if entry == marker:
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        yield folder


def _open(stack: Stack, ctx: click.Context) -> None:
    from playhead.cli.dashboard import open_dashboard

    from playhead_samples import demo_requests as demo

    demo.arm(stack)
    problems: list[str] = []

    def send() -> None:
        try:
            for _ in demo.send(stack):
                time.sleep(POLL_SECONDS)
        except Exception as error:
            problems.append(str(error))

    threading.Thread(target=send, daemon=True).start()
    open_dashboard(
        stack.settings,
        read_only=ctx.meta["playhead.read_only"],
        ascii_only=ctx.meta["playhead.ascii"],
    )
    for problem in problems:
        _say(problem)


def _run_to_the_end(stack: Stack, as_json: bool) -> None:
    from playhead_samples import demo_requests as demo

    demo.arm(stack)
    sent: list[Sent] = []
    for one in demo.send(stack):
        _say(f"{one.invocation_id}  {one.request.what}")
        sent.append(one)
    ids = [one.invocation_id for one in sent]
    waits = [one.invocation_id for one in sent if one.request.path.startswith("Approval")]
    others = [one for one in ids if one not in waits]
    _wait_for(stack, others, "completed")
    _wait_for(stack, waits, "suspended")
    _say(f"approving {demo.approve(stack)} claim")
    _wait_for(stack, ids, "completed")
    # Ending the agents makes them export every span that they still hold.
    stack.agents.stop()
    asyncio.run(_wait_for_spans(stack, len(ids)))
    from playhead.cli.ls import command as ls

    ls.main(["--json"] if as_json else [], "ls", standalone_mode=False, obj=stack.settings)


def _wait_for(stack: Stack, ids: list[str], status: str) -> None:
    from playhead.errors import ProcessError

    from playhead_samples import demo_requests as demo

    deadline = time.monotonic() + RUN_SECONDS
    while set((seen := demo.statuses(stack, ids)).values()) != {status} or len(seen) < len(ids):
        if time.monotonic() > deadline:
            raise ProcessError(f"not all invocations were {status} after {RUN_SECONDS:g} s: {seen}")
        time.sleep(POLL_SECONDS)


async def _wait_for_spans(stack: Stack, expected: int) -> None:
    """Wait until the recorder has the server's last span of every invocation."""
    from playhead.errors import ProcessError
    from playhead.record.client import connect

    source = await connect(stack.settings)
    if source is None:
        raise ProcessError(f"the recorder does not answer any more.\n{stack.recorder.log_tail()}")
    deadline = time.monotonic() + RUN_SECONDS
    try:
        while (found := await source.rows(ENDED))[0]["ended"] < expected and stack.restate:
            if time.monotonic() > deadline:
                raise ProcessError(f"spans of {expected} invocations were expected: {found}")
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await source.close()
