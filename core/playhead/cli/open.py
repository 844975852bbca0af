"""`playhead open`: the dashboard at a place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.options import filter_option, json_option, view_option

if TYPE_CHECKING:
    from playhead.client import Client
    from playhead.saved_views import SavedView
    from playhead.settings import Settings

_PLACE = re.compile(r"(?P<id>inv_[0-9a-zA-Z]+)(?:#(?P<index>[0-9]+))?")


@click.command("open")
@click.argument("place", metavar="[ID[#INDEX]]", required=False)
@filter_option
@view_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    place: str | None,
    expression: str | None,
    view: SavedView | None,
    as_json: bool,
) -> None:
    """Open the dashboard at an invocation, at one of its steps, or with a filter.

    ID is an invocation id or a unique prefix of it, and INDEX a journal index: 'inv_1h3k#12'.
    Quote it, since # begins a comment in a shell. With --filter, opens the list with this filter,
    and with --view, the list or its groups as they were saved under a name. With --json, writes
    what would be opened instead.
    """
    if place and (expression or view):
        raise click.UsageError("--filter and --view open the list: leave out the invocation.")
    if expression and view:
        raise click.UsageError("--view has a filter: leave out --filter.")
    from playhead.client import Client

    invocation, index = _parsed(place) if place else (None, None)
    with Client(settings=ctx.obj) as client:
        if as_json:
            _write(client, invocation, index, view.filter if view else expression)
            return
        if expression:
            from playhead.filters.language import parse

            parse(expression)
        if invocation:
            invocation = _whole_id(client, invocation)
    _open(ctx, ctx.obj, invocation, index, expression, view)


def _open(
    ctx: click.Context,
    settings: Settings,
    invocation: str | None,
    index: int | None,
    expression: str | None,
    view: SavedView | None,
) -> None:
    from playhead.cli.dashboard import open_dashboard

    open_dashboard(
        settings,
        read_only=bool(ctx.meta.get("playhead.read_only")),
        ascii_only=bool(ctx.meta.get("playhead.ascii")),
        invocation=invocation,
        index=index,
        filter_=expression or "",
        view=view,
    )


def _parsed(place: str) -> tuple[str, int | None]:
    found = _PLACE.fullmatch(place)
    if found is None:
        raise CliError(
            f"{place!r} is not a place in the dashboard",
            "Name an invocation, or one of its steps: inv_1h3k or 'inv_1h3k#12'.",
            Exit.USAGE,
        )
    return found["id"], None if found["index"] is None else int(found["index"])


def _whole_id(client: Client, invocation: str) -> str:
    """Return the id that begins so: of a listed row, since a whole trace may be large."""
    rows = client.invocations(filter=f"id:{invocation}", limit=2, figures=False).rows
    if len(rows) == 1:
        return rows[0].id
    return client.invocation(invocation).summary.id  # archived, or says what is wrong


def _write(
    client: Client, invocation: str | None, index: int | None, expression: str | None
) -> None:
    from playhead.cli.output import echo_json

    if invocation is None:
        page = client.invocations(filter=expression, limit=1)
        newest = page.rows[0].id if page.rows else None
        echo_json({"filter": expression or "", "newest": newest, "missing": page.missing})
        return
    detail = client.invocation(invocation)
    steps = [s for s in detail.steps if index in (s.index, s.notification_index)]
    if index is not None and not steps:
        raise CliError(
            f"{detail.summary.id} has no step #{index}",
            f"`playhead show {detail.summary.id}` lists its steps.",
            Exit.USAGE,
        )
    step = steps[0] if index is not None else None
    echo_json({"invocation": detail.summary, "step": step, "missing": detail.missing})
