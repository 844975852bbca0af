"""Delivery of OTLP requests over HTTP, with the retries that the OTLP specification defines.

See https://opentelemetry.io/docs/specs/otlp/#otlphttp-response.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Callable, Sequence
from typing import Self

import httpx
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from playhead.errors import ExportError, TargetRefusesError, TargetUnreachableError
from playhead.export.otlp_encoding import EncodedSpan, encode
from playhead.export.report import Result
from playhead.export.targets import Target
from playhead.http_client import HttpClient
from playhead.retries import TEMPORARY, Pauses, retry_after
from playhead.text import clean

__all__ = ["Delivery"]

TOO_LARGE_OR_INVALID = frozenset({400, 413, 422})
"""Answers that concern the content of a request: other spans may still be accepted."""
REASON_LENGTH = 300
_ADDRESS_HINT = "Check --endpoint: the address must be that of an OTLP receiver over HTTP."
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Delivery:
    """A connection to one target."""

    def __init__(
        self,
        target: Target,
        *,
        patience: float = 300.0,
        timeout: float = 30.0,
        pause: Callable[[float, str], None] = lambda seconds, problem: None,
    ) -> None:
        """Create the connection; nothing is sent yet.

        Args:
            target: Where to send, and with which headers.
            patience: Seconds for which a request that fails is repeated.
            timeout: Seconds to wait for one answer.
            pause: Called before a request is repeated, with the seconds to wait and the reason.
        """
        self._target = target
        self._patience = patience
        self._pause = pause
        self._stopping = asyncio.Event()
        host = httpx.URL(target.url).host
        self._http = HttpClient(
            headers={
                **target.headers,
                "content-type": "application/x-protobuf",
                "content-encoding": "gzip",
            },
            timeout=timeout,
            trust_env=host not in _LOOPBACK,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    def stop_repeating(self) -> None:
        """Send no request again: only answers to those that are on their way are awaited."""
        self._stopping.set()

    async def send(self, spans: Sequence[EncodedSpan], results: list[Result]) -> None:
        """Send spans; a request that is refused for its content is divided until it is accepted.

        Args:
            spans: What to send.
            results: Receives the outcomes, also those before an exception.

        Raises:
            TargetRefusesError: The target refuses all requests, for example for a wrong key.
            TargetUnreachableError: It does not answer, or not in time.
        """
        body = encode(spans)
        response = await self._post(await asyncio.to_thread(gzip.compress, body, 3))
        keys = tuple(span.key for span in spans)
        if response.is_success:
            if _is_page(response):
                raise TargetRefusesError(
                    f"{self._target.shown_url} answers with a web page: no spans were accepted",
                    _ADDRESS_HINT,
                )
            results.append(_accepted(response.content, keys))
            return
        reason = self._reason(response)
        if response.status_code not in TOO_LARGE_OR_INVALID:
            raise TargetRefusesError(
                f"{self._target.kind.title} at {self._target.shown_url} refuses spans: {reason}",
                _hint(response.status_code),
            )
        if len(spans) == 1:
            results.append(Result(keys, 0, 1, reason))
            return
        middle = len(spans) // 2
        for half in (spans[:middle], spans[middle:]):
            await self.send(half, results)

    async def _post(self, body: bytes) -> httpx.Response:
        """Return the first answer that is final."""
        pauses = Pauses(self._patience)
        while True:
            advised: float | None = None
            try:
                response = await self._http.post(self._target.url, content=body)
            except (httpx.TransportError, OSError) as error:
                problem = f"{error or type(error).__name__}"
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                raise ExportError(
                    f"{self._target.shown_url} cannot be used: "
                    f"{self._target.without_secrets(str(error))}"
                ) from None
            else:
                if response.status_code not in TEMPORARY:
                    return response
                problem = self._reason(response)
                advised = retry_after(response)
            problem = self._target.without_secrets(clean(problem))
            seconds = pauses.next(advised)
            if seconds is not None and not self._stopping.is_set():
                self._pause(seconds, problem)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), seconds)
            if seconds is None or self._stopping.is_set():
                asked = f"; it asks to wait {advised:.0f} s" if advised else ""
                raise TargetUnreachableError(
                    f"{self._target.kind.title} at {self._target.shown_url} does not accept "
                    f"requests: {problem}{asked}",
                    "Check --endpoint, or run the command again later: it continues where it"
                    " stopped.",
                )

    def _reason(self, response: httpx.Response) -> str:
        """Return the status and what the target says about it."""
        text = ""
        kind = response.headers.get("content-type", "")
        if "protobuf" in kind:
            try:
                text = Status.FromString(response.content).message
            except DecodeError:
                text = ""
        elif "html" not in kind:
            text = response.text
        text = " ".join(clean(self._target.without_secrets(text)).split())[:REASON_LENGTH]
        status = f"{response.status_code} {response.reason_phrase}".strip()
        return f"{status}: {text}" if text else status


def _is_page(response: httpx.Response) -> bool:
    """Return whether an answer is a web page: Jaeger's web server sends one for every path."""
    kind = response.headers.get("content-type", "")
    start = response.content[:100].lstrip().lower()
    return "html" in kind or start.startswith((b"<!doctype", b"<html"))


def _accepted(content: bytes, keys: tuple[int, ...]) -> Result:
    """Return the outcome of a request that the target has accepted, at least in part."""
    try:
        partial = ExportTraceServiceResponse.FromString(content).partial_success
    except DecodeError:
        return Result(keys, len(keys))  # some targets answer with JSON or text
    rejected = min(max(partial.rejected_spans, 0), len(keys))
    reason = clean(partial.error_message)[:REASON_LENGTH] if rejected else ""
    return Result(keys, len(keys) - rejected, rejected, reason)


def _hint(status: int) -> str:
    if status in (401, 403):
        return "Check the key: see the page about export in the documentation."
    if status == 404:
        return _ADDRESS_HINT
    return ""
