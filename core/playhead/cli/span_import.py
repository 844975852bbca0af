"""`playhead import`: spans from files of other tools."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.options import json_option
from playhead.settings import Settings

if TYPE_CHECKING:
    from playhead.imports.repeats import Repeats
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
    skipped. Spans that were stored already, also those in the archive, are counted and ignored, so
    a file can be imported twice. Starts a recorder for the time of the import when none is running.
    """
    from playhead.imports.repeats import AFTER_SECONDS, count_repeats, when_committed
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
    with _receiver(settings) as found, Recorder(found.port) as recorder:
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
        after = when_committed(found.health, AFTER_SECONDS)
        report.repeats = count_repeats(found.before, after, report.spans)
        _write_problems(report, shown)
    _write(report, as_json)
    if report.skipped or report.rejected:
        raise SystemExit(Exit.FOUND)


@dataclass
class _Receiver:
    """The recorder of the store."""

    store: Path
    pid: int
    ready: Callable[[], object]
    """Waits until it answers."""
    before: Mapping[str, Any] | None = None
    """Its health before the first span was sent."""

    def health(self) -> Mapping[str, Any] | None:
        """Return its health; None if it does not answer."""
        from playhead.record.process import recorder_health

        return recorder_health(self.store, self.pid)

    def port(self) -> int:
        """Wait until it answers, and return its port of OTLP over HTTP."""
        from playhead.imports.repeats import BEFORE_SECONDS, when_committed
        from playhead.record.endpoint import read_endpoint

        self.ready()
        self.before = when_committed(self.health, BEFORE_SECONDS)
        endpoint = read_endpoint(self.store)
        assert endpoint is not None  # it answers
        return endpoint.otlp_http_port


@contextlib.contextmanager
def _receiver(settings: Settings) -> Generator[_Receiver]:
    """Yield the store's recorder; if none is running, one is started for the time of the block."""
    from playhead.record.endpoint import read_endpoint
    from playhead.record.process import recorder_answers, recorder_process, wait_for_recorder

    store = settings.store
    endpoint = read_endpoint(store)
    if endpoint is not None and recorder_answers(store, endpoint.pid):
        yield _Receiver(store, endpoint.pid, ready=lambda: None)
        return
    log = store / "logs" / "import.log"
    child = recorder_process(settings, log, free_ports=True, journals=False).start()
    try:
        yield _Receiver(store, child.pid, ready=lambda: wait_for_recorder(child, store))
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
        known = report.repeats if report.repeats and report.repeats.is_exact else None
        echo_json(
            {
                "spans": report.spans,
                "new": known and report.spans - known.most,
                "repeated": known and known.most,
                "rejected": report.rejected,
                "reasons": [{"reason": r, "spans": n} for r, n in report.reasons.most_common()],
                "skipped": report.skipped,
                "problems": report.problems,
            }
        )
        return
    click.echo(_imported(report.spans, report.repeats))
    for reason, count in report.reasons.most_common():
        were = "was" if count == 1 else "were"
        click.echo(clean(f"  {whole(count)} {were} rejected: {reason}"))
    if report.skipped:
        more = report.skipped - len(report.problems)
        rest = f", {whole(more)} of them not shown" if more else ""
        parts = "line or message was" if report.skipped == 1 else "lines or messages were"
        click.echo(f"  {whole(report.skipped)} unreadable {parts} skipped{rest}.")


def _imported(accepted: int, repeats: Repeats | None) -> str:
    """Return how many spans were new, as far as it is known."""
    from playhead.formatting import whole

    def spans(count: int, kind: str = "") -> str:
        return f"{whole(count)} {kind}{'span' if count == 1 else 'spans'}"

    if repeats is None:
        return f"Imported {spans(accepted)}, without those that were stored already."
    if not repeats.most:
        return f"Imported {spans(accepted)}."
    if not repeats.is_exact:
        return f"Imported {spans(accepted)}; up to {whole(repeats.most)} were stored already."
    were = "was" if repeats.most == 1 else "were"
    if repeats.most == accepted:
        return f"Imported no spans: {spans(accepted)} {were} stored already."
    new = spans(accepted - repeats.most, "new ")
    return f"Imported {new}; {whole(repeats.most)} {were} stored already."
