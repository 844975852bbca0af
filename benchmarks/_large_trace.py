"""An invocation with many spans and journal entries, written into a store.

A turn of an agent has 14 spans: three LLM calls with their HTTP requests and durable steps, and two
tools with theirs. A prompt has a system prompt, the last messages of the conversation, and the
results of tools: 6 KB on average. The first turns are durable: their steps are in the journal, with
the answers of the model.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from playhead.restate.protocol import service_protocol_pb2 as messages
from playhead.store.arrow import pa
from playhead.store.database import Store
from playhead.store.span_writer import SpanWriter
from playhead.store.tables import SPAN_COLUMNS, TABLES

__all__ = ["invocation_id", "trace_id", "write_invocation"]

TURN_SPANS = 14
STEPS = 5
"""Durable steps of a turn."""
AT_ONCE = 7000
SERVICE = "ResearchAgent"
_COMMAND: Any = messages.RunCommandMessage
_RESULT: Any = messages.CompletionNotificationMessage


def invocation_id(number: int = 0) -> str:
    """Return the id of an invocation."""
    return f"inv_1{number:033d}"


def trace_id(number: int = 0) -> str:
    """Return the id of its trace."""
    return f"{number + 1:032x}"


def write_invocation(store: Store, number: int, *, spans: int, entries: int) -> str:
    """Write an invocation that succeeded, and return its id.

    Args:
        store: The store.
        number: Number of the invocation.
        spans: Number of its spans, those of the server included.
        entries: Number of its journal entries at most, two for each durable step.
    """
    trace = _Trace(number, spans, entries)
    rows: list[Any] = []
    writer = SpanWriter(store)
    for row in trace.spans():
        rows.append(tuple(row.get(column) for column in SPAN_COLUMNS))
        if len(rows) >= AT_ONCE:
            writer.write(rows)
            rows.clear()
    writer.write(rows)
    with store.transaction() as connection:
        _insert(connection, "invocations", [trace.invocation()])
        _insert(connection, "journal", trace.journal)
    return trace.id


class _Trace:
    def __init__(self, number: int, spans: int, entries: int) -> None:
        self.id = invocation_id(number)
        self.turns = (spans - 2) // TURN_SPANS
        self.durable = entries // 2 // STEPS
        self.rest = spans - 2 - self.turns * TURN_SPANS
        self.start = datetime.now(UTC) - timedelta(hours=1, seconds=number)
        self.random = random.Random(number)
        self.trace_id = trace_id(number)
        self.number = number
        self.attempt = self._id(1)
        self.journal: list[dict[str, Any]] = []

    def _id(self, span: int) -> str:
        return f"{self.number + 1:06x}{span:010x}"

    def _at(self, seconds: float) -> datetime:
        return self.start + timedelta(seconds=seconds)

    @property
    def seconds(self) -> float:
        return self.turns * 0.7 + 1.0

    def invocation(self) -> dict[str, Any]:
        """Return its row of sys_invocation."""
        end = self._at(self.seconds)
        return {
            "id": self.id, "target": f"{SERVICE}/run", "target_service_name": SERVICE,
            "target_handler_name": "run", "target_service_ty": "service", "status": "completed",
            "completion_result": "success", "created_at": self.start, "running_at": self.start,
            "modified_at": end, "completed_at": end, "trace_id": self.trace_id,
            "journal_size": len(self.journal),
        }  # fmt: skip

    def _span(self, id_: str, parent: str | None, name: str, start: float, seconds: float,
              attributes: dict[str, Any], **more: Any) -> dict[str, Any]:  # fmt: skip
        begun = int(self._at(start).timestamp() * 1e6) * 1000
        return {
            "trace_id": self.trace_id, "span_id": id_, "parent_span_id": parent, "name": name,
            "kind": "internal", "service_name": "research", "scope_name": "pydantic-ai",
            "start_unix_nano": begun, "end_unix_nano": begun + int(seconds * 1e9),
            "status_code": "unset", "status_message": "", "events": "[]", "links": "[]",
            "resource": json.dumps({"service.name": "research", "service.instance.id": "i-1"}),
            "attributes": json.dumps({"restate.invocation.id": self.id, **attributes}),
            "invocation_id": self.id, **more,
        }  # fmt: skip

    def _entry(self, kind: str, name: str | None, lite: Any, raw: bytes, at: float) -> None:
        self.journal.append({
            "id": self.id, "index": len(self.journal), "entry_type": f"{kind}: Run", "name": name,
            "raw": raw, "raw_length": len(raw), "version": 2, "appended_at": self._at(at),
            "entry_lite_json": json.dumps(lite),
        })  # fmt: skip

    def spans(self) -> Iterator[dict[str, Any]]:
        """Yield rows of spans; those of the journal are there afterwards."""
        server = {"service_name": "Restate", "scope_name": "", "resource": "{}"}
        ingress = self._id(0)
        yield self._span(ingress, None, f"ingress {SERVICE}/run", 0, 0.01, {}, **server)
        yield self._span(self.attempt, ingress, f"invocation-attempt {SERVICE}/run", 0,
                         self.seconds, {}, status_code="ok", **server)  # fmt: skip
        for n in range(self.rest):
            yield self._span(self._id(2 + n), self.attempt, "GET /health", 0.1, 0.01, {})
        for turn in range(self.turns):
            yield from self._turn(turn, 2 + self.rest + turn * TURN_SPANS)

    def _turn(self, turn: int, first: int) -> Iterator[dict[str, Any]]:
        begun = 0.2 + turn * 0.7
        bridge = {"playhead.attempt.span_id": self.attempt, "playhead.attempt.number": 1}
        agent = self._id(first)
        yield self._span(agent, self.attempt, "invoke_agent research", begun, 0.69, {
            **bridge, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "research",
            "final_result": self._text(400)})  # fmt: skip
        history = [_message("system", self._text(1500)), _message("user", self._text(2500))]
        for step in range(STEPS):
            at, own = begun + 0.01 + step * 0.13, first + 1 + (step // 2) * 5 + step % 2 * 3
            logical = {**bridge, "playhead.logical_span_id": self._id(own)}
            ids = [self._id(own + n) for n in range(3)]
            if step % 2 == 0:
                answer = self._text(300)
                call = f"call_{turn}_{step}"
                said = {"role": "assistant", "finish_reason": "tool_call", "parts": [
                    {"type": "text", "content": answer},
                    {"type": "tool_call", "id": call, "name": "search",
                     "arguments": {"query": self._text(60)}}]}  # fmt: skip
                tokens = {"input_tokens": self.random.randrange(500, 4000),
                          "output_tokens": self.random.randrange(50, 400)}  # fmt: skip
                yield self._span(ids[0], agent, "chat gpt-4o", at, 0.1, {
                    **logical, "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o",
                    "gen_ai.agent.name": "research", "gen_ai.response.id": f"resp_{call}",
                    "gen_ai.response.finish_reasons": ["tool_call"],
                    "gen_ai.input.messages": json.dumps(history),
                    "gen_ai.output.messages": json.dumps([said]),
                    **{f"gen_ai.usage.{name}": value for name, value in tokens.items()},
                })  # fmt: skip
                yield self._span(ids[1], ids[2], "POST", at + 0.01, 0.08, {
                    "http.request.method": "POST", "http.response.status_code": 200,
                    "url.full": "https://api.openai.com/v1/chat/completions"})  # fmt: skip
                history.append({"role": "assistant", "parts": said["parts"]})
                name, result = "Model call", {
                    "parts": [{"part_kind": "text", "content": answer}], "model_name": "gpt-4o",
                    "usage": tokens, "provider_name": "openai",
                    "provider_response_id": f"resp_{call}", "kind": "response",
                }  # fmt: skip
            else:
                found = self._text(900)
                yield self._span(ids[0], agent, "execute_tool search", at, 0.1, {
                    **logical, "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "search", "gen_ai.tool.call.id": f"call_{turn}_{step - 1}",
                    "gen_ai.tool.call.result": found,
                })  # fmt: skip
                part = {"type": "tool_call_response", "id": f"call_{turn}_{step - 1}"}
                history.append({"role": "tool", "parts": [{**part, "response": found}]})
                name, result = "Calling search", {"kind": "output", "output": found}
            yield self._step(turn, step, ids[2 if step % 2 == 0 else 1], ids[0], name, result, at)

    def _step(self, turn: int, step: int, id_: str, parent: str, name: str, result: Any,
              at: float) -> dict[str, Any]:  # fmt: skip
        completion = turn * STEPS + step + 1
        if turn >= self.durable:
            return self._span(id_, parent, name, at + 0.005, 0.09, {"cache.hit": False})
        self._entry("Command", name, {"Command": {"Run": {"completion_id": completion}}},
                    _COMMAND(name=name, result_completion_id=completion).SerializeToString(),
                    at)  # fmt: skip
        value = _RESULT(completion_id=completion)
        value.value.content = json.dumps(result).encode()
        lite = {"ty": "Run", "id": {"CompletionId": completion}, "result": "Success"}
        self._entry("Notification", None, {"Notification": lite}, value.SerializeToString(),
                    at + 0.1)  # fmt: skip
        return self._span(id_, parent, f"run {name}", at + 0.005, 0.09, {
            "playhead.attempt.span_id": self.attempt, "playhead.attempt.number": 1,
            "restate.journal.command.type": "Run", "restate.journal.command.name": name,
            "playhead.journal.command_index": completion - 1,
            "playhead.journal.completion_id": completion,
        }, scope_name="playhead_tracing")  # fmt: skip

    def _text(self, characters: int) -> str:
        words = self.random.choices(_WORDS, k=characters // 6)
        return " ".join(words)


def _message(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


_WORDS = ["".join(random.Random(n).choices("etaoinshrdlucm", k=3 + n % 6)) for n in range(3000)]


def _insert(connection: Any, table: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    columns = list(rows[0])
    batch = pa.table({name: [row[name] for row in rows] for name in columns})
    connection.register("rows_to_insert", batch)
    types = TABLES[table].types
    chosen = ", ".join(f'"{name}"::{types[name]}' for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    connection.execute(f"INSERT INTO {table} ({names}) SELECT {chosen} FROM rows_to_insert")
    connection.unregister("rows_to_insert")
