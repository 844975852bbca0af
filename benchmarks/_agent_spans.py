"""Requests with the spans of agent runs, made from templates at hundreds of thousands a second.

A run has 14 spans: three of the server, and eleven of an agent with the tracing bridge, with
three LLM calls whose prompts grow and two tools. The children of a run are in one request and its
root is in the next one, as exporters send them. A request has 512 spans of 36 runs and of another
service.
"""

from __future__ import annotations

import itertools
import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SPANS = 512
RUNS = 36
RUN_SPANS = 14
TEMPLATES = 64
START = 1_790_000_000_000_000_000
PERIOD = 10_000_000
"""Nanoseconds between two requests."""
_WORDS = [
    "".join(random.Random(n).choices("etaoinshrdlucmfwypvbgk", k=3 + n % 7)) for n in range(3000)
]
_NUMBER = struct.Struct(">I")
_TIME = struct.Struct("<Q")


@dataclass(slots=True)
class _Run:
    """Ids of a run. The last four bytes are the number of its request."""

    trace: bytes
    spans: list[bytes]
    invocation: str
    started: int


@dataclass(slots=True)
class _Template:
    body: bytes
    raw: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Offset of each number of a request in bytes, and 1 if it is that of the previous request."""
    text: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """The same in hex."""
    times: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Offset and value of each time."""

    def fill(self, number: int) -> bytes:
        """Return the request with this number."""
        body = bytearray(self.body)
        raw = _NUMBER.pack(number), _NUMBER.pack(number - 1)
        text = raw[0].hex().encode(), raw[1].hex().encode()
        for offset, previous in self.raw:
            body[offset : offset + 4] = raw[previous]
        for offset, previous in self.text:
            body[offset : offset + 8] = text[previous]
        later = number * PERIOD
        for offset, value in self.times:
            _TIME.pack_into(body, offset, value + later)
        return bytes(body)


class Load:
    """A source of requests with ids of their own."""

    def __init__(self, seed: int = 1, *, templates: int = TEMPLATES) -> None:
        rng = random.Random(seed)
        self._mark = rng.randbytes(3)
        groups = [[self._run(rng, group) for _ in range(RUNS)] for group in range(templates)]
        self._templates = [
            self._template(rng, groups[number], groups[number - 1]) for number in range(templates)
        ]

    def requests(self, count: int, first: int = 1) -> Iterator[bytes]:
        """Yield requests; requests with other numbers have other ids."""
        for number in itertools.islice(itertools.count(first), count):
            yield self._templates[number % len(self._templates)].fill(number)

    def _run(self, rng: random.Random, group: int) -> _Run:
        return _Run(
            rng.randbytes(12),
            [rng.randbytes(4) for _ in range(RUN_SPANS)],
            f"inv_1{rng.randbytes(13).hex()[1:]}",
            START + rng.randrange(PERIOD),
        )

    def _template(self, rng: random.Random, own: list[_Run], previous: list[_Run]) -> _Template:
        message = ExportTraceServiceRequest()
        # Marks that are found again in the encoded bytes.
        marks = (b"\xf1" + self._mark, b"\xf2" + self._mark)
        agent, steps = _scopes(message, "agent", "pydantic-ai", "playhead_tracing")
        [server] = _scopes(message, "Restate", "")
        for run in own:
            _children(agent, steps, rng, run, marks[0])
        for run in previous:
            _root(agent, steps, server, rng, run, marks[1])
        [other] = _scopes(message, "billing", "opentelemetry.instrumentation.httpx")
        _other(other, rng, marks[0], SPANS - RUNS * RUN_SPANS)
        body = message.SerializeToString()
        template = _Template(body)
        for previous_request, mark in enumerate(marks):
            template.raw += [(at, previous_request) for at in _places(body, mark)]
            hex_places = _places(body, mark.hex().encode())
            template.text += [(at, previous_request) for at in hex_places]
        for field_tag in (b"\x39", b"\x41"):  # start and end: fixed64
            for at in _places(body, field_tag):
                if at + 9 <= len(body):
                    (value,) = _TIME.unpack_from(body, at + 1)
                    if START <= value < START + 100 * 10**9:
                        template.times.append((at + 1, value))
        return template


def _places(body: bytes, part: bytes) -> list[int]:
    found: list[int] = []
    at = body.find(part)
    while at >= 0:
        found.append(at)
        at = body.find(part, at + 1)
    return found


def _scopes(message: ExportTraceServiceRequest, service: str, *names: str) -> list[Any]:
    resource = message.resource_spans.add()
    for key, value in (
        ("service.name", service),
        ("service.version", "1.4.2"),
        ("telemetry.sdk.language", "python"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.version", "1.45.0"),
        ("host.name", "build-7"),
    ):
        resource.resource.attributes.add(key=key).value.string_value = value
    scopes: list[Any] = []
    for name in names:
        scopes.append(resource.scope_spans.add())
        scopes[-1].scope.name = name
    return scopes


def _span(
    scope: Any,
    run: _Run,
    mark: bytes,
    number: int,
    parent: int | None,
    name: str,
    **attributes: Any,
) -> Any:
    span = scope.spans.add(trace_id=run.trace + mark, span_id=run.spans[number] + mark, name=name)
    span.kind = 1
    span.parent_span_id = b"" if parent is None else run.spans[parent] + mark
    span.start_time_unix_nano = run.started + number * 50_000_000
    span.end_time_unix_nano = span.start_time_unix_nano + 900_000_000
    values = {"restate.invocation.id": run.invocation + mark.hex(), **attributes}
    for key, value in values.items():
        target = span.attributes.add(key=key.replace("__", ".")).value
        if isinstance(value, bool):
            target.bool_value = value
        elif isinstance(value, int):
            target.int_value = value
        else:
            target.string_value = value
    return span


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, k=words))


def _bridge(run: _Run, mark: bytes, number: int) -> dict[str, Any]:
    return {
        "restate__invocation__target": "WeatherAgent/ask",
        "playhead__attempt__span_id": run.spans[12].hex() + mark.hex(),
        "playhead__attempt__number": 1,
        "playhead__logical_span_id": run.spans[number].hex() + "0badcafe",
    }


def _children(scope: Any, steps: Any, rng: random.Random, run: _Run, mark: bytes) -> None:
    """Add the three LLM calls and the two tools, each with the span of its durable step."""
    history: list[dict[str, Any]] = [
        {"role": "system", "parts": [{"type": "text", "content": _text(rng, 120)}]},
        {"role": "user", "parts": [{"type": "text", "content": _text(rng, 80)}]},
    ]
    number = 0
    for step in range(5):
        bridge = _bridge(run, mark, number)
        if step % 2 == 0:
            answer = [{"role": "assistant", "parts": [
                {"type": "text", "content": _text(rng, 50)},
                {"type": "tool_call", "id": f"call_{step}", "name": "forecast",
                 "arguments": {"city": _text(rng, 2), "days": step}},
            ]}]  # fmt: skip
            _span(scope, run, mark, number, number + 1, "chat gpt-5", **bridge,
                  gen_ai__operation__name="chat", gen_ai__provider__name="openai",
                  gen_ai__request__model="gpt-5", gen_ai__response__model="gpt-5-2026-01-01",
                  gen_ai__response__id=f"resp_{rng.randbytes(8).hex()}",
                  gen_ai__input__messages=json.dumps(history),
                  gen_ai__output__messages=json.dumps(answer),
                  gen_ai__agent__name="weather", server__address="api.openai.com",
                  server__port=443, gen_ai__usage__input_tokens=rng.randrange(200, 9000),
                  gen_ai__usage__output_tokens=rng.randrange(10, 900))  # fmt: skip
            name = "run Model call"
            history += answer
        else:
            result = _text(rng, 40)
            _span(scope, run, mark, number, number + 1, "execute_tool forecast", **bridge,
                  gen_ai__operation__name="execute_tool", gen_ai__tool__name="forecast",
                  gen_ai__tool__call__id=f"call_{step - 1}",
                  gen_ai__tool__call__arguments=json.dumps({"city": "Paris"}),
                  gen_ai__tool__call__result=result)  # fmt: skip
            name = "run Calling forecast"
            history.append({"role": "tool", "parts": [
                {"type": "tool_call_response", "id": f"call_{step - 1}", "response": result}
            ]})  # fmt: skip
        if step < 4:  # the last step's span is in the next request
            _step_span(steps, run, mark, number + 1, name, step)
        number += 2


def _step_span(scope: Any, run: _Run, mark: bytes, number: int, name: str, step: int) -> None:
    _span(scope, run, mark, number, 10, name, **_bridge(run, mark, number),
          restate__journal__command__type="Run", restate__journal__command__name=name[4:],
          playhead__journal__command_index=step + 1,
          playhead__journal__completion_id=step + 1)  # fmt: skip


def _root(agent: Any, steps: Any, server: Any, rng: random.Random, run: _Run, mark: bytes) -> None:
    """Add the last step, the agent, and the spans of the server."""
    _step_span(steps, run, mark, 9, "run Model call", 4)
    _span(agent, run, mark, 10, 12, "invoke_agent weather", **_bridge(run, mark, 10),
          gen_ai__operation__name="invoke_agent", gen_ai__agent__name="weather",
          final_result=_text(rng, 30))  # fmt: skip
    target = {"restate__invocation__target": "WeatherAgent/ask"}
    _span(server, run, mark, 11, 13, "invocation-start WeatherAgent/ask", **target)
    attempt = _span(
        server, run, mark, 12, 11, "invocation-attempt WeatherAgent/ask", **target,
        restate__deployment__id="dp_14LsPzGz9HBxXIeBoH5wYUh",
        restate__deployment__address="http://127.0.0.1:9080/", rpc__system="restate",
    )  # fmt: skip
    for event in range(6):
        attempt.events.add(
            name="restate.invocation.lifecycle.new_command",
            time_unix_nano=run.started + event * 10**8,
        )
    _span(server, run, mark, 13, None, "ingress WeatherAgent/ask", **target, client__address="::1")


def _other(scope: Any, rng: random.Random, mark: bytes, count: int) -> None:
    run = _Run(rng.randbytes(12), [rng.randbytes(4) for _ in range(count)], "", START)
    for number in range(count):
        span = _span(
            scope,
            run,
            mark,
            number,
            None if number == 0 else 0,
            "GET /invoices",
            http__request__method="GET",
            http__response__status_code=200,
            url__full=f"http://billing.internal/invoices/{rng.randrange(10**6)}",
        )
        del span.attributes[0]
