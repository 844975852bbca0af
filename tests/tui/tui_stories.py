"""Complete invocations: a retried tool, an approval, calls of other services, a chat."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from playhead.model import (
    Attempt,
    Invocation,
    InvocationDetail,
    LlmCall,
    Message,
    Phase,
    Span,
    Step,
    StepEvent,
    TimelineRow,
    Tokens,
    ToolCall,
    Try,
    Wait,
)
from playhead.reader.invocation.lanes import with_phases
from tui_fakes import ago

TRACEBACK = """Traceback (most recent call last):
  File "agents/weather.py", line 41, in get_weather
    return await ctx.run_typed("Calling get_weather", fetch, city=city)
  File "agents/weather.py", line 28, in fetch
    response.raise_for_status()
WeatherUnavailable: 503 Service Unavailable from api.weather.example
"""
PROMPT = (
    Message("system", ({"type": "text", "content": "You are a helpful agent. Answer briefly."},)),
    Message("user", ({"type": "text", "content": "What is the weather in Paris and in 東京?"},)),
)
CALLS = (
    ToolCall("get_weather", {"city": "Paris", "units": "metric"}, "call_1"),
    ToolCall("get_weather", '{"city": "東京"}', "call_2"),
)


def step(
    start: datetime, at: float, took: float | None, kind: str, name: str, index: int, **more: Any
) -> Step:
    begin = start + timedelta(seconds=at)
    state = more.pop("state", "done" if took is not None else "pending")
    words = {"input": "Input", "output": "Output", "sleep": "Sleep", "call": "Call",
             "state": "SetState", "awakeable": "Awakeable"}  # fmt: skip
    return Step(
        index=index,
        command_index=more.pop("command_index", index),
        kind=kind,  # type: ignore[arg-type]
        type=f"Command: {words.get(kind, 'Run')}",
        name=name,
        state=state,
        started_at=begin,
        ended_at=None if took is None else begin + timedelta(seconds=took),
        **more,
    )


def span(start: datetime, at: float, took: float, name: str, ident: str, **more: Any) -> Span:
    begin = start + timedelta(seconds=at)
    return Span(
        trace_id="5b8aa5a2d2c872e8321cf37308d69df2",
        span_id=ident,
        parent_span_id=None,
        name=name,
        kind=more.pop("kind", "internal"),
        service_name=more.pop("service", "weather-agent"),
        scope_name="pydantic-ai",
        start=begin,
        end=begin + timedelta(seconds=took),
        status=more.pop("status", "unset"),
        status_message=more.pop("message", ""),
        attributes=more.pop("attributes", {}),
    )


def step_row(step: Step, depth: int, attempt: int | None = None, **more: Any) -> TimelineRow:
    return TimelineRow(
        key=f"step:{step.index}", depth=depth, kind="step", label=step.name,
        started_at=step.started_at, ended_at=step.ended_at, state=step.state,
        attempt=attempt, step=step, **more,
    )  # fmt: skip


def span_row(span: Span, depth: int, attempt: int | None = None, **more: Any) -> TimelineRow:
    return TimelineRow(
        key=f"span:{span.span_id}", depth=depth, kind="span", label=span.name,
        started_at=span.start, ended_at=span.end,
        state="failed" if span.status == "error" else "done",
        attempt=attempt, span=span, **more,
    )  # fmt: skip


def attempt_row(attempt: Attempt) -> TimelineRow:
    states = {"failed": "failed", "running": "pending"}
    return TimelineRow(
        key=f"attempt:{attempt.number}", depth=0, kind="attempt",
        label=f"attempt {attempt.number}", started_at=attempt.started_at,
        ended_at=attempt.ended_at, state=states.get(attempt.outcome, "done"),  # type: ignore[arg-type]
        attempt=attempt.number,
    )  # fmt: skip


def attempts(start: datetime, *times: tuple[float, float | None, str]) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(
            number=number,
            span_id=f"{number:016x}",
            started_at=start + timedelta(seconds=at),
            ended_at=None if took is None else start + timedelta(seconds=at + took),
            outcome=outcome,  # type: ignore[arg-type]
            error="WeatherUnavailable: 503 Service Unavailable" if outcome == "failed" else None,
        )
        for number, (at, took, outcome) in enumerate(times, 1)
    )


def weather(row: Invocation) -> InvocationDetail:
    start = row.created_at
    tries = attempts(start, (0.01, 2.9, "failed"), (4.4, 0.31, "failed"), (10.4, 0.42, "failed"))
    llm = LlmCall(
        model="gpt-4o-mini", provider="openai", tokens=Tokens(412, 38), text="",
        tool_calls=CALLS, finish_reason="tool_calls", prompt=PROMPT,
    )  # fmt: skip
    events = tuple(
        StepEvent(a.ended_at, "TransientError", "WeatherUnavailable: 503 Service Unavailable "
                  "from api.weather.example", TRACEBACK, 500)
        for a in tries if a.ended_at
    )  # fmt: skip
    at = lambda s: start + timedelta(seconds=s)  # noqa: E731
    retried = ((at(2.66), at(2.9)), (at(4.45), at(4.71)), (at(10.45), at(10.82)))
    waits = ((at(2.9), at(4.45)), (at(4.71), at(10.45)), (at(10.82), None))
    steps = (
        step(start, 0.012, 0, "input", "Input", 0,
             input={"prompt": "What is the weather in Paris and in 東京?"}),
        step(start, 0.05, 0.03, "run", "get mcp tools", 1, output=[], attempt=1),
        step(start, 0.09, 2.31, "llm", "Model call", 2, llm=llm, attempt=1,
             notification_index=3, output={"kind": "response"}, raw_length=1804),
        step(start, 2.42, 0.2, "tool", "Calling get_weather", 4, attempt=1,
             tool=ToolCall("get_weather", CALLS[0].arguments, "call_1"),
             output={"city": "Paris", "temperature_c": 14.5, "sky": "light rain"}),
        step(start, 2.66, None, "tool", "Calling get_weather", 5, state="retrying", attempt=1,
             tool=ToolCall("get_weather", CALLS[1].arguments, "call_2"), events=events,
             tries=tuple(Try(n, "failed", a, b, n, "503") for n, (a, b) in enumerate(retried, 1)),
             waits=tuple(Wait(a, b) for a, b in waits)),
    )  # fmt: skip
    spans = (
        span(start, 0.04, 2.85, "invoke_agent weather", "a1", status="error",
             message="503 Service Unavailable"),
        span(start, 0.1, 2.28, "chat gpt-4o-mini", "a2",
             attributes={"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 412,
                         "gen_ai.usage.output_tokens": 38,
                         "gen_ai.input.messages": '[{"role": "user", "parts": []}]'}),
        span(start, 2.43, 0.18, "execute_tool get_weather", "a3",
             attributes={"gen_ai.operation.name": "execute_tool"}),
        span(start, 2.67, 0.21, "execute_tool get_weather", "a4", status="error",
             message="503 Service Unavailable",
             attributes={"gen_ai.operation.name": "execute_tool"}),
        span(start, 4.5, 0.2, "execute_tool get_weather", "a5", status="error",
             message="503 Service Unavailable",
             attributes={"gen_ai.operation.name": "execute_tool"}),
        span(start, 10.5, 0.3, "execute_tool get_weather", "a6", status="error",
             message="503 Service Unavailable",
             attributes={"gen_ai.operation.name": "execute_tool"}),
    )  # fmt: skip
    timeline = (
        attempt_row(tries[0]),
        step_row(steps[0], 1, 1),
        step_row(steps[1], 1, 1),
        span_row(spans[0], 1, 1),
        step_row(steps[2], 2, 1),
        span_row(spans[1], 3, 1),
        step_row(steps[3], 2, 1),
        span_row(spans[2], 3, 1),
        step_row(steps[4], 2, 1, failed_tries=retried, gaps=waits),
        span_row(spans[3], 3, 1),
        attempt_row(tries[1]),
        span_row(spans[4], 1, 2),
        attempt_row(tries[2]),
        span_row(spans[5], 1, 3),
    )
    phases = (
        Phase("backoff", at(2.91), at(4.4)), Phase("backoff", at(4.71), at(10.4)),
        Phase("backoff", at(10.82), None),
    )  # fmt: skip
    return with_phases(InvocationDetail(row, steps, tries, spans, timeline, {}), phases)


def approval(row: Invocation) -> InvocationDetail:
    start = row.created_at
    tries = attempts(start, (0.01, 2.1, "suspended"))
    llm = LlmCall(
        model="gpt-4o-mini", provider="openai", tokens=Tokens(633, 71), text="",
        tool_calls=(ToolCall("refund", {"order": "A-1009", "amount": 120.0}, "call_9"),),
        finish_reason="tool_calls", prompt=None,
    )  # fmt: skip
    steps = (
        step(start, 0.01, 0, "input", "Input", 0, input={"order": "A-1009", "reason": "broken"}),
        step(start, 0.06, 1.9, "llm", "Model call", 1, llm=llm, attempt=1),
        step(start, 2.0, 0.02, "run", "notify the reviewer", 3, output=None, attempt=1),
        step(start, 2.05, None, "awakeable", "approval", 5, awakeable_id="sign_1aBcDeFgHiJk",
             attempt=1),
    )  # fmt: skip
    rows = (attempt_row(tries[0]), *(step_row(s, 1, 1) for s in steps))
    detail = InvocationDetail(row, steps, tries, (), rows, {},
                            missing=("No spans of this invocation: the agent's process does not "
                                     "send traces to the recorder.",))  # fmt: skip
    return with_phases(detail, [Phase("suspended", start + timedelta(seconds=2.11), None)])


def intake(row: Invocation) -> InvocationDetail:
    start = row.created_at
    tries = attempts(start, (0.01, None, "running"))
    steps = (
        step(start, 0.01, 0, "input", "Input", 0, input={"case": "My invoice is wrong"}),
        step(start, 0.1, 2.4, "llm", "Model call", 1, attempt=1),
        step(start, 2.7, 3.4, "call", "LegalSpecialist/ask", 3, child_id="inv_1eLegal", attempt=1),
        step(start, 3.2, None, "call", "BillingSpecialist/ask", 4, child_id="inv_1dBilling",
             attempt=1),
    )  # fmt: skip
    rows = (attempt_row(tries[0]), *(step_row(s, 1, 1) for s in steps))
    return InvocationDetail(row, steps, tries, (), rows, {})


def chat(row: Invocation) -> InvocationDetail:
    start = row.created_at
    tries = attempts(start, (0.01, 1.86, "completed"))
    llm = LlmCall("gpt-4o-mini", "openai", Tokens(310, 44), "Nice to meet you, Ada! 🙂",
                  finish_reason="stop", prompt=PROMPT)  # fmt: skip
    steps = (
        step(start, 0.01, 0, "input", "Input", 0, input={"message": "Hi, I am Ada"}),
        step(start, 0.02, 0.0, "state", "get messages", 1, state_key="messages"),
        step(start, 0.05, 1.77, "llm", "Model call", 2, llm=llm, attempt=1),
        step(start, 1.84, 0, "state", "set messages", 4, state_key="messages", input=[1]),
        step(start, 1.86, 0, "output", "Output", 5, output="Nice to meet you, Ada! 🙂"),
    )
    rows = (attempt_row(tries[0]), *(step_row(s, 1, 1) for s in steps))
    state = {
        "messages": [
            {"role": "user", "content": "Hi, I am Ada"},
            {"role": "assistant", "content": "Nice to meet you, Ada! 🙂"},
        ]
    }
    return InvocationDetail(row, steps, tries, (), rows, state)


def long_journal(row: Invocation, entries: int) -> InvocationDetail:
    start = row.created_at
    steps = tuple(
        step(start, i * 0.01, 0.008, "run", f"step {i}", i, output={"n": i}) for i in range(entries)
    )
    return InvocationDetail(row, steps, (), (), tuple(step_row(s, 0) for s in steps), {})


def details(rows: list[Invocation]) -> dict[str, InvocationDetail]:
    by = {"inv_1aWeather": weather, "inv_1bApprove": approval, "inv_1cIntake": intake,
          "inv_1gChat": chat}  # fmt: skip
    return {row.id: by[row.id](row) for row in rows if row.id in by}


__all__ = ["ago", "details", "long_journal", "replace"]
