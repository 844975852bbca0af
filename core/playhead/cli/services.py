"""`playhead services`: registered services and deployments, and what is pinned to them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.options import json_option
from playhead.settings import Settings

if TYPE_CHECKING:
    from rich.text import Text

    from playhead.model import DeploymentInfo, PinnedCount, ServiceInfo, ServiceReport

COLUMNS = ("SERVICE", "TYPE", "HANDLERS", "REVISION", "OPEN", "OUTDATED", "DEPLOYMENT")
NUMBERS = ("HANDLERS", "REVISION", "OPEN", "OUTDATED")
OPTIONAL = ("REVISION", "DEPLOYMENT", "HANDLERS", "TYPE")
"""Columns that a narrow terminal leaves out, in this order."""
DEPLOYMENT_COLUMNS = ("DEPLOYMENT", "ENDPOINT", "AGE", "SDK", "PROTOCOL", "OPEN", "SERVICES")
DEPLOYMENT_OPTIONAL = ("PROTOCOL", "SDK", "AGE", "SERVICES", "ENDPOINT")


@click.command()
@click.argument("name", metavar="[SERVICE]", required=False)
@click.option("--deployments", is_flag=True, help="List the deployments instead.")
@click.option(
    "--check",
    is_flag=True,
    help="Check which journals of SERVICE today's code would refuse; needs an app.",
)
@click.option("--app", metavar="MODULE:ATTR", help="The app for --check.  [PLAYHEAD_APP]")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Maximum number of invocations that --check replays.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    name: str | None,
    deployments: bool,
    check: bool,
    app: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show registered services, their handlers and deployments.

    OPEN are the invocations that have not ended, and OUTDATED those of them that are pinned to
    another deployment than the newest one: they continue on its code. With SERVICE, shows its
    handlers, retentions and timeouts, and its invocations by deployment and status. Without a
    server, shows the services of stored invocations.

    With --check, replays the invocations of SERVICE that have not ended with today's code, without
    side effects, and lists the verdicts. Exits with 1 when Restate would refuse the code for one of
    them, and with 3 when one could not be checked.
    """
    if name and deployments:
        raise click.UsageError("--deployments lists all of them: leave out SERVICE.")
    if check:
        if not name:
            raise click.UsageError("--check needs the name of a service.")
        ctx.exit(_check(ctx.obj, name, app, limit, as_json=as_json))
    report = asyncio.run(_read(ctx.obj))
    from playhead.cli.output import echo_json, note

    if name:
        service = _service(report, name)
        own = [one for one in report.deployments if name in _names(one)]
        if as_json:
            echo_json({"service": service, "deployments": own, "missing": report.missing})
        else:
            _write_service(service, report)
    elif as_json:
        echo_json(report)
    elif deployments:
        _write_deployments(report)
    else:
        _write_services(report)
    if not as_json:
        for sentence in report.missing:
            note(sentence)


async def _read(settings: Settings) -> ServiceReport:
    from playhead.reader.opening import open_reader

    async with open_reader(settings) as reader:
        return await reader.services()


def _service(report: ServiceReport, name: str) -> ServiceInfo:
    for one in report.services:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in report.services) or "none"
    raise CliError(f"No service has the name {name!r}", f"Services: {known}.", Exit.USAGE)


def _check(settings: Settings, name: str, app: str | None, limit: int, *, as_json: bool) -> Exit:
    """Replay the open invocations of a service; return the exit code."""
    from playhead.cli.output import echo_json, note, table
    from playhead.client import Client
    from playhead.errors import AppError, PlayheadError
    from playhead.filters.language import quote
    from playhead.replay import replay

    app = app or settings.app
    if not app:
        raise CliError(
            "No app given for the check",
            "Give --app module:attribute, or set PLAYHEAD_APP.",
            Exit.USAGE,
        )
    checked: list[dict[str, str]] = []
    found = unknown = False
    with Client(settings=settings) as client:
        page = client.invocations(filter=f"service={quote(name)} status:active", limit=limit)
        if not page.rows:
            _service(asyncio.run(_read(settings)), name)
        for row in page.rows:
            verdict, reason = "not checked", ""
            try:
                report = replay(
                    app, client.recording(row.id), app_dir=settings.app_dir, explain=False
                )
                found = found or report.found
                if report.verdict in ("same", "incomplete"):
                    verdict = "accepted"
                else:
                    verdict = report.verdict
                    reason = report.sdk_message or report.failure or report.reason or ""
                    unknown = unknown or verdict == "refused"
            except AppError:  # That of every invocation.
                raise
            except PlayheadError as error:
                reason, unknown = str(error), True
            checked.append({"id": row.id, "target": row.target, "status": row.status,
                            "verdict": verdict, "reason": reason})  # fmt: skip
    if as_json:
        echo_json({"checked": checked, "more": page.more, "missing": page.missing})
    else:
        if checked:
            from playhead.formatting import one_line

            rows = [
                (one["id"], one["target"], one["verdict"], one_line(one["reason"], 200))
                for one in checked
            ]
            table(("ID", "TARGET", "VERDICT", "REASON"), rows,
                  shortest={"REASON": 12, "TARGET": 12}, optional=("TARGET",))  # fmt: skip
        else:
            note(f"{name} has no invocation that has not ended.")
        if page.more:
            note("Older invocations were not checked; raise --limit.")
        for sentence in page.missing:
            note(sentence)
    if found:
        return Exit.FOUND
    return Exit.UNREACHABLE if unknown else Exit.FINE


def _names(deployment: DeploymentInfo) -> set[str]:
    return {one.rpartition(" (")[0] or one for one in deployment.services}


def _write_services(report: ServiceReport) -> None:
    from playhead.cli.output import note, table
    from playhead.formatting import UNKNOWN, count

    if not report.services:
        note("No service is registered. `restate deployments register URL` registers an endpoint.")
        return
    rows = [
        (
            one.name,
            one.type,
            count(len(one.handlers)),
            count(one.revision),
            count(one.open),
            (count(one.outdated), "yellow" if one.outdated else ""),
            one.deployment or UNKNOWN,
        )
        for one in report.services
    ]
    table(COLUMNS, rows, right=NUMBERS, shortest={"SERVICE": 12}, optional=OPTIONAL)


def _write_deployments(report: ServiceReport) -> None:
    from playhead.cli.output import note, table
    from playhead.formatting import UNKNOWN, age, count, one_line

    if not report.deployments:
        note("No deployment is registered.")
        return
    rows = [
        (
            one.id,
            one_line(one.endpoint or "") or UNKNOWN,
            age(one.created_at) if one.created_at else UNKNOWN,
            one_line(one.sdk) or UNKNOWN,
            f"{one.protocol}, {one.service_protocol}".strip(", ") or UNKNOWN,
            count(one.open),
            one_line(", ".join(one.services)),
        )
        for one in report.deployments
    ]
    table(
        DEPLOYMENT_COLUMNS, rows, right=("AGE", "OPEN"),
        shortest={"SERVICES": 12, "ENDPOINT": 12}, optional=DEPLOYMENT_OPTIONAL,
    )  # fmt: skip


def _write_service(service: ServiceInfo, report: ServiceReport) -> None:
    from playhead.cli.output import console, paint
    from playhead.formatting import one_line, pinned_line

    out = console()
    revision = f", revision {service.revision}" if service.revision else ""
    private = "" if service.public else ", not public"
    out.print(paint(f"{service.name}", "bold"), paint(f"{service.type}{revision}{private}"))
    for name, value in service.settings.items():
        out.print(paint(f"{name.replace('_', ' '):<29} {value}"))
    out.print(paint(""))
    out.print(paint("Handlers", "bold"))
    for handler in service.handlers:
        takes = f"({handler.input}) → {handler.output}" if handler.input else ""
        line = paint(f"  {handler.name}", "bold")
        kind = " ".join(filter(None, (handler.type, "" if handler.public else "not public")))
        line.append_text(paint(f"  {kind}  {one_line(takes)}"))
        out.print(line)
        if handler.documentation:
            out.print(paint(f"    {one_line(handler.documentation)}", "dim"))
        for name, value in (handler.settings or {}).items():
            out.print(paint(f"    {name.replace('_', ' ')}: {value}", "dim"))
    out.print(paint(""))
    out.print(paint("Deployments", "bold"))
    for one in report.deployments:
        counts = [count for count in one.counts if count.service == service.name]
        if counts or service.name in _names(one):
            out.print(_deployment_line(one, service, counts))
    waiting = [one for one in service.counts if one.deployment is None]
    if waiting:
        out.print(paint(f"  not pinned yet: {pinned_line(waiting)}"))


def _deployment_line(
    deployment: DeploymentInfo, service: ServiceInfo, counts: list[PinnedCount]
) -> Text:
    from playhead.cli.output import paint
    from playhead.formatting import age, one_line, pinned_line

    parts = [
        deployment.id,
        "newest" if deployment.id == service.deployment else "",
        one_line(deployment.endpoint or ""),
        one_line(deployment.sdk),
        f"{age(deployment.created_at)} old" if deployment.created_at else "",
    ]
    line = paint(f"  {'  '.join(filter(None, parts))}: ")
    old = service.deployment not in (None, deployment.id) and any(not one.ended for one in counts)
    line.append_text(paint(pinned_line(counts) or "no invocations", "yellow" if old else ""))
    return line
