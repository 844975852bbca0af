"""`playhead cancel`, `kill`, `pause`, `resume`, `restart` and `purge`, on one or many."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast, get_args

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.options import filter_option, json_option
from playhead.cli.questions import confirm, forbid_if_read_only

if TYPE_CHECKING:
    from playhead.model import Invocation
    from playhead.restate.bulk import Outcome, Verb
    from playhead.settings import Settings

__all__ = ["command_of"]

MOST = 10_000
"""Invocations that one call changes at most."""
SUMMARIES = {
    "cancel": "Cancel invocations: their handlers can clean up, then they end.",
    "kill": "End invocations at once, without cleanup.",
    "pause": "Pause invocations until they are resumed.",
    "purge": "Delete ended invocations and their journals from the server.",
    "restart": "Restart ended invocations as new ones with the same input.",
    "resume": "Resume paused invocations, or retry backing-off ones now.",
}
"""The first line of the help of each command."""
LISTED = 10
"""Invocations that are listed before the question."""


def command_of(verb: str) -> click.Command:
    """Return the command of one kind of change."""

    @click.argument("ids", metavar="[ID]...", nargs=-1)
    @filter_option
    @click.option("--yes", is_flag=True, help="Do not ask. Needed without a terminal.")
    @json_option
    @click.pass_context
    def command(
        ctx: click.Context,
        ids: tuple[str, ...],
        expression: str | None,
        yes: bool,
        as_json: bool,
        deployment: str | None = None,
    ) -> None:
        forbid_if_read_only(ctx, verb)
        if bool(ids) == bool(expression):
            raise CliError(
                f"{verb.capitalize()} which invocations?",
                "Name ids, or choose with --filter; not both.",
                Exit.USAGE,
            )
        asyncio.run(
            _run(ctx.obj, cast("Verb", verb), ids, expression, deployment, yes=yes, json=as_json)
        )

    if verb in ("resume", "restart"):
        command = click.option(
            "--deployment",
            metavar="ID",
            help="Deployment to use: an id, latest or keep. Default: its own.",
        )(command)
    command.__doc__ = f"""{SUMMARIES[verb]}

    An ID may be a unique prefix. With --filter, all invocations that match are changed, up to
    {MOST:,}. The command says what it does to how many, asks, and writes the outcome of each;
    those that cannot be changed are left alone. Ctrl+C sends no further change and still writes
    what was done. It exits with 1 if a change failed.
    """
    return click.command(verb)(command)


async def _run(
    settings: Settings,
    verb: Verb,
    ids: Sequence[str],
    expression: str | None,
    deployment: str | None,
    *,
    yes: bool,
    json: bool,
) -> None:
    from playhead.cli.output import echo_json, note
    from playhead.restate.bulk import CHANGES, OutcomeState, change_all
    from playhead.restate.client import RestateClient
    from playhead.restate.control import Control

    rows = await _chosen(settings, ids, expression)
    change = CHANGES[verb]
    possible = [row for row in rows if not change.refusal(row)]
    # Those that are named get a line each in any case.
    _announce(rows, verb, with_reasons=json or not ids)
    if possible and not yes:
        confirm(f"{change.label} {_number(len(possible))}?")
    stop = asyncio.Event()
    outcomes: list[Outcome] = []
    async with RestateClient(settings.admin_url, auth_token=settings.auth_token) as client:
        with _stopping(stop):
            async for outcome in change_all(
                Control(client), verb, rows, deployment=deployment, stop=stop
            ):
                outcomes.append(outcome)
                if not json and (ids or outcome.state != "left alone"):
                    _write(outcome)
    counts = {
        state: sum(one.state == state for one in outcomes) for state in get_args(OutcomeState)
    }
    if json:
        echo_json({"action": verb, "outcomes": outcomes, "counts": counts})
    elif possible and len(rows) > 1:
        note(", ".join(f"{number} {state}" for state, number in counts.items() if number) + ".")
    if counts["failed"] or counts["unknown"] or counts["not sent"]:
        sys.exit(Exit.FOUND)


async def _chosen(
    settings: Settings, ids: Sequence[str], expression: str | None
) -> list[Invocation]:
    """Return the invocations with these ids, or that match the filter.

    Raises:
        CliError: The server cannot be read, or too many match.
        NotFoundError: An id does not exist.
        AmbiguousIdError: An id is the beginning of several ones.
    """
    from playhead.async_client import AsyncClient
    from playhead.errors import AmbiguousIdError, NotFoundError
    from playhead.filters.language import quote

    text = expression or f"id:{','.join(map(quote, ids))}"
    async with AsyncClient(settings=settings) as client:
        page = await client.invocations(filter=text, limit=MOST, figures=False)
    if "live" not in page.sources:
        raise CliError("The Restate server cannot be read", "\n".join(page.missing))
    for one in ids:
        found = sum(row.id.startswith(one) for row in page.rows)
        if not found:
            raise NotFoundError(
                f"No invocation has an id that begins with {one!r}",
                "`playhead ls` lists the newest invocations.",
            )
        if found > 1:
            raise AmbiguousIdError(f"Several ids begin with {one!r}", "Write more of the id.")
    if page.more:
        raise CliError(
            f"More than {MOST:,} invocations match", "Narrow the filter, such as with since:1d.",
            Exit.USAGE,
        )  # fmt: skip
    return list(page.rows)


def _announce(rows: Sequence[Invocation], verb: Verb, *, with_reasons: bool) -> None:
    """Write what will be done to how many, and why others are left alone."""
    from collections import Counter

    from playhead.cli.output import note
    from playhead.restate.bulk import CHANGES

    change = CHANGES[verb]
    if not rows:
        note("No invocation matches.")
        return
    possible = [row for row in rows if not change.refusal(row)]
    if possible:
        note(f"{change.label} {_number(len(possible))}. {change.effect}")
    for row in possible[:LISTED]:
        note(f"  {row.id}  {row.target}  {row.status}")
    if len(possible) > LISTED:
        note(f"  and {len(possible) - LISTED} more")
    for reason, number in Counter(change.refusal(row) for row in rows).items():
        if reason and with_reasons:
            note(f"{_number(number)} left alone: {reason}.")


@contextlib.contextmanager
def _stopping(stop: asyncio.Event) -> Any:
    """Let Ctrl+C send no further change; what was sent is waited for."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGINT, stop.set)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.remove_signal_handler(signal.SIGINT)


def _write(outcome: Outcome) -> None:
    from playhead.cli.output import STYLES, console, is_terminal, paint
    from playhead.text import clean

    fields = (outcome.state, outcome.id, outcome.target, outcome.text)
    if not is_terminal():
        click.echo("\t".join(map(clean, fields)))
        return
    style = {"done": "green", "failed": STYLES["failed"], "unknown": "yellow"}.get(
        outcome.state, "dim"
    )
    line = paint(f"{outcome.state:<10}", style)
    line.append_text(paint(f"  {outcome.id}  {outcome.target}  {outcome.text}"))
    console().print(line)


def _number(number: int) -> str:
    return f"{number} invocation{'' if number == 1 else 's'}"
