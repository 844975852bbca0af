"""Sending of imported spans to the recorder of the store."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from playhead.errors import RecorderError
from playhead.imports.repeats import Repeats
from playhead.imports.span_files import Problem, Source
from playhead.record.otlp.json_encoding import EncodedRequest
from playhead.retries import TEMPORARY, Pauses

__all__ = ["ImportReport", "Recorder", "import_spans"]

REQUEST_BYTES = 2_000_000
"""Size up to which small requests are joined: a line of a file may have a single span."""
LARGEST_REQUEST = 8_000_000
"""Size from which on a request is divided."""
DIVIDED_SPANS = 500
CONNECTIONS = 2
"""Requests that are on their way at a time."""
REQUESTS = 12
"""The same, with those that wait: some are read while the recorder starts."""
PATIENCE_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 0.5
SHOWN_PROBLEMS = 20


@dataclass
class ImportReport:
    """What an import did."""

    spans: int = 0
    """Spans that the recorder accepted; it stores those that it does not have."""
    repeats: Repeats | None = None
    """How many of them it had; None if that is unknown."""
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    """Rejected spans by reason."""
    skipped: int = 0
    """Lines and messages without readable spans."""
    problems: list[Problem] = field(default_factory=list[Problem])
    """The first of them."""

    def add_problem(self, problem: Problem) -> None:
        """Count a part of a file that was skipped."""
        self.skipped += 1
        if len(self.problems) < SHOWN_PROBLEMS:
            self.problems.append(problem)


class Recorder:
    """The OTLP receiver of a recorder."""

    def __init__(self, port: Callable[[], int], *, patience: float = PATIENCE_SECONDS) -> None:
        """Create the connection.

        Args:
            port: Waits until the recorder answers, and returns its port of OTLP over HTTP.
            patience: Seconds for which a request is repeated while the recorder is busy.
        """
        self._port = port
        self._url = ""
        self._starting = threading.Lock()
        self._patience = patience
        self._http = httpx.Client(timeout=60.0, trust_env=False, verify=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.close()

    def wait(self) -> str:
        """Wait until the recorder answers; return its address. Raises ProcessError."""
        with self._starting:
            self._url = self._url or f"http://127.0.0.1:{self._port()}/v1/traces"
            return self._url

    def send(self, body: bytes) -> ExportTraceServiceResponse:
        """Send a request; its spans are durable when this returns.

        Raises:
            ProcessError: The recorder does not start.
            RecorderError: It does not accept the spans.
        """
        url = self.wait()
        # It is on this machine, so it is asked sooner than it advises.
        pauses = Pauses(self._patience, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        headers = {"content-type": "application/x-protobuf"}
        while True:
            try:
                response = self._http.post(url, content=body, headers=headers)
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            else:
                if response.status_code == 200:
                    return ExportTraceServiceResponse.FromString(response.content)
                problem = f"status {response.status_code}"
                if response.status_code not in TEMPORARY:
                    raise RecorderError(f"The recorder refuses the spans: {problem}")
            seconds = pauses.next()
            if seconds is None:
                raise RecorderError(
                    f"The recorder does not accept spans: {problem}",
                    "Run the import again: spans that the store has are ignored.",
                )
            time.sleep(seconds)


def import_spans(
    source: Source,
    recorder: Recorder,
    report: ImportReport,
    *,
    progress: Callable[[ImportReport], None] = lambda report: None,
) -> None:
    """Send the spans of a source to the recorder.

    Args:
        source: The spans; where it has None, everything before is sent.
        recorder: The recorder.
        report: Counts what is sent and skipped.
        progress: Called after each request.

    Raises:
        ProcessError: The recorder does not start.
        RecorderError: It does not accept spans.
        ImportFileError: A file cannot be read.
    """
    waiting: list[bytes] = []
    size = count = 0
    sent: deque[tuple[Future[ExportTraceServiceResponse], int]] = deque()

    def settle(most: int) -> None:
        """Count the answers, until at most this number of requests is on its way."""
        while len(sent) > most:
            answer, spans = sent.popleft()
            partial = answer.result().partial_success
            report.spans += spans - partial.rejected_spans
            report.rejected += partial.rejected_spans
            if partial.rejected_spans:
                report.reasons[partial.error_message] += partial.rejected_spans
            progress(report)

    # The recorder works on a request while the next one is read.
    with ThreadPoolExecutor(CONNECTIONS) as sending:

        def flush() -> None:
            nonlocal size, count
            if waiting:
                settle(REQUESTS - 1)
                # A concatenation of messages is a message with the lists of all of them.
                sent.append((sending.submit(recorder.send, b"".join(waiting)), count))
                waiting.clear()
                size = count = 0

        for found in source:
            if found is None:
                flush()
                settle(0)
            elif isinstance(found, Problem):
                report.add_problem(found)
                progress(report)
            else:
                for body, spans in _bodies(found):
                    if size + len(body) > REQUEST_BYTES:
                        flush()
                    waiting.append(body)
                    size += len(body)
                    count += spans
        flush()
        settle(0)


def _bodies(request: EncodedRequest) -> Iterator[tuple[bytes, int]]:
    """Yield a request in parts that the recorder takes, with their numbers of spans."""
    if len(request.body) <= LARGEST_REQUEST:
        yield request.body, request.spans
        return
    for part in _parts(ExportTraceServiceRequest.FromString(request.body)):
        yield part.SerializeToString(), len(part.resource_spans[0].scope_spans[0].spans)


def _parts(request: ExportTraceServiceRequest) -> Iterator[ExportTraceServiceRequest]:
    for group in request.resource_spans:
        for members in group.scope_spans:
            for start in range(0, len(members.spans), DIVIDED_SPANS):
                part = ExportTraceServiceRequest()
                resource = part.resource_spans.add()
                resource.resource.CopyFrom(group.resource)
                resource.schema_url = group.schema_url
                scope = resource.scope_spans.add(schema_url=members.schema_url)
                scope.scope.CopyFrom(members.scope)
                scope.spans.extend(members.spans[start : start + DIVIDED_SPANS])
                yield part
