"""Agents that log each answer of their model; a script with PORT MODE OTLP.

MODE is `bridge` (the tracing bridge), `attached` (OpenTelemetry alone, with the trace context of
the attempt), or `loose` (OpenTelemetry alone: each attempt is a trace of its own).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any

import without_mcp  # isort: skip  # noqa: F401  # pyright: ignore[reportUnusedImport]

import hypercorn.asyncio
import hypercorn.config
import restate
from opentelemetry import context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from playhead_tracing import instrument
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.usage import RequestUsage
from restate.ext.pydantic import RestateAgent
from restate.extensions import current_context

LOG = Path(os.environ.get("COUNTED_LOG", os.devnull))
MODE = sys.argv[2] if len(sys.argv) > 2 else "bridge"
current: ContextVar[tuple[str, dict[str, Any]]] = ContextVar("current")


def write(line: dict[str, Any]) -> None:
    with LOG.open("a") as log:
        log.write(json.dumps(line) + "\n")


def lines(invocation: str, kind: str) -> int:
    found = map(json.loads, LOG.read_text().splitlines())
    return sum(line["id"] == invocation and line["kind"] == kind for line in found)


def think(messages: list[Any], info: Any) -> ModelResponse:
    invocation, request = current.get()
    answers = sum(isinstance(message, ModelResponse) for message in messages)
    usage = RequestUsage(input_tokens=100 + len(messages), output_tokens=7 + answers)
    write({"id": invocation, "kind": "llm", "input": usage.input_tokens,
           "output": usage.output_tokens})  # fmt: skip
    if answers < request.get("tools", 1):
        parts: list[Any] = [ToolCallPart("look_up", {"n": answers}, f"call-{answers}")]
        return ModelResponse(parts=parts, usage=usage)
    return ModelResponse(parts=[TextPart("done")], usage=usage)


agent: Agent[None, str] = Agent(FunctionModel(think, model_name="thinker"), name="counted")


@agent.tool_plain
async def look_up(n: int) -> int:
    context = current_context()
    if context is not None and current.get()[1].get("sleeps"):
        await context.sleep(timedelta(milliseconds=1))
    interrupt(f"tool {n}")
    return n


def interrupt(where: str) -> None:
    """Fail or end the process, as often as the request says."""
    invocation, request = current.get()
    write({"id": invocation, "kind": where})
    if request.get("where") != where or lines(invocation, where) > request.get("times", 1):
        return
    if request["do"] == "exit":
        os._exit(9)
    raise RuntimeError(f"{where} is interrupted")


durable = RestateAgent(agent)
service = restate.Service("counted")


@service.handler()
async def ask(ctx: restate.Context, request: dict[str, Any]) -> str:
    current.set((ctx.request().id, request))
    if MODE == "attached":
        context.attach(TraceContextTextMapPropagator().extract(ctx.request().attempt_headers))
    output = (await durable.run("go")).output
    interrupt("end")
    return output


app: Any = restate.app([service])


def main(port: str, mode: str, otlp: str) -> None:
    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"{otlp}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=50))
    served = app
    if mode == "bridge":
        served = instrument(app, tracer_provider=provider)
    else:
        Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    asyncio.run(hypercorn.asyncio.serve(served, config))


if __name__ == "__main__":
    main(*sys.argv[1:])
