"""Failures of LLM, tools and process: the agents recover, and side effects are counted."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from lab import Lab
from playhead_samples.tool_faults import ToolFault
from waiting import until

QUESTION = {"message": "What is the weather in Denver?"}
ANSWER = "The weather in Denver: sunny, 17 °C."


@pytest.mark.parametrize(
    "kind",
    ["rate_limit", "server_error", "reset", "malformed", "truncate", "hang", "slow"],
)
def test_failed_llm_request_is_repeated(lab: Lab, kind: str) -> None:
    lab.set_llm_fault(do=kind, agent="weather", seconds=10 if kind == "hang" else 0.2)
    assert lab.call("/WeatherAgent/run", QUESTION) == ANSWER
    counts = lab.llm_counts()["weather"]
    assert counts["faults"] == {kind: 1}
    assert counts["requests"] == (2 if kind == "slow" else 3)
    assert counts["answers"] == 2
    hashes = [entry["prompt_hash"] for entry in lab.llm_log("weather")]
    if kind != "slow":
        assert hashes[0] == hashes[1], "the same prompt was sent again"
    assert lab.effects("get_weather") == 1


def test_retry_waits_as_long_as_retry_after_says(lab: Lab) -> None:
    lab.set_llm_fault(do="rate_limit", agent="weather", seconds=2)
    assert lab.call("/WeatherAgent/run", QUESTION) == ANSWER
    first, second = (datetime.fromisoformat(e["at"]) for e in lab.llm_log("weather")[:2])
    assert timedelta(seconds=2) <= second - first < timedelta(seconds=6)


@pytest.mark.parametrize(
    ("kind", "requests"), [("rate_limit", 3), ("server_error", 3), ("truncate", 3), ("reset", 3)]
)
def test_failed_streaming_llm_request_is_repeated(lab: Lab, kind: str, requests: int) -> None:
    lab.set_llm_fault(do=kind, agent="storyteller", seconds=0.2)
    story = lab.call("/Storyteller/run", {"topic": lab.key("topic"), "about": "a fox"})
    assert story.startswith("Once there was a fox.")
    assert lab.llm_counts()["storyteller"]["requests"] == requests
    assert lab.effects("draw_setting") == 1


def test_rejected_stream_is_not_retried(lab: Lab) -> None:
    lab.set_llm_fault(do="context_length", agent="storyteller", times=None)
    request = {"topic": lab.key("topic"), "about": "a fox"}
    failure = lab.call("/Storyteller/run", request, status=400)
    assert "context_length_exceeded" in failure["message"]


@pytest.mark.parametrize("kind", ["wrong_tool", "invalid_arguments"])
def test_model_corrects_a_wrong_tool_call_without_a_retry(lab: Lab, kind: str) -> None:
    lab.set_llm_fault(do=kind, agent="weather")
    invocation = lab.send("/WeatherAgent/run", QUESTION)
    assert lab.output(invocation) == ANSWER
    assert lab.llm_counts()["weather"] | {"input_tokens": 0, "output_tokens": 0} == {
        "requests": 3, "answers": 3, "faults": {kind: 1}, "input_tokens": 0, "output_tokens": 0,
    }  # fmt: skip
    assert lab.effects("get_weather") == 1
    assert lab.steps(invocation) == ["Model call", "Model call", "Get weather", "Model call"]
    assert not lab.sql(f"SELECT id FROM sys_journal_events WHERE id = '{invocation}'")


def test_context_length_error_is_not_retried(lab: Lab) -> None:
    lab.set_llm_fault(do="context_length", agent="weather", times=None)
    failure = lab.call("/WeatherAgent/run", QUESTION, status=400)
    assert "context_length_exceeded" in failure["message"]
    assert lab.llm_counts()["weather"]["requests"] == 1


def test_exhausted_llm_retries_end_the_invocation(lab: Lab) -> None:
    lab.set_llm_fault(do="server_error", agent="orders", times=None)
    failure = lab.call("/OrderDesk/run", {"message": "Where is order A-17?"}, status=500)
    assert "500" in failure["message"]
    assert lab.llm_counts()["orders"]["requests"] == 3
    assert lab.effect_names() == []


def test_exhausted_tool_retries_are_reported_to_the_model(lab: Lab) -> None:
    lab.set_tool_faults(ToolFault("query_orders", "raise", message="orders are down"))
    answer = lab.call("/OrderDesk/run", {"message": "Where is order A-17?"})
    assert answer.startswith("The order system is unavailable")
    assert "orders are down" in answer
    assert lab.effects("query_orders") == 0


def test_terminal_error_of_a_tool_ends_the_invocation(lab: Lab) -> None:
    failure = lab.call("/OrderDesk/run", {"message": "Where is order A-666?"}, status=403)
    assert failure["message"] == "order A-666 is sealed by a court"
    assert lab.llm_counts()["orders"]["requests"] == 1


def test_failing_tool_is_retried_without_another_llm_request(lab: Lab) -> None:
    lab.set_tool_faults(ToolFault("get_weather", "raise", call=[1, 2], match="Denver"))
    invocation = lab.send("/WeatherAgent/run", QUESTION)
    assert lab.output(invocation) == ANSWER
    assert lab.effects("get_weather") == 1
    assert lab.llm_counts()["weather"]["requests"] == 2
    events = lab.sql(f"SELECT event_json FROM sys_journal_events WHERE id = '{invocation}'")
    assert any("get_weather is unavailable" in e["event_json"] for e in events)


def test_wrapped_tool_is_retried_alone_and_keeps_its_position(lab: Lab) -> None:
    lab.set_tool_faults(ToolFault("order_cab", "raise", call=[1, 2]))
    invocation = lab.send("/Concierge/run", {"message": "An evening in Lisbon, please."})
    assert lab.output(invocation).startswith("Your evening: a table")
    assert lab.effect_names() == ["reserve_table", "order_cab"]
    assert lab.llm_counts()["concierge"]["requests"] == 2
    assert lab.steps(invocation) == [
        "Model call", "Calling reserve_table", "Calling order_cab", "Model call",
    ]  # fmt: skip


def test_fault_applies_only_to_matching_arguments(lab: Lab) -> None:
    lab.set_tool_faults(ToolFault("get_weather", "terminal", match="Denver"))
    assert "Lisbon" in lab.call("/WeatherAgent/run", {"message": "What is the weather in Lisbon?"})


def test_failed_trip_is_undone_in_reverse_order(lab: Lab) -> None:
    lab.set_tool_faults(ToolFault("book_car", "terminal", message="no car left"))
    failure = lab.call("/TravelAgent/run", {"message": "A trip to Porto, please."}, status=500)
    assert failure["message"] == "the trip was not booked: no car left"
    assert lab.effect_names() == [
        "book_hotel", "book_flight", "cancel_car", "cancel_flight", "cancel_hotel",
    ]  # fmt: skip


def test_cancelled_trip_is_undone(lab: Lab) -> None:
    lab.set_tool_faults(ToolFault("book_flight", "hang", seconds=30))
    invocation = lab.send("/TravelAgent/run", {"message": "A trip to Porto, please."})
    until(lambda: lab.effects("book_hotel") == 1, "the hotel is booked")
    until(lambda: "Book flight" in lab.steps(invocation), "the flight is being booked")
    lab.cancel(invocation)
    until(
        lambda: lab.invocation(invocation)["status"] == "completed", "the invocation has completed"
    )
    assert "cancelled" in lab.invocation(invocation)["completion_failure"]
    assert lab.effect_names() == ["book_hotel", "cancel_flight", "cancel_hotel"]


def test_parallel_step_next_to_a_failing_one_may_run_again(lab: Lab) -> None:
    lab.set_tool_faults(ToolFault("compare_rates", "raise", call=[1, 2]))
    invocation = lab.send("/ClaimAnalyst/run", {"message": "Assess a claim of 7000 USD."})
    assert lab.output(invocation) == "Pay: every metric is good."
    assert lab.effects("compare_rates") == 1
    others = {name: lab.effects(name) for name in ("check_eligibility", "check_fraud")}
    assert all(1 <= times <= 3 for times in others.values()), others
    assert len(lab.steps(invocation)) == 5, "the journal holds each step once"
