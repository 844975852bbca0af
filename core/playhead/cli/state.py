"""`playhead state`: virtual objects and workflows, their values, and the history of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.options import json_option
from playhead.cli.questions import forbid_if_read_only
from playhead.cli.state_edit import edit_state, parse_change
from playhead.settings import Settings

if TYPE_CHECKING:
    from playhead.model import ObjectPage, ObjectState, StateHistory

COLUMNS = ("OBJECT", "KEYS", "SIZE", "PROMISES", "QUEUE", "LOCK")
NUMBERS = ("KEYS", "SIZE", "PROMISES", "QUEUE")
OPTIONAL = ("PROMISES", "LOCK", "QUEUE", "SIZE", "CLUSTER")
"""Columns that a narrow terminal leaves out, in this order."""
CHANGES = ("WHEN", "KEY", "CHANGE", "VALUE", "INVOCATION", "STEP")
CHANGES_OPTIONAL = ("STEP", "INVOCATION", "CHANGE")
_EMPTY_KEY = '""'
VALUE_LENGTH = 200
"""Characters of a value that a line of a list shows."""


@click.command()
@click.argument("name", metavar="[SERVICE[/KEY]]", required=False)
@click.argument("change", metavar="[set NAME JSON | delete NAME]", nargs=-1)
@click.option("--key", "state_key", metavar="NAME", help="Only this key of the state, in full.")
@click.option("--history", is_flag=True, help="Show how the state changed, newest first.")
@click.option("--text", default="", metavar="TEXT", help="Only objects whose name contains TEXT.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="Maximum number of objects, or of invocations whose journals are read.",
)
@click.option(
    "--cluster", default="", metavar="NAME", help="Cluster, which may be one that is only stored."
)
@click.option("--yes", is_flag=True, help="Do not ask. Needed without a terminal.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    name: str | None,
    change: tuple[str, ...],
    state_key: str | None,
    history: bool,
    text: str,
    limit: int,
    cluster: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Show virtual objects and workflows: their state, locks, queues and promises.

    Without KEY, lists them; with SERVICE/KEY, shows the values of one: JSON as JSON, other bytes
    as hex. LOCK is the invocation that holds the lock, and QUEUE the number of those that wait for
    it. Without a server, shows the state that the recorder copied last; of several clusters, choose
    one with --cluster. With --history, shows the changes in the journals of its invocations;
    changes through the admin API are not in them.

    With `set NAME JSON` or `delete NAME` after SERVICE/KEY, changes the state of a virtual object:
    shows the difference, asks, and leaves the state alone if it has changed meanwhile. A JSON of -
    is read from standard input.
    """
    settings: Settings = ctx.obj
    service, _, key = (name or "").partition("/")
    is_object = "/" in (name or "")
    if (history or state_key is not None) and not is_object:
        raise click.UsageError("--history and --key need the name of an object: SERVICE/KEY.")
    if is_object and text:
        raise click.UsageError("--text needs a list of objects: leave out SERVICE/KEY.")
    if change or yes:
        if not is_object or not change or history or state_key is not None:
            raise click.UsageError("A change needs SERVICE/KEY, and set NAME JSON or delete NAME.")
        if cluster:
            raise click.UsageError("A change is made at RESTATE_ADMIN_URL: leave out --cluster.")
        forbid_if_read_only(ctx, "changes of state")
        edit = edit_state(settings, service, key, parse_change(change), yes=yes, as_json=as_json)
        asyncio.run(edit)
        return
    found = asyncio.run(
        _read(
            settings, service, key if is_object else None, state_key, history, text, limit, cluster
        )
    )
    from playhead.model import ObjectPage, ObjectState

    if as_json:
        from playhead.cli.output import echo_json

        echo_json(_document(found))
    elif isinstance(found, ObjectPage):
        _write_list(found, filtered=bool(name or text or cluster))
    elif isinstance(found, ObjectState):
        _write_object(found, whole=state_key is not None)
    else:
        _write_history(found, limit, whole=state_key is not None)


async def _read(
    settings: Settings,
    service: str,
    key: str | None,
    state_key: str | None,
    history: bool,
    text: str,
    limit: int,
    cluster: str,
) -> ObjectPage | ObjectState | StateHistory:
    from contextlib import suppress
    from dataclasses import replace

    from playhead.errors import NotFoundError
    from playhead.reader.opening import open_reader

    async with open_reader(settings) as reader:
        if key is None:
            return await reader.objects.objects(
                service=service, text=text, limit=limit, cluster=cluster
            )
        if history:
            changes = await reader.state_history(service, key, limit=limit, cluster=cluster)
            if not (changes.changes or changes.state):
                with suppress(NotFoundError):  # but not when no source can be read
                    await reader.objects.object_state(service, key, cluster=cluster)
            return _only(changes, state_key)
        found = await reader.objects.object_state(service, key, cluster=cluster)
    if state_key is None:
        return found
    chosen = tuple(value for value in found.values if value.key == state_key)
    if not chosen:
        keys = ", ".join(value.key for value in found.values) or "none"
        raise CliError(
            f"The state of {service}/{key} has no key {state_key!r}", f"Its keys: {keys}.",
            Exit.USAGE,
        )  # fmt: skip
    return replace(found, values=chosen)


def _only(found: StateHistory, state_key: str | None) -> StateHistory:
    """Return the history of one key of the state; with None, of all."""
    from dataclasses import replace

    if state_key is None:
        return found
    return replace(
        found,
        changes=tuple(one for one in found.changes if one.key in (state_key, None)),
        state={name: value for name, value in found.state.items() if name == state_key},
        unexplained=tuple(name for name in found.unexplained if name == state_key),
    )


def _document(found: ObjectPage | ObjectState | StateHistory) -> Any:
    from playhead.cli.output import plain
    from playhead.model import ObjectPage, ObjectState

    document: dict[str, Any] = plain(found)
    if isinstance(found, ObjectPage):
        return {"objects": document.pop("rows"), **document}
    if isinstance(found, ObjectState):
        values = [
            {"key": one.key, "value": plain(one.value), "size": one.size} for one in found.values
        ]
        return {**document, "values": values, "size": found.size}
    return document


def _write_list(page: ObjectPage, *, filtered: bool) -> None:
    from playhead import formatting
    from playhead.cli.output import note, table

    if page.rows:
        several = page.several_clusters
        rows = [
            (
                formatting.one_line(row.name),
                *((formatting.one_line(row.cluster or ""),) if several else ()),
                formatting.count(row.keys),
                formatting.size(row.size),
                formatting.count(row.promises),
                formatting.count(row.queued),
                row.holder or "",
            )
            for row in page.rows
        ]
        columns = (COLUMNS[0], "CLUSTER", *COLUMNS[1:]) if several else COLUMNS
        table(columns, rows, right=NUMBERS, shortest={"OBJECT": 16}, optional=OPTIONAL)
    else:
        note(
            "No virtual object or workflow matches. `playhead state` lists all of them."
            if filtered
            else "No virtual object or workflow has state."
        )
    if page.total > len(page.rows):
        note(f"{page.total - len(page.rows)} more; raise --limit to see them.")
    for sentence in page.missing:
        note(sentence)


def _write_object(found: ObjectState, *, whole: bool) -> None:
    from playhead import formatting
    from playhead.cli.output import console, note, paint

    out = console()
    if whole:
        for value in found.values:
            out.print(paint(formatting.payload_text(value.raw), lines=True))
    else:
        out.print(paint(found.name, "bold"))
        out.print(paint(f"lock        {found.holder or 'free'}" if found.origin == "live"
                        else "lock        not stored"))  # fmt: skip
        for queued in found.queue or ():
            waiting = f", for {formatting.age(queued.queued_at)}" if queued.queued_at else ""
            out.print(paint(f"queued      {queued.id}{waiting}"))
        for promise in found.promises or ():
            text = "not completed"
            if promise.completed:
                text = promise.failure or formatting.one_line(
                    formatting.pretty(promise.value), VALUE_LENGTH
                )
            out.print(paint(f"promise     {formatting.one_line(promise.name)}: {text}"))
        for value in found.values:
            out.print(paint(""))
            key = formatting.one_line(value.key) or _EMPTY_KEY
            out.print(paint(f"{key}  {formatting.size(value.size)}", "bold"))
            for line in formatting.payload_text(value.raw).splitlines():
                out.print(paint(f"  {line}"))
        if not found.values:
            note("It has no state.")
    for sentence in found.missing:
        note(sentence)


def _write_history(found: StateHistory, limit: int, *, whole: bool) -> None:
    from playhead import formatting
    from playhead.cli.output import note, table

    length = None if whole else VALUE_LENGTH
    rows = [
        (
            formatting.date_time(one.at),
            "all keys" if one.key is None else formatting.one_line(one.key) or _EMPTY_KEY,
            one.action,
            formatting.one_line(formatting.pretty(_hex(one.value)), length)
            if one.action == "set"
            else "",
            one.invocation_id,
            f"#{one.index}",
        )
        for one in reversed(found.changes)
    ]
    if rows:
        table(CHANGES, rows, shortest={"VALUE": 12, "KEY": 6}, optional=CHANGES_OPTIONAL)
    else:
        note("No journal that is available changed it.")
    if found.more:
        note(f"Only the journals of the newest {limit} invocations were read; raise --limit.")
    if found.unexplained:
        note(formatting.unexplained_line(found.unexplained))
    for sentence in found.missing:
        note(sentence)


def _hex(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
