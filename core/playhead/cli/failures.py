"""`playhead failures`: groups of equal failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.options import archived_option, filter_option, json_option

if TYPE_CHECKING:
    from playhead.model import FailureGroup, FailureGroups, InvocationPage

COLUMNS = ("ID", "COUNT", "INVOCATIONS", "STUCK", "ERROR", "STEP", "SERVICE", "PLACE", "TREND",
           "FIRST", "LAST")  # fmt: skip
NUMBERS = ("COUNT", "INVOCATIONS", "STUCK", "FIRST", "LAST")
OPTIONAL = ("FIRST", "TREND", "STUCK", "PLACE", "INVOCATIONS", "SERVICE", "STEP")
"""Columns that a narrow terminal leaves out, in this order."""
INVOCATIONS = 10
"""Newest invocations of a group that are listed."""


@click.command()
@click.argument("fingerprint", metavar="[ID]", required=False)
@filter_option
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=25,
    show_default=True,
    help="Maximum number of groups.",
)
@archived_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    fingerprint: str | None,
    expression: str | None,
    limit: int,
    archived: bool,
    as_json: bool,
) -> None:
    """Group equal failures: same error, step, service and place in the code.

    With the ID of a group, or a prefix of it, shows its latest failure and its newest invocations.
    COUNT are failed attempts and terminal errors that Restate recorded, STUCK the invocations that
    are paused or backing off, FIRST and LAST how long ago they failed. `playhead ls --filter
    failure:ID` lists all invocations of a group.
    """
    from playhead.cli.output import echo_json
    from playhead.client import Client

    with Client(settings=ctx.obj, archived=archived) as client:
        found = client.failures(filter=expression, limit=limit, fingerprint=fingerprint or "")
        page = None
        if fingerprint:
            if not found.groups:
                raise CliError(
                    f"No group of failures has an ID that begins with {fingerprint!r}",
                    "`playhead failures` lists the groups.",
                    Exit.USAGE,
                )
            if len(found.groups) == 1:
                wanted = f"failure:{found.groups[0].fingerprint}"
                both = f"{wanted} {expression}" if expression else wanted
                page = client.invocations(filter=both, limit=INVOCATIONS)
    if as_json:
        echo_json(found if page is None else {**_plain(found), "newest": page.rows})
    elif page is not None:
        _write_group(found.groups[0], page, ascii_only=bool(ctx.meta.get("playhead.ascii")))
    else:
        _write(found, ascii_only=bool(ctx.meta.get("playhead.ascii")))


def _plain(found: FailureGroups) -> dict[str, object]:
    from playhead.cli.output import plain

    document: dict[str, object] = plain(found)
    return document


def _write(found: FailureGroups, *, ascii_only: bool) -> None:
    from playhead.cli.output import note, table

    if found.groups:
        table(
            COLUMNS,
            [_cells(group, ascii_only) for group in found.groups],
            right=NUMBERS,
            shortest={"ERROR": 12, "STEP": 8, "SERVICE": 8, "PLACE": 8},
            optional=OPTIONAL,
        )
    else:
        note("No failure is recorded.")
    if found.total > len(found.groups):
        note(f"{found.total - len(found.groups)} more groups; raise --limit to see them.")
    for sentence in found.missing:
        note(sentence)


def _cells(group: FailureGroup, ascii_only: bool) -> tuple[str, ...]:
    from playhead import formatting

    return (
        group.fingerprint,
        formatting.count(group.count),
        formatting.count(group.invocations),
        formatting.count(group.stuck),
        formatting.one_line(group.error, 80),
        formatting.one_line(group.step),
        group.service,
        formatting.place(group),
        formatting.sparkline(group.trend, ascii_only=ascii_only),
        formatting.age(group.first_at),
        formatting.age(group.last_at),
    )


def _write_group(group: FailureGroup, page: InvocationPage, *, ascii_only: bool) -> None:
    from playhead import formatting
    from playhead.cli.output import STYLES, console, note, paint

    out = console()
    out.print(paint(formatting.one_line(group.error), "bold"))
    for name, value in (
        ("id", group.fingerprint),
        ("step", formatting.one_line(group.step)),
        ("service", group.service),
        ("place", formatting.place(group)),
        ("failures", f"{group.count}, {group.terminal} of them ended an invocation"),
        ("invocations", f"{group.invocations}, {group.stuck} of them stuck"),
        ("first", f"{formatting.date_time(group.first_at)}, {formatting.age(group.first_at)} ago"),
        ("last", f"{formatting.date_time(group.last_at)}, {formatting.age(group.last_at)} ago"),
        ("trend", formatting.sparkline(group.trend, ascii_only=ascii_only)),
        ("deployments", ", ".join(group.deployments)),
        ("message", formatting.one_line(group.message)),
    ):
        if value:
            out.print(paint(f"{name:<11} {value}"))
    if group.stacktrace:
        out.print(paint(""))
        for line in group.stacktrace.rstrip().splitlines():
            out.print(paint(f"  {line}", "dim"))
    out.print(paint(""))
    out.print(paint("Newest invocations", "bold"))
    for row in page.rows:
        line = paint(f"  {row.id}  {row.target}  ")
        line.append_text(paint(row.status, STYLES[row.status]))
        out.print(line)
    if page.more:
        note(f"To see all, use `playhead ls --filter failure:{group.fingerprint}`.")
    for sentence in page.missing:
        note(sentence)
