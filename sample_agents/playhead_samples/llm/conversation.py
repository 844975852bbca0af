"""What a request says, in one form for the Chat Completions and the Responses API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

__all__ = ["BadRequestError", "Call", "Conversation", "Result", "Turn"]

RETRY_MARKS = ("Fix the errors and try again.", "An error occurred while calling the tool:")
"""What Pydantic AI and the OpenAI Agents SDK write into a tool result that is a refusal; for some
refusals Pydantic AI sends `{"error": …}` instead."""


class BadRequestError(ValueError):
    """The body is not a request of the OpenAI API; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the model asked for."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool call gave."""

    name: str
    arguments: Mapping[str, Any]
    text: str

    @property
    def refused(self) -> bool:
        """Whether the framework refused the call (unknown tool, invalid arguments)."""
        value = self.value
        wrapped = isinstance(value, dict) and "error" in value
        return wrapped or any(mark in self.text for mark in RETRY_MARKS)

    @property
    def value(self) -> Any:
        """The text read as JSON, or the text itself."""
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: of the user, the assistant, or a tool."""

    role: str
    text: str = ""
    calls: tuple[Call, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request: system prompt, turns, and the tools on offer."""

    model: str
    system: str
    turns: tuple[Turn, ...]
    tools: tuple[str, ...] = ()
    stream: bool = False
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def user(self) -> str:
        """Text of the latest user message."""
        return next((t.text for t in reversed(self.turns) if t.role == "user"), "")

    @property
    def user_messages(self) -> list[str]:
        """Texts of all user messages, oldest first."""
        return [t.text for t in self.turns if t.role == "user"]

    @property
    def results(self) -> list[Result]:
        """Results of the tool calls since the latest user message, refused ones left out."""
        return [r for r in self._results() if not r.refused]

    @property
    def refusals(self) -> list[Result]:
        """Tool calls since the latest user message that the framework or the tool refused."""
        return [r for r in self._results() if r.refused]

    def result(self, tool: str) -> Result | None:
        """The latest result of this tool since the latest user message."""
        return next((r for r in reversed(self.results) if r.name == tool), None)

    @property
    def text(self) -> str:
        """Everything that was said, for matching and for counting tokens."""
        return "\n".join([self.system, *self._texts()])

    @property
    def prompt_hash(self) -> str:
        """16 hex digits that two requests share when they say the same."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def _texts(self) -> Iterator[str]:
        for turn in self.turns:
            yield turn.text
            for call in turn.calls:
                yield f"{call.name} {json.dumps(dict(call.arguments), sort_keys=True)}"

    def _results(self) -> Iterator[Result]:
        last_user = max((i for i, t in enumerate(self.turns) if t.role == "user"), default=-1)
        calls = {c.id: c for t in self.turns for c in t.calls}
        for turn in self.turns[last_user + 1 :]:
            if turn.role == "tool" and turn.call_id in calls:
                call = calls[turn.call_id]
                yield Result(call.name, call.arguments, turn.text)

    @classmethod
    def from_chat(cls, body: Mapping[str, Any]) -> Conversation:
        """Read the body of a Chat Completions request. Raises BadRequestError."""
        system: list[str] = []
        turns: list[Turn] = []
        for message in _objects(body, "messages"):
            role, text = str(message.get("role")), _text(message.get("content"))
            if role in ("system", "developer"):
                system.append(text)
                continue
            raw_calls = cast("list[dict[str, Any]]", message.get("tool_calls") or [])
            calls = tuple(
                Call(c["function"]["name"], _arguments(c["function"]["arguments"]), c["id"])
                for c in raw_calls
            )
            turns.append(Turn(role, text, calls, str(message.get("tool_call_id") or "")))
        tools = [str(t["function"]["name"]) for t in _tools(body)]
        return cls._made(body, system, turns, tools)

    @classmethod
    def from_responses(cls, body: Mapping[str, Any]) -> Conversation:
        """Read the body of a Responses request. Raises BadRequestError."""
        system = [str(body["instructions"])] if body.get("instructions") else []
        given = body.get("input")
        items: list[Mapping[str, Any]] = (
            [{"role": "user", "content": given}]
            if isinstance(given, str)
            else _objects(body, "input")
        )
        turns: list[Turn] = []
        for item in items:
            kind = item.get("type", "message")
            if kind == "function_call":
                call = Call(item["name"], _arguments(item["arguments"]), item["call_id"])
                turns.append(Turn("assistant", calls=(call,)))
            elif kind == "function_call_output":
                turns.append(Turn("tool", _text(item.get("output")), call_id=item["call_id"]))
            elif kind == "message":
                role, text = str(item.get("role")), _text(item.get("content"))
                if role in ("system", "developer"):
                    system.append(text)
                else:
                    turns.append(Turn(role, text))
        tools = [str(t["name"]) for t in _tools(body) if t.get("type") == "function"]
        return cls._made(body, system, turns, tools)

    @classmethod
    def _made(
        cls, body: Mapping[str, Any], system: list[str], turns: list[Turn], tools: list[str]
    ) -> Conversation:
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise BadRequestError("you must provide a model parameter")
        return cls(
            model=model,
            system="\n".join(system),
            turns=tuple(turns),
            tools=tuple(tools),
            stream=bool(body.get("stream")),
            options=body,
        )


def _tools(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _objects(body, "tools") if body.get("tools") else []


def _objects(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value: Any = body.get(name)
    if not isinstance(value, list) or not value:
        raise BadRequestError(f"'{name}' must be a list that is not empty")
    items = cast("list[Any]", value)
    if not all(isinstance(item, dict) for item in items):
        raise BadRequestError(f"every item of '{name}' must be an object")
    return cast("list[Mapping[str, Any]]", items)


def _text(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts = cast("Sequence[Mapping[str, Any]]", content)
    return "\n".join(str(part.get("text", "")) for part in parts)


def _arguments(raw: str) -> Mapping[str, Any]:
    """Arguments as an object; what is not JSON (a fault of ours, sent back) reads as empty."""
    try:
        value: Any = json.loads(raw or "{}")
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
