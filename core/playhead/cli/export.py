"""`playhead export`: spans to OTLP targets and files, and one invocation as a page."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.garbage_collection import rare_collection
from playhead.cli.options import filter_option, json_option, parse_since
from playhead.settings import Settings

if TYPE_CHECKING:
    from playhead.export.report import Report
    from playhead.export.stored_spans import Part, Selection, SpanReader, StoredSpan
    from playhead.export.targets import Target
    from playhead.export.traces import Prepare
    from playhead.record.client import StoreClient

FILE, PARQUET = "file", "parquet"
NAMES = ("otlp", "jaeger", "langfuse", "phoenix", "logfire", "datadog", FILE, PARQUET)

Progress = Callable[["Report"], None]


@click.group()
def command() -> None:
    """Export what was recorded to other tools."""


@command.command()
@click.option("--to", "name", type=click.Choice(NAMES), required=True, help="Kind of the target.")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--endpoint", metavar="URL", help="Address of the target.")
@click.option(
    "--header",
    "headers",
    metavar="NAME=VALUE",
    multiple=True,
    help="Header of every request. Put keys in PLAYHEAD_EXPORT_HEADERS or in the variables of the "
    "target: the history of a shell keeps commands.",
)
@click.option(
    "--since",
    callback=parse_since,
    metavar="TIME",
    help="Only spans since TIME: an age (90s, 15m, 2h, 3d) or an ISO 8601 time.",
)
@filter_option
@click.option("--archived", is_flag=True, help="Also spans that `playhead archive` has moved.")
@click.option(
    "--agents-only",
    is_flag=True,
    help="Leave out Restate's own spans; what is below them moves up.",
)
@click.option("--as-stored", is_flag=True, help="Add nothing for the target to the spans.")
@click.option("--again", is_flag=True, help="Send spans again that the target has accepted before.")
@click.option(
    "--retry-for",
    type=click.FloatRange(0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Time for which a request is repeated while the target does not accept it.",
)
@json_option
@click.pass_obj
def traces(
    settings: Settings,
    name: str,
    path: Path | None,
    endpoint: str | None,
    headers: tuple[str, ...],
    since: datetime | None,
    expression: str | None,
    archived: bool,
    agents_only: bool,
    as_stored: bool,
    again: bool,
    retry_for: float,
    as_json: bool,
) -> None:
    """Send the spans of the store to a target, or write them to PATH.

    Targets take OTLP over HTTP: otlp, jaeger, langfuse, phoenix, logfire, datadog. With --to file,
    PATH is a new file of OTLP/JSON lines; with --to parquet, it is a folder of Parquet files by
    day. Spans that are still open are left out. An interrupted export continues where it stopped,
    and a later one sends only what is new.
    """
    from playhead.export.targets import find_target, parse_headers

    to_path = name in (FILE, PARQUET)
    if to_path and path is None:
        raise click.UsageError(f"--to {name} needs a PATH.")
    if to_path and (endpoint or headers or again):
        raise click.UsageError(f"--to {name} takes no --endpoint, --header or --again.")
    if not to_path and path is not None:
        raise click.UsageError(f"--to {name} takes no PATH; name its address with --endpoint.")
    if archived and expression:
        raise click.UsageError("--archived excludes --filter, which knows the store only.")
    if agents_only and (to_path or as_stored or name == "otlp"):
        raise click.UsageError("--agents-only changes spans: name a tool, without --as-stored.")
    target = None
    if not to_path:
        given: dict[str, str] = {}
        for header in headers:
            key, separator, value = header.partition("=")
            if not separator:
                raise click.BadParameter("Write NAME=VALUE.", param_hint="--header")
            given |= parse_headers(f"{key}={value.replace(',', '%2C')}", "--header")
        target = find_target(name, endpoint, given, os.environ)
    with rare_collection(), _progress() as progress:
        report = asyncio.run(
            _export(
                settings,
                target,
                name,
                path,
                since,
                expression,
                archived,
                agents_only,
                as_stored,
                again,
                retry_for,
                progress,
            )
        )
    if as_json:
        _write_json(report, name, path, target)
    else:
        _write(report, name, path, target)
    if report.rejected:
        raise SystemExit(Exit.FOUND)


async def _export(
    settings: Settings,
    target: Target | None,
    name: str,
    path: Path | None,
    since: datetime | None,
    expression: str | None,
    archived: bool,
    agents_only: bool,
    as_stored: bool,
    again: bool,
    patience: float,
    progress: Progress,
) -> Report:
    from playhead.errors import PlayheadError
    from playhead.export.report import Report
    from playhead.export.stored_spans import SpanReader
    from playhead.record.client import connect

    client = await connect(settings, complete=True)
    if client is None:
        raise CliError(
            f"No recorder is running, and {settings.store} has no store",
            "Start `playhead record`, or name another folder with --store.",
        )
    try:
        reader = SpanReader(client, await _selection(client, since, expression, archived))
        report = Report(await reader.totals())
        if target is None:
            assert path is not None
            await _to_path(reader, name, path, report, progress)
            return report
        await _refuse_own_recorder(settings, target)
        try:
            prepare = None if as_stored else _preparation(client, reader, target, agents_only)
            await _to_target(settings, reader, target, prepare, again, patience, report, progress)
        except (PlayheadError, asyncio.CancelledError) as error:
            done = f"{_were_accepted(report.accepted)} before."
            if isinstance(error, PlayheadError):
                raise type(error)(error.title, f"{error.hint}\n{done}".strip()) from error
            raise CliError(
                "Interrupted", f"{done} Run the command again to continue.", Exit.INTERRUPTED
            ) from None
        return report
    finally:
        await client.close()


async def _selection(
    client: StoreClient, since: datetime | None, expression: str | None, archived: bool
) -> Selection:
    """Return what to export. Raises FilterError."""
    from playhead.export.stored_spans import Selection
    from playhead.filters.language import parse
    from playhead.filters.store import USED_MODELS, prices_of, stored_ids

    if not expression:
        return Selection(since, archived=archived)
    wanted = parse(expression)
    prices = prices_of(await client.rows(USED_MODELS)) if wanted.needs_prices else "[]"
    sql, parameters = stored_ids(wanted, datetime.now(UTC), prices)
    rows = await client.rows(sql, parameters)
    return Selection(since, frozenset(row["id"] for row in rows), sql, tuple(parameters))


async def _to_path(
    reader: SpanReader, name: str, path: Path, report: Report, progress: Progress
) -> None:
    from playhead.export.files import write_otlp_json, write_parquet

    write = write_otlp_json if name == FILE else write_parquet
    await write(reader, path, report, progress)


async def _to_target(
    settings: Settings,
    reader: SpanReader,
    target: Target,
    prepare: Prepare | None,
    again: bool,
    patience: float,
    report: Report,
    progress: Progress,
) -> None:
    from playhead.cli.output import note
    from playhead.export.delivery import Delivery
    from playhead.export.sent_spans import SentSpans
    from playhead.export.traces import send_traces

    def pause(seconds: float, problem: str) -> None:
        if seconds >= 2:
            place = f"{target.kind.title} at {target.shown_url}"
            note(f"{place} does not accept spans: {problem}; trying again in {seconds:.0f} s.")

    with SentSpans(settings.store, target.kind.name, target.identity) as sent:
        if again:
            sent.clear()
        async with Delivery(target, patience=patience, pause=pause) as delivery:
            await send_traces(
                reader, delivery, sent, target.kind, report, prepare=prepare, progress=progress
            )


def _preparation(
    client: StoreClient, reader: SpanReader, target: Target, agents_only: bool
) -> Prepare | None:
    """Return what adds to the spans what the target needs; None when it needs nothing."""
    from playhead.export.dressing import DRESSINGS, dress
    from playhead.export.trace_context import read_contexts

    dressing = DRESSINGS[target.kind.name]
    if dressing is None:
        return None

    async def prepare(part: Part, spans: list[StoredSpan]) -> None:
        complete = reader.selection.everything and part.whole
        prefix = reader.selection.prefix
        contexts = await read_contexts(client, part, spans if complete else None, prefix=prefix)
        dress(spans, contexts, dressing, agents_only=agents_only)

    return prepare


async def _refuse_own_recorder(settings: Settings, target: Target) -> None:
    from urllib.parse import urlsplit

    from playhead.record.endpoint import read_endpoint

    found, parts = read_endpoint(settings.store), urlsplit(target.url)
    if (
        found
        and parts.hostname in ("127.0.0.1", "localhost")
        and parts.port == found.otlp_http_port
    ):
        raise CliError(
            f"{target.shown_url} is the recorder of this store",
            "Name the address of the target with --endpoint.",
            Exit.USAGE,
        )


@contextlib.contextmanager
def _progress() -> Generator[Progress]:
    """Show a bar on standard error while it is a terminal."""
    import sys

    if not sys.stderr.isatty():
        yield lambda report: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        "spans", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("spans", total=None)

        def show(report: Report) -> None:
            bar.update(task, total=report.totals.spans, completed=report.handled)

        yield show


def _write_json(report: Report, name: str, path: Path | None, target: Target | None) -> None:
    from playhead.cli.output import echo_json

    document: dict[str, Any] = {
        "to": name,
        "target": str(path) if target is None else target.shown_url,
        "accepted": report.accepted,
        "rejected": report.rejected,
        "reasons": [{"reason": r, "spans": n} for r, n in report.reasons.most_common()],
        "sent_before": report.sent_before,
        "too_old": report.too_old,
        "left_out": report.left_out,
        "open": report.totals.pending,
    }
    echo_json(document)


def _write(report: Report, name: str, path: Path | None, target: Target | None) -> None:
    from playhead.formatting import whole
    from playhead.text import clean

    place = str(path) if target is None else f"{target.kind.title} at {target.shown_url}"
    verb = "Wrote" if target is None else "Sent"
    spans = "span" if report.accepted == 1 else "spans"
    click.echo(clean(f"{verb} {whole(report.accepted)} {spans} to {place}."))
    done = "written" if target is None else "sent"
    if not report.totals.spans:
        click.echo("  No finished span in the store matches.")
    if report.sent_before:
        click.echo(
            f"  {_are(report.sent_before, 'was', 'were')} there before: not {done} again."
            + (" --again sends them." if target is not None else "")
        )
    if report.too_old and target is not None and target.kind.longest_age is not None:
        hours = target.kind.longest_age.total_seconds() / 3600
        click.echo(
            f"  {_are(report.too_old)} older than {hours:.0f} h: not sent, because "
            f"{target.kind.title} refuses them."
        )
    if report.left_out:
        click.echo(f"  {_are(report.left_out)} Restate's own: not {done}.")
    if report.totals.pending:
        click.echo(f"  {_are(report.totals.pending)} still open: not {done}.")
    for reason, count in report.reasons.most_common():
        rejected = _are(count, "was", "were")
        click.echo(clean(f"  {rejected} rejected: {reason or 'no reason given'}"))


def _were_accepted(count: int) -> str:
    if not count:
        return "No span was accepted"
    return f"{_are(count, 'span was', 'spans were')} accepted"


def _are(count: int, one: str = "is", several: str = "are") -> str:
    from playhead.formatting import whole

    return f"{whole(count)} {one if count == 1 else several}"


@command.command("html")
@click.argument("invocation_id", metavar="ID")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def html(settings: Settings, invocation_id: str, file: Path) -> None:
    """Write invocation ID to FILE as one HTML page for a colleague.

    The page has the attempts, the timeline, the messages, the errors, and the payloads of all
    steps. It has no scripts and loads nothing. FILE must not exist.
    """
    from playhead.cli.output import note
    from playhead.client import Client
    from playhead.export.files import new_file
    from playhead.export.page import invocation_page

    with Client(settings=settings) as client:
        detail = client.invocation(invocation_id)
    with new_file(file) as output:
        output.write(invocation_page(detail).encode(errors="replace"))
    for sentence in detail.missing:
        note(sentence)
    note(f"Wrote {file}. It has prompts and payloads: share it with care.")
