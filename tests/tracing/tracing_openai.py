"""An OpenAI Agents SDK agent on Restate, and the HTTP server that is its model."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import restate
from agents import Agent, RunContextWrapper, set_default_openai_api, set_default_openai_client
from openai import AsyncOpenAI
from restate.ext.openai import DurableRunner, durable_function_tool, restate_context
from tracing_world import PlannedError, World


class ModelServer:
    """OpenAI's chat completions, answered from the plan of the run that the prompt names."""

    def __init__(self, world: World) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status, answer = 200, {}
                try:
                    answer = completion(world, asked)
                except PlannedError as error:
                    status, answer = 400, {"error": {"message": str(error)}}
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> ModelServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def completion(world: World, asked: dict[str, Any]) -> dict[str, Any]:
    messages = asked["messages"]
    key = next(m["content"] for m in messages if m["role"] == "user")
    number = sum(m["role"] == "assistant" for m in messages)
    world.ran(key, f"llm {number + 1}")
    planned = world.script(key)[number]
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if isinstance(planned, str):
        message["content"] = planned
    else:
        message["tool_calls"] = [
            {
                "id": f"call_{number}_{i}",
                "type": "function",
                "function": {"name": tool, "arguments": json.dumps(args)},
            }
            for i, (tool, args) in enumerate(planned)
        ]
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": asked["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


def build_openai(world: World, model_url: str, options: dict[str, Any]) -> Any:
    """The service `OpenAI` with the handler `ask`."""

    client = AsyncOpenAI(base_url=model_url, api_key="none", max_retries=0)
    service = restate.Service("OpenAI", **options)

    @durable_function_tool
    async def look(context: RunContextWrapper[str], name: str) -> str:
        """One durable step."""
        key = context.context

        async def act() -> str:
            world.ran(key, f"step {name}")
            return name

        return await restate_context().run_typed(name, act)

    agent = Agent[str](name="openai", model="scripted", tools=[look])

    # The durable provider asks this for the model behind it.

    set_default_openai_client(client, use_for_tracing=False)
    set_default_openai_api("chat_completions")

    @service.handler()
    async def ask(ctx: restate.Context, key: str) -> str:
        return (await DurableRunner.run(agent, key, context=key)).final_output

    return service
