"""`playhead show`: one invocation, or one step of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.options import json_option, parse_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.text import Text

    from playhead.client import Client
    from playhead.model import InvocationDetail, Step
    from playhead.reader.invocation.call_tree import CallTree
    from playhead.reader.invocation.descendants import InvocationTree

VIEWS = ("conversation", "attempts", "state", "calls", "trace", "events")


@click.command()
@click.argument("invocation_id", metavar="ID")
@click.option(
    "--step",
    "index",
    callback=parse_index,
    metavar="N",
    help="Show the step at journal index N (12 or '#12') with its complete payloads.",
)
@click.option(
    "--view",
    type=click.Choice(VIEWS),
    help="Show another view: the conversation with the models, the attempts with the steps of "
    "each, the changes of state, the calls of other handlers with their tokens and cost, all its "
    "spans as a tree, or all events by time.",
)
@click.option(
    "--children",
    is_flag=True,
    help="Show the steps of the invocations that it called, too, below the steps that called them, "
    "at any depth and across services.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    invocation_id: str,
    index: int | None,
    view: str | None,
    children: bool,
    as_json: bool,
) -> None:
    """Show one invocation: its attempts, steps, LLM calls and errors.

    ID is an invocation id or a unique prefix of one. #N is the journal index of a step. In the
    timeline, the bar of an attempt continues with the backoff (┄, or . in ASCII) or suspension
    (·, or _) after it, and the first one begins with its time in the queue (░, or :). ╳ or x marks
    failed tries of a step, and ┄ or . the backoff between them. Long idle time is cut; ⋯ or / marks
    the place above the bars.
    """
    from playhead.client import Client

    if view and index is not None:
        raise click.UsageError("--step and --view cannot be combined.")
    if children and (view or index is not None):
        raise click.UsageError("--children cannot be combined with --step or --view.")
    with Client(settings=ctx.obj) as client:
        if view == "calls":
            _write_calls(client.calls(invocation_id), as_json=as_json)
            return
        if children:
            _write_tree(client.tree(invocation_id), ctx, as_json=as_json)
            return
        detail = client.invocation(invocation_id)
        step = None if index is None else _step(client, detail, index)
    if view:
        _write_view(detail, view, as_json=as_json)
        return
    if as_json:
        from playhead.cli.output import echo_json, plain

        echo_json(detail if step is None else {**plain(step), "missing": detail.missing})
        return
    from playhead.cli import invocation_text, step_text
    from playhead.cli.output import console, is_terminal, note

    out = console()
    lines = (
        step_text.lines(step)
        if step
        else invocation_text.lines(
            detail,
            ascii_only=bool(ctx.meta.get("playhead.ascii")),
            width=out.width if is_terminal() else None,
        )
    )
    for line in lines:
        out.print(line)
    for sentence in detail.missing:
        note(sentence)


def _write_tree(tree: InvocationTree, ctx: click.Context, *, as_json: bool) -> None:
    from playhead.cli import invocation_text
    from playhead.cli.output import console, echo_json, is_terminal, note, plain

    if as_json:
        echo_json({**plain(tree.root), **{k: v for k, v in plain(tree).items() if k != "root"}})
        return
    out = console()
    for line in invocation_text.tree_lines(
        tree,
        ascii_only=bool(ctx.meta.get("playhead.ascii")),
        width=out.width if is_terminal() else None,
    ):
        out.print(line)
    for sentence in tree.missing:
        note(sentence)


def _write_view(detail: InvocationDetail, view: str, *, as_json: bool) -> None:
    from playhead.cli import view_text
    from playhead.cli.output import echo_json, note
    from playhead.reader.invocation.attempt_contents import attempt_contents
    from playhead.reader.invocation.conversation import conversation
    from playhead.reader.invocation.event_log import event_log
    from playhead.reader.invocation.key_changes import key_changes
    from playhead.reader.invocation.span_tree import span_tree

    views: dict[str, tuple[str, Callable[..., Any], Callable[..., Iterable[Text]]]] = {
        "conversation": ("turns", conversation, view_text.conversation_lines),
        "attempts": ("attempts", attempt_contents, view_text.attempt_lines),
        "state": ("changes", key_changes, view_text.state_lines),
        "trace": ("spans", span_tree, view_text.span_lines),
        "events": ("events", event_log, view_text.event_lines),
    }
    name, read, lines = views[view]
    found = read(detail)
    if as_json:
        echo_json({"id": detail.summary.id, name: found, "missing": detail.missing})
        return
    _write(lines(found))
    for sentence in detail.missing:
        note(sentence)


def _write_calls(tree: CallTree, *, as_json: bool) -> None:
    from playhead.cli import view_text
    from playhead.cli.output import echo_json, note

    if as_json:
        echo_json(tree)
        return
    _write(view_text.call_lines(tree))
    for sentence in tree.missing:
        note(sentence)


def _write(lines: Iterable[Text]) -> None:
    from playhead.cli.output import console

    out = console()
    for line in lines:
        out.print(line)


def _step(client: Client, detail: InvocationDetail, index: int) -> Step:
    found = next((step for step in detail.steps if step.index == index), None)
    if found is None:
        indexes = [f"#{step.index}" for step in detail.steps if step.index >= 0]
        raise CliError(
            f"{detail.summary.id} has no step #{index}",
            f"Its steps: {', '.join(indexes) or 'none'}",
            Exit.USAGE,
        )
    if not found.truncated:
        return found
    # Payloads above a size limit are only read on demand.
    input_ = client.payload(detail.summary.id, found.index)
    output = (
        None
        if found.notification_index is None
        else client.payload(detail.summary.id, found.notification_index)
    )
    return replace(
        found,
        input=found.input if input_ is None else input_,
        output=found.output if output is None else output,
        truncated=False,
    )
