"""The service is killed and comes back; a process of its own with two agents, so it is quick."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from lab import Lab
from playhead.local import free_port
from playhead_samples.tool_faults import Fault

QUESTION = {"message": "What is the weather in Denver?"}
ANSWER = "The weather in Denver: sunny, 17 °C."
CLAIM = {"message": "I claim 3000 USD for a roof."}
SIGTERM_SECONDS = 5.0


@pytest.fixture(scope="module")
def small_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    nobody = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    folder = tmp_path_factory.mktemp("small")
    with Lab(folder, "weather", "approval", agents_env=nobody) as lab:
        yield lab


@pytest.fixture
def lab(small_lab: Lab) -> Lab:
    small_lab.reset()
    return small_lab


@pytest.mark.parametrize(("when", "acts"), [("before", 1), ("after", 2)])
def test_killed_service_goes_on_where_it_was(lab: Lab, when: str, acts: int) -> None:
    """Killed after the act and before its result is durable, a step runs again: at least once."""
    lab.faults(Fault("get_weather", "exit", call=1, when=when))  # pyright: ignore[reportArgumentType]
    invocation = lab.send("/WeatherAgent/run", QUESTION)
    lab.until(lambda: not lab.agents.running, "the service has killed itself")
    assert lab.agents.returncode == -9
    lab.restart_agents()
    assert lab.output(invocation) == ANSWER
    assert lab.effects("get_weather") == acts
    assert lab.llm_counts()["weather"]["requests"] == 2


def test_sigterm_ends_the_service_in_time_and_nothing_is_lost(lab: Lab) -> None:
    """At work, with an approval suspended, and with nobody who takes the spans."""
    claim = lab.send("/ApprovalAgent/run", CLAIM)
    asked = lab.details("request_review")
    lab.arm(do="hang", agent="weather", seconds=30)
    question = lab.send("/WeatherAgent/run", QUESTION)
    lab.until(lambda: bool(lab.llm_log("weather")), "the model is being asked")
    begun = time.monotonic()
    lab.agents.signal(signal.SIGTERM)
    lab.until(lambda: not lab.agents.running, "the service has ended")
    assert time.monotonic() - begun < SIGTERM_SECONDS
    lab.restart_agents()
    lab.resolve(asked["awakeable_id"], True)
    assert lab.output(claim) == "A person decided on the claim: approved."
    assert lab.output(question) == ANSWER
    assert lab.effects("request_review") == lab.effects("get_weather") == 1
    assert lab.llm_counts()["approval"]["requests"] == 2
