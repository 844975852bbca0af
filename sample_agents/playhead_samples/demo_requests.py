"""What the demo sends: a handful of requests, with failures placed among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from playhead.errors import ProcessError

from playhead_samples import effects
from playhead_samples import tool_faults as faults
from playhead_samples.stack import Stack

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the sample agents."""

    what: str
    """What it shows, in a few words."""
    path: str
    """Service, key where there is one, and handler, as in the ingress address."""
    message: str


@dataclass(frozen=True, slots=True)
class Sent:
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
    Request("a conversation begins", "ChatAgent/ada/message", "Hello, my name is Ada."),
    Request("… remembers", "ChatAgent/ada/message", "What is my name?"),
    Request("… and goes on", "ChatAgent/ada/message", "Thank you, that will be all."),
    Request(
        "an agent that consults two others",
        "ClaimIntake/ada/run",
        "Collision: my car needs 4000 USD of repairs and I had surgery for 9000 USD.",
    ),
)

AGENTS = ("approval", "chat", "intake", "weather")
"""Files of the agents that they go to."""

TOOL_FAULTS = [
    faults.Fault(
        tool="get_weather",
        do="raise",
        call=[1, 2],
        match="Denver",
        message="the weather station of Denver does not answer",
    )
]
LLM_FAULTS = [{"do": "rate_limit", "agent": "weather", "prompt": "Berlin", "seconds": 1}]


def arm(stack: Stack) -> None:
    """Place the failures. With a real model, only those of the tools."""
    faults.declare(stack.faults_file, TOOL_FAULTS)
    httpx.post(
        f"{stack.llm_url}/control/faults", json=LLM_FAULTS, timeout=TIMEOUT_SECONDS
    ).raise_for_status()


def send(stack: Stack) -> Iterator[Sent]:
    """Send every request, one after the other, without waiting for its answer.

    Raises:
        ProcessError: the ingress refuses or does not answer.
    """
    token = stack.settings.auth_token
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=stack.settings.ingress_url, headers=headers) as client:
        for request in REQUESTS:
            try:
                response = client.post(
                    f"/{request.path}/send",
                    json={"message": request.message},
                    timeout=TIMEOUT_SECONDS,
                )
                response.raise_for_status()
            except httpx.HTTPError as error:
                raise ProcessError(f"{request.path} could not be called: {error}") from error
            answer: dict[str, Any] = response.json()
            yield Sent(request, answer["invocationId"])


def approve(stack: Stack) -> int:
    """Approve every claim that waits for a person; returns how many."""
    waiting = [e for e in effects.read(stack.effects_file) if e.name == "request_review"]
    for effect in waiting:
        httpx.post(
            f"{stack.settings.ingress_url}/restate/awakeables/"
            f"{effect.details['awakeable_id']}/resolve",
            json=True,
            timeout=TIMEOUT_SECONDS,
        ).raise_for_status()
    return len(waiting)


def statuses(stack: Stack, ids: list[str]) -> dict[str, str]:
    """Invocation id to the server's word on it, such as `running` or `completed`."""
    quoted = ", ".join(f"'{one}'" for one in ids)
    token = stack.settings.auth_token
    response = httpx.post(
        f"{stack.settings.admin_url}/query",
        json={"query": f"SELECT id, status FROM sys_invocation WHERE id IN ({quoted})"},
        headers={"accept": "application/json"}
        | ({"authorization": f"Bearer {token}"} if token else {}),
        timeout=TIMEOUT_SECONDS,
    )
    response.raise_for_status()
    return {row["id"]: row["status"] for row in response.json()["rows"]}
