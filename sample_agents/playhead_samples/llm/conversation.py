"""LLM requests, in one form for the Chat Completions API and the Responses API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

__all__ = ["BadRequestError", "Conversation", "Message", "ToolCall", "ToolResult"]

RETRY_MARKS = ("Fix the errors and try again.", "An error occurred while calling the tool:")
"""Texts of Pydantic AI and the OpenAI Agents SDK in the result of a rejected tool call. For some
rejected calls Pydantic AI sends `{"error": …}` instead."""


class BadRequestError(ValueError):
    """The body is not a valid request of the OpenAI API."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that the model requested."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """Result of a tool call."""

    name: str
    arguments: Mapping[str, Any]
    text: str

    @property
    def rejected(self) -> bool:
        """Whether the framework rejected the call (unknown tool, invalid arguments)."""
        value = self.value
        wrapped = isinstance(value, dict) and "error" in value
        return wrapped or any(mark in self.text for mark in RETRY_MARKS)

    @property
    def value(self) -> Any:
        """The text parsed as JSON, or the text itself."""
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the user, the assistant, or a tool."""

    role: str
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request: system prompt, messages, and the available tools."""

    model: str
    system: str
    messages: tuple[Message, ...]
    tools: tuple[str, ...] = ()
    stream: bool = False
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def user(self) -> str:
        """Text of the latest user message."""
        return next((t.text for t in reversed(self.messages) if t.role == "user"), "")

    @property
    def user_messages(self) -> list[str]:
        """Texts of all user messages, oldest first."""
        return [t.text for t in self.messages if t.role == "user"]

    @property
    def results(self) -> list[ToolResult]:
        """Results of the tool calls since the latest user message, without rejected calls."""
        return [r for r in self._results() if not r.rejected]

    @property
    def rejections(self) -> list[ToolResult]:
        """Tool calls since the latest user message that the framework or the tool rejected."""
        return [r for r in self._results() if r.rejected]

    def result(self, tool: str) -> ToolResult | None:
        """Return the latest result of this tool since the latest user message."""
        return next((r for r in reversed(self.results) if r.name == tool), None)

    @property
    def text(self) -> str:
        """The text of all messages, for matching and for counting tokens."""
        return "\n".join([self.system, *self._texts()])

    @property
    def prompt_hash(self) -> str:
        """16 hex digits; equal for requests with equal text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def _texts(self) -> Iterator[str]:
        for message in self.messages:
            yield message.text
            for call in message.calls:
                yield f"{call.name} {json.dumps(dict(call.arguments), sort_keys=True)}"

    def _results(self) -> Iterator[ToolResult]:
        last_user = max((i for i, t in enumerate(self.messages) if t.role == "user"), default=-1)
        calls = {c.id: c for t in self.messages for c in t.calls}
        for message in self.messages[last_user + 1 :]:
            if message.role == "tool" and message.call_id in calls:
                call = calls[message.call_id]
                yield ToolResult(call.name, call.arguments, message.text)

    @classmethod
    def from_chat(cls, body: Mapping[str, Any]) -> Conversation:
        """Read the body of a Chat Completions request. Raises BadRequestError."""
        system: list[str] = []
        messages: list[Message] = []
        for message in _objects(body, "messages"):
            role, text = str(message.get("role")), _text(message.get("content"))
            if role in ("system", "developer"):
                system.append(text)
                continue
            calls_json = cast("list[dict[str, Any]]", message.get("tool_calls") or [])
            calls = tuple(
                ToolCall(c["function"]["name"], _arguments(c["function"]["arguments"]), c["id"])
                for c in calls_json
            )
            messages.append(Message(role, text, calls, str(message.get("tool_call_id") or "")))
        tools = [str(t["function"]["name"]) for t in _tools(body)]
        return cls._create(body, system, messages, tools)

    @classmethod
    def from_responses(cls, body: Mapping[str, Any]) -> Conversation:
        """Read the body of a Responses request. Raises BadRequestError."""
        system = [str(body["instructions"])] if body.get("instructions") else []
        value = body.get("input")
        items: list[Mapping[str, Any]] = (
            [{"role": "user", "content": value}]
            if isinstance(value, str)
            else _objects(body, "input")
        )
        messages: list[Message] = []
        for item in items:
            kind = item.get("type", "message")
            if kind == "function_call":
                call = ToolCall(item["name"], _arguments(item["arguments"]), item["call_id"])
                messages.append(Message("assistant", calls=(call,)))
            elif kind == "function_call_output":
                messages.append(Message("tool", _text(item.get("output")), call_id=item["call_id"]))
            elif kind == "message":
                role, text = str(item.get("role")), _text(item.get("content"))
                if role in ("system", "developer"):
                    system.append(text)
                else:
                    messages.append(Message(role, text))
        tools = [str(t["name"]) for t in _tools(body) if t.get("type") == "function"]
        return cls._create(body, system, messages, tools)

    @classmethod
    def _create(
        cls, body: Mapping[str, Any], system: list[str], messages: list[Message], tools: list[str]
    ) -> Conversation:
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise BadRequestError("you must provide a model parameter")
        return cls(
            model=model,
            system="\n".join(system),
            messages=tuple(messages),
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
    """Parse arguments; invalid JSON (from an injected fault, sent back) becomes an empty object."""
    try:
        value: Any = json.loads(raw or "{}")
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
