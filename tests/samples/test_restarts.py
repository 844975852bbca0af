"""The service is killed and restarted, with two agents only so that it starts fast."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from lab import Lab
from playhead.local import free_port
from playhead_samples.tool_faults import ToolFault
from waiting import until

QUESTION = {"message": "What is the weather in Denver?"}
ANSWER = "The weather in Denver: sunny, 17 °C."
CLAIM = {"message": "I claim 3000 USD for a roof."}
SIGTERM_SECONDS = 5.0


@pytest.fixture(scope="module")
def small_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    unreachable = {
        "OTEL_SDK_DISABLED": "false",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
    }
    folder = tmp_path_factory.mktemp("small")
    with Lab(folder, "weather", "approval", agent_env=unreachable) as lab:
        yield lab


@pytest.fixture
def lab(small_lab: Lab) -> Lab:
    small_lab.reset()
    return small_lab


@pytest.mark.parametrize(("when", "acts"), [("before", 1), ("after", 2)])
def test_killed_service_continues_where_it_stopped(lab: Lab, when: str, acts: int) -> None:
    """A step that is killed after its side effect runs again."""
    lab.set_tool_faults(ToolFault("get_weather", "exit", call=1, when=when))  # pyright: ignore[reportArgumentType]
    invocation = lab.send("/WeatherAgent/run", QUESTION)
    until(lambda: not lab.agents.running, "the service has killed itself")
    assert lab.agents.returncode == -9
    lab.stack.start_agents()
    assert lab.output(invocation) == ANSWER
    assert lab.effects("get_weather") == acts
    assert lab.llm_counts()["weather"]["requests"] == 2


def test_sigterm_ends_the_service_in_time_without_losing_progress(lab: Lab) -> None:
    """During an LLM request, with a suspended approval, and without a receiver for spans."""
    claim = lab.send("/ApprovalAgent/run", CLAIM)
    request = lab.details("request_review")
    lab.set_llm_fault(do="hang", agent="weather", seconds=30)
    question = lab.send("/WeatherAgent/run", QUESTION)
    until(lambda: bool(lab.llm_log("weather")), "the LLM request has arrived")
    lab.agents.signal(signal.SIGTERM)
    until(lambda: not lab.agents.running, "the service has ended", seconds=SIGTERM_SECONDS)
    lab.stack.start_agents()
    lab.resolve(request["awakeable_id"], True)
    assert lab.output(claim) == "A person decided on the claim: approved."
    assert lab.output(question) == ANSWER
    assert lab.effects("request_review") == lab.effects("get_weather") == 1
    assert lab.llm_counts()["approval"]["requests"] == 2
