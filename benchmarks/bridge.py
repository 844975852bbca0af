"""Measure the cost of the bridge: a span, a replayed span, a replayed journal, and memory.

`python -m benchmarks.bridge` runs the same handler through the SDK's ASGI app, in process, with
three ways of tracing in turn: OpenTelemetry's SDK alone (BatchSpanProcessor), the Restate SDK's
RestateTracerProvider around it, and Playhead's bridge. The exporter discards the spans. Times are
CPU time of the process, the best of alternating rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import psutil
import restate
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from playhead_tracing import instrument
from playhead_tracing.export import DELAY_MILLIS, SpanQueue
from restate.ext.tracing import RestateTracerProvider

from benchmarks._bridge_drive import drive, journal

SPANS = 2000
ENTRIES = 10_000
LIMITS = {"live": 1.35, "replayed": 0.6, "journal": 1.10}
ATTRIBUTES = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "scripted",
    "gen_ai.agent.name": "main",
    "logfire.msg": "chat scripted",
}


class Nowhere(SpanExporter):
    """Exporter that counts spans and discards them."""

    def __init__(self) -> None:
        self.count = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.count += len(spans)
        return SpanExportResult.SUCCESS


class Setting:
    """A service with one way of tracing."""

    def __init__(self, mode: str) -> None:
        self.exporter = Nowhere()
        self.took = 0.0
        self.provider: Any = TracerProvider(shutdown_on_exit=False)
        if mode == "ours":
            queue = SpanQueue(self.exporter, delay_seconds=DELAY_MILLIS / 1000, queue_spans=65536)
            self.provider.add_span_processor(queue)
        else:
            self.provider.add_span_processor(BatchSpanProcessor(self.exporter, 65536))
        used = RestateTracerProvider(self.provider) if mode == "sdk" else self.provider
        self.tracer = used.get_tracer("bench")
        app = restate.app([self._service()])
        if mode == "ours":
            app = instrument(app, tracer_provider=self.provider, instrument_pydantic_ai=False)
        self.app = app

    def _service(self) -> restate.Service:
        service = restate.Service("Bench")
        tracer = self.tracer

        async def nothing() -> str:
            return "done"

        @service.handler()
        async def live(ctx: restate.Context, key: str) -> None:
            begin = time.process_time()
            for _ in range(SPANS):
                with tracer.start_as_current_span("chat", attributes=ATTRIBUTES):
                    pass
            self.took = (time.process_time() - begin) / SPANS

        @service.handler()
        async def replayed(ctx: restate.Context, key: str) -> None:
            spent = 0.0
            for _ in range(SPANS):
                begin = time.process_time()
                span = tracer.start_as_current_span("chat", attributes=ATTRIBUTES)
                span.__enter__()
                spent += time.process_time() - begin
                await ctx.run_typed("step", nothing)
                begin = time.process_time()
                span.__exit__(None, None, None)
                spent += time.process_time() - begin
            self.took = spent / SPANS

        @service.handler()
        async def steps(ctx: restate.Context, key: str) -> None:
            begin = time.process_time()
            for _ in range(ENTRIES):
                await ctx.run_typed("step", nothing)
            self.took = time.process_time() - begin

        @service.handler()
        async def small(ctx: restate.Context, key: str) -> None:
            with tracer.start_as_current_span("chat", attributes=ATTRIBUTES):
                pass

        return service

    async def run(self, handler: str, body: bytes) -> float:
        """Run a handler and return the seconds that it measured."""
        await drive(self.app, "Bench", handler, body)
        return self.took


async def alternate(
    rounds: int, runs: Mapping[str, Callable[[], Awaitable[float]]]
) -> dict[str, float]:
    """Return the best time of each, run in turn. Other processes can only increase a time."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            gc.collect()
            times[name].append(await run())
    return {name: min(values) for name, values in times.items()}


async def memory(setting: Setting, invocations: int) -> tuple[float, float]:
    """Return the resident megabytes after a tenth of the invocations, and after all."""
    process, body, early = psutil.Process(), journal(0), 0.0
    for number in range(1, invocations + 1):
        await drive(setting.app, "Bench", "small", body)
        if number == invocations // 10:
            gc.collect()
            early = process.memory_info().rss / 1e6
    gc.collect()
    return early, process.memory_info().rss / 1e6


async def main(rounds: int, invocations: int) -> bool:
    logging.disable(logging.CRITICAL)
    settings = {mode: Setting(mode) for mode in ("plain", "sdk", "ours")}
    good = True

    def limit_text(name: str, ratio: float) -> str:
        nonlocal good
        reached = ratio <= LIMITS[name]
        good = good and reached
        return f"{ratio:5.2f} x plain (at most {LIMITS[name]}: {'yes' if reached else 'NO'})"

    for name, body in (("live", journal(0)), ("replayed", journal(SPANS))):
        runs = {m: lambda s=s, n=name, b=body: s.run(n, b) for m, s in settings.items()}
        took = await alternate(rounds, runs)
        print(f"{name} span: " + ", ".join(f"{m} {t * 1e6:.1f} us" for m, t in took.items()))
        print(f"  ours {limit_text(name, took['ours'] / took['plain'])}", end="")
        print(f"; the SDK's bridge {took['sdk'] / took['plain']:.2f} x")
    both = {m: settings[m] for m in ("plain", "ours")}
    body = journal(ENTRIES)
    runs = {m: lambda s=s: s.run("steps", body) for m, s in both.items()}
    took = await alternate(rounds, runs)
    print(
        f"{ENTRIES} entries replayed: "
        + ", ".join(f"{m} {t * 1e3:.0f} ms" for m, t in took.items())
    )
    print(f"  ours {limit_text('journal', took['ours'] / took['plain'])}")
    if invocations:
        early, late = await memory(settings["ours"], invocations)
        print(f"memory after {invocations // 10} invocations {early:.1f} MB, ", end="")
        print(
            f"after {invocations} {late:.1f} MB ({(late - early) * 1e6 / invocations:.0f} B each)"
        )
        good = good and late < early * 1.05
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the bridge costs.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--invocations",
        type=int,
        default=100_000,
        help="number of invocations for the memory test; 0 skips it",
    )
    args = parser.parse_args()
    raise SystemExit(0 if asyncio.run(main(args.rounds, args.invocations)) else 1)
