"""`playhead import`: spans from files of other tools."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.options import json_option
from playhead.cli.signals import interruptible
from playhead.settings import Settings

if TYPE_CHECKING:
    from playhead.imports.sending import ImportReport
    from playhead.imports.span_files import Source


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option(
    "--follow",
    is_flag=True,
    help="Follow one growing file of OTLP/JSON lines, also through its rotation, until Ctrl+C.",
)
@json_option
@click.pass_obj
def command(settings: Settings, files: tuple[Path, ...], follow: bool, as_json: bool) -> None:
    """Import spans from files into the store.

    Reads OTLP/JSON lines, such as those of the Collector's file exporter or of `playhead export`,
    OTLP protobuf, and Jaeger JSON, also packed with gzip. Lines that cannot be read are counted and
    skipped. Spans that the store has are ignored, so a file can be imported twice. Starts a
    recorder for the time of the import when none is running.
    """
    from playhead.imports.sending import ImportReport, Recorder, import_spans
    from playhead.imports.span_files import follow as follow_file
    from playhead.imports.span_files import read_file

    if follow and len(files) != 1:
        raise click.UsageError("--follow takes one file.")
    if not follow:
        for path in files:
            if not path.is_file():
                raise CliError(f"{path} is not a file", "Check the path.", Exit.USAGE)
    report = ImportReport()
    with interruptible(), _receiver(settings) as port, Recorder(port) as recorder:
        shown = 0

        def progress(report: ImportReport) -> None:
            nonlocal shown
            shown = _write_problems(report, shown)

        sources: Iterator[Source] = map(read_file, files)
        if follow:
            recorder.wait()
            sources = iter([follow_file(files[0])])
            _note(f"Following {files[0]}. Press Ctrl+C to stop.")
        with contextlib.suppress(KeyboardInterrupt) if follow else contextlib.nullcontext():
            for source in sources:
                import_spans(source, recorder, report, progress=progress)
        recorder.wait()  # which has not started if there was nothing to send
        _write_problems(report, shown)
    _write(report, as_json)
    if report.skipped or report.rejected:
        raise SystemExit(Exit.FOUND)


@contextlib.contextmanager
def _receiver(settings: Settings) -> Generator[Callable[[], int]]:
    """Yield what returns the port of the store's recorder, when it answers.

    If none is running, one is started for the time of the block.
    """
    from playhead.record.endpoint import read_endpoint
    from playhead.record.process import recorder_answers, recorder_process, wait_for_recorder

    endpoint = read_endpoint(settings.store)
    if endpoint is not None and recorder_answers(settings.store, endpoint.pid):
        port = endpoint.otlp_http_port
        yield lambda: port
        return
    log = settings.store / "logs" / "import.log"
    child = recorder_process(settings, log, free_ports=True, journals=False).start()

    def started() -> int:
        wait_for_recorder(child, settings.store)
        found = read_endpoint(settings.store)
        assert found is not None  # it answers
        return found.otlp_http_port

    try:
        yield started
    finally:
        child.stop(grace=120)


def _note(text: str) -> None:
    from playhead.cli.output import note

    note(text)


def _write_problems(report: ImportReport, shown: int) -> int:
    for problem in report.problems[shown:]:
        _note(f"{problem.place}: {problem.reason}")
    return len(report.problems)


def _write(report: ImportReport, as_json: bool) -> None:
    from playhead.cli.output import echo_json
    from playhead.formatting import whole
    from playhead.text import clean

    if as_json:
        echo_json(
            {
                "spans": report.spans,
                "rejected": report.rejected,
                "reasons": [{"reason": r, "spans": n} for r, n in report.reasons.most_common()],
                "skipped": report.skipped,
                "problems": report.problems,
            }
        )
        return
    click.echo(f"Imported {whole(report.spans)} {'span' if report.spans == 1 else 'spans'}.")
    for reason, count in report.reasons.most_common():
        were = "was" if count == 1 else "were"
        click.echo(clean(f"  {whole(count)} {were} rejected: {reason}"))
    if report.skipped:
        more = report.skipped - len(report.problems)
        rest = f", {whole(more)} of them not shown" if more else ""
        parts = "line or message was" if report.skipped == 1 else "lines or messages were"
        click.echo(f"  {whole(report.skipped)} unreadable {parts} skipped{rest}.")
