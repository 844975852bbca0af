"""The requests that the demo sends, and the failures that it injects."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from playhead.errors import ProcessError, UnreachableError

from playhead_samples import effects, tool_faults
from playhead_samples.stack import Stack
from playhead_samples.tool_faults import ToolFault

__all__ = [
    "AGENTS",
    "REQUESTS",
    "Request",
    "SentRequest",
    "approve",
    "inject_faults",
    "send",
    "statuses",
    "wait_for_status",
]

TIMEOUT_SECONDS = 30.0
WAIT_SECONDS = 120.0
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the sample agents."""

    title: str
    """Summary, in a few words."""
    path: str
    """Service, key (if there is one) and handler, as in the ingress URL."""
    message: str


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request that Restate has accepted."""

    request: Request
    invocation_id: str


REQUESTS = (
    Request(
        "an approval that waits for you",
        "ApprovalAgent/run",
        "I claim 3000 USD for a roof that the storm took.",
    ),
    Request("a simple question", "WeatherAgent/run", "What is the weather in Lisbon?"),
    Request(
        "a tool that fails twice, then works", "WeatherAgent/run", "What is the weather in Denver?"
    ),
    Request("an LLM that answers 429 once", "WeatherAgent/run", "What is the weather in Berlin?"),
    Request("a conversation starts", "ChatAgent/ada/message", "Hello, my name is Ada."),
    Request("the conversation remembers", "ChatAgent/ada/message", "What is my name?"),
    Request("the conversation ends", "ChatAgent/ada/message", "Thank you, that will be all."),
    Request(
        "an agent that consults two other agents",
        "ClaimIntake/ada/run",
        "Collision: my car needs 4000 USD of repairs and I had surgery for 9000 USD.",
    ),
    Request(
        "an agent that calls two other services",
        "ClaimsDesk/run",
        "Collision: my car needs 4000 USD of repairs and I had surgery for 9000 USD.",
    ),
)
CALLED = 2
"""Invocations that the last request leads to, besides its own."""

AGENTS = ("approval", "chat", "intake", "remote_agents", "weather")
"""Files of the agents that receive the requests."""

TOOL_FAULTS = [
    ToolFault(
        tool="get_weather",
        do="raise",
        call=[1, 2],
        match="Denver",
        message="the weather station in Denver does not answer",
    )
]
LLM_FAULTS = [{"do": "rate_limit", "agent": "weather", "prompt": "Berlin", "seconds": 1}]


def inject_faults(stack: Stack) -> None:
    """Set the faults. With a real model, only the faults of the tools have an effect."""
    tool_faults.set_faults(stack.faults_file, TOOL_FAULTS)
    httpx.post(
        f"{stack.llm_url}/control/faults", json=LLM_FAULTS, timeout=TIMEOUT_SECONDS
    ).raise_for_status()


def send(stack: Stack, requests: Sequence[Request] = REQUESTS) -> Iterator[SentRequest]:
    """Send requests in order, without waiting for their answers.

    Args:
        stack: The servers.
        requests: By default, all of the demo.

    Raises:
        UnreachableError: the ingress does not answer, or rejects a request.
    """
    for request in requests:
        answer = _post(stack, f"{request.path}/send", {"message": request.message}).json()
        yield SentRequest(request, answer["invocationId"])


def approve(stack: Stack) -> int:
    """Approve every pending claim and return the number of claims.

    Raises:
        UnreachableError: the ingress does not answer, or rejects a request.
    """
    requests = [e for e in effects.read(stack.effects_file) if e.name == "request_review"]
    for effect in requests:
        _post(stack, f"restate/awakeables/{effect.details['awakeable_id']}/resolve", True)
    return len(requests)


def statuses(stack: Stack, ids: Sequence[str]) -> dict[str, str]:
    """Return the server's status by invocation id, such as `running` or `completed`.

    Raises:
        RestateError: the admin API cannot be used.
    """
    quoted = ", ".join(f"'{id_}'" for id_ in ids)
    rows = stack.query(f"SELECT id, status FROM sys_invocation WHERE id IN ({quoted})")
    found = {row["id"]: row["status"] for row in rows}
    return {id_: found.get(id_, "unknown") for id_ in ids}


def wait_for_status(
    stack: Stack, ids: Sequence[str], status: str, *, seconds: float = WAIT_SECONDS
) -> None:
    """Wait until all these invocations have a status of the server, such as `completed`.

    Raises:
        ProcessError: they do not reach it in time.
        RestateError: the admin API cannot be used.
    """
    deadline = time.monotonic() + seconds
    while waiting := {id_: s for id_, s in statuses(stack, ids).items() if s != status}:
        if time.monotonic() > deadline:
            listed = ", ".join(f"{id_} {found}" for id_, found in sorted(waiting.items()))
            raise ProcessError(
                f"Invocations were not {status} after {seconds:g} s: {listed}",
                stack.agents.log_tail(),
            )
        time.sleep(POLL_SECONDS)


def _post(stack: Stack, path: str, body: Any) -> httpx.Response:
    token = stack.settings.auth_token
    try:
        return httpx.post(
            f"{stack.settings.ingress_url}/{path}",
            json=body,
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=TIMEOUT_SECONDS,
        ).raise_for_status()
    except httpx.HTTPError as error:
        raise UnreachableError(
            f"The ingress at {stack.settings.ingress_url} did not accept a request to {path}: "
            f"{error}",
            "Check that the server is running and that RESTATE_INGRESS_URL is its ingress.",
        ) from error
