"""Every sample agent called through the ingress: answer, side effects, LLM requests."""

from __future__ import annotations

from typing import Any

import pytest
from lab import Lab
from playhead_samples.sample_requests import EXAMPLES, example
from waiting import until

PLAIN: dict[str, tuple[Any, list[str], int]] = {
    # name: answer, side effects in order, number of LLM requests
    "weather": ("The weather in Denver: sunny, 17 °C.", ["get_weather"], 2),
    "intake": (
        "Medical review: the treatment is covered. Car review: the damage is covered.",
        ["file_opinion", "file_opinion"],
        5,
    ),
    "remote-agents": (
        "Health: covered. Signed: health. Motor: covered. Signed: motor.",
        ["sign_opinion", "sign_opinion"],
        5,
    ),
    "pipeline": (
        "| figure |\n| --- |\n| 1200 |\n| 42 |",
        ["archive", "archive", "archive"],
        3,
    ),
    "evaluator": (
        {"slogan": "You will love a quiet vacuum cleaner!", "rounds": 2, "accepted": True},
        ["publish_slogan"],
        4,
    ),
    "errors": ("Order A-17 is on its way.", ["query_orders"], 3),
    "manual-loop": ("The result is 42.", ["multiply"], 2),
    "travel": (
        "Your trip to Lisbon is booked: hotel, flight and car.",
        ["book_hotel", "book_flight", "book_car"],
        4,
    ),
    "wrapped-tools": (
        "Your evening: a table in Lisbon at eight and a cab in Lisbon at half past seven.",
        ["reserve_table", "order_cab"],
        2,
    ),
    "airline": ("Booking QX71 now has seat 12A.", ["write_seat"], 3),
}


@pytest.mark.parametrize("name", PLAIN)
def test_agent_answers_and_acts_exactly_once(lab: Lab, name: str) -> None:
    answer, acts, requests = PLAIN[name]
    shown = example(name)
    assert lab.call(shown.path, shown.body) == answer
    assert lab.effect_names() == acts
    counts = lab.llm_counts()
    assert counts["*"]["requests"] == counts["*"]["answers"] == requests
    assert set(counts) - {"*"} == set(shown.models)


def test_every_example_has_a_test() -> None:
    tested_below = {
        "chat", "approval", "approval-timeout", "approval-workflow", "parallel-tools",
        "parallel-agents", "racing", "orchestrator", "runaway", "scheduled", "streaming",
        "interruptible", "bank", "changing-code",
    }  # fmt: skip
    assert {e.name for e in EXAMPLES} == tested_below | set(PLAIN)


def test_parallel_tools_overlap_and_run_once_each(lab: Lab) -> None:
    invocation = lab.send("/ClaimAnalyst/run", {"message": "Assess a claim of 7000 USD."})
    assert lab.output(invocation) == "Pay: every metric is good."
    names = sorted(lab.effect_names())
    assert names == ["check_eligibility", "check_fraud", "compare_rates"]
    rows = lab.sql(
        f"SELECT entry_type FROM sys_journal WHERE id = '{invocation}' "
        "AND name IN ('Check eligibility', 'Compare rates', 'Check fraud') ORDER BY index"
    )
    assert [r["entry_type"] for r in rows][:3] == ["Command: Run"] * 3


def test_each_parallel_agent_has_its_own_invocation(lab: Lab) -> None:
    parent = lab.send("/ReviewBoard/run", {"text": "We are the best."})
    assert set(lab.output(parent)) == {"tone", "facts", "grammar"}
    assert lab.effects("file_review") == 3
    children = lab.sql(f"SELECT target FROM sys_invocation WHERE invoked_by_id = '{parent}'")
    assert [c["target"] for c in children] == ["Reviewer/review"] * 3


def test_orchestrator_calls_one_worker_per_task_of_the_plan(lab: Lab) -> None:
    parent = lab.send("/Orchestrator/run", {"goal": "Plan a garden party"})
    assert lab.output(parent).startswith("3 reports.")
    assert lab.effects("book_hours") == 3
    assert {n: c["requests"] for n, c in lab.llm_counts().items() if n != "*"} == {
        "planner": 1,
        "worker": 3,
        "editor": 1,
    }


def test_race_cancels_the_slower_agent(lab: Lab) -> None:
    lab.set_llm_fault(do="slow", agent="thorough", seconds=30)
    parent = lab.send("/Race/run", {"question": "How do I learn to sail?"})
    assert lab.output(parent) == "Start small, practise often."

    def results() -> dict[str, str | None]:
        rows = lab.sql(
            "SELECT target, completion_failure FROM sys_invocation "
            f"WHERE invoked_by_id = '{parent}' AND status = 'completed'"
        )
        return {r["target"]: r.get("completion_failure") for r in rows}

    until(lambda: len(results()) == 2, "both racers have ended")
    assert results() == {"Runners/quick": None, "Runners/thorough": "[409] cancelled"}
    assert lab.effects("finish", runner="quick") == 1
    assert lab.effects("finish", runner="thorough") == 0


def test_usage_limit_stops_a_runaway_agent_without_a_retry(lab: Lab) -> None:
    failure = lab.call("/Researcher/run", {"topic": "perpetual motion"}, status=429)
    assert "request_limit of 5" in failure["message"]
    assert lab.llm_counts()["researcher"]["requests"] == 5
    assert lab.effects("search_library") == 5


def test_research_within_the_limit_succeeds(lab: Lab) -> None:
    assert "part 2" in lab.call("/Researcher/run", {"topic": "tides"})
    assert lab.effects("search_library") == 2


def test_scheduled_agent_ticks_as_often_as_requested(lab: Lab) -> None:
    key = lab.key("harbour")
    lab.call(f"/Watchman/{key}/start", {"every_seconds": 0.2, "ticks": 3})
    until(lambda: len(lab.get(f"/Watchman/{key}/reports")) == 3, "three reports exist")
    assert [lab.effects("send_report", place=key, number=n) for n in (1, 2, 3, 4)] == [1, 1, 1, 0]


def test_stopped_series_sends_no_more_reports(lab: Lab) -> None:
    key = lab.key("harbour")
    lab.call(f"/Watchman/{key}/start", {"every_seconds": 0.3, "ticks": 50})
    until(lambda: lab.effects("send_report", place=key) >= 1, "the first report exists")
    lab.call(f"/Watchman/{key}/stop")
    before = lab.effects("send_report", place=key)

    def pending() -> bool:
        return bool(
            lab.sql(
                "SELECT id FROM sys_invocation WHERE target_service_name = 'Watchman' "
                f"AND target_service_key = '{key}' AND status <> 'completed'"
            )
        )

    until(lambda: not pending(), "no tick is scheduled")
    assert lab.effects("send_report", place=key) == before < 50


def test_progress_arrives_in_order_and_the_model_call_streams(lab: Lab) -> None:
    topic = lab.key("topic")
    invocation = lab.send("/Storyteller/run", {"topic": topic, "about": "a fox"})
    lines: list[str] = []
    while not any(line.startswith("done") for line in lines):
        lines += lab.call(f"/Progress/{topic}/pull", len(lines))
    story = lab.output(invocation)
    assert lines == ["begun", "calling pick_setting", "the tool has answered", f"done: {story}"]
    assert lab.steps(invocation) == ["Model stream call", "Draw setting", "Model stream call"]
    assert [entry["stream"] for entry in lab.llm_log("storyteller")] == [True, True]


def test_new_message_interrupts_the_task_and_the_next_task_knows_both_messages(lab: Lab) -> None:
    key = lab.key("ada")
    lab.set_llm_fault(do="slow", agent="coder", seconds=30)
    assert lab.call(f"/CodingAgent/{key}/message", {"message": "Write a todo list."}) == 1
    until(lambda: bool(lab.llm_log("coder")), "the coder has called the LLM")
    assert lab.call(f"/CodingAgent/{key}/message", {"message": "In Rust."}) == 2
    history = f"/CodingAgent/{key}/get_history"
    until(lambda: lab.get(history)["result"] is not None, "the task is done")
    assert lab.get(history)["result"] == "polish(draft(plan(Write a todo list.; In Rust.)))"
    assert lab.effects("remove_workspace", owner=key) == 1


def test_bank_conversation_moves_money_once(lab: Lab) -> None:
    key = lab.key("ada")
    path = f"/BankAgent/{key}/message"
    assert lab.call(path, {"message": "What is my balance?"}) == "Your balance is 1500 USD."
    answer = lab.call(path, {"message": "I need a loan of 2000 USD."})
    assert answer == "Your loan: approved, the money is on its way."
    until(lambda: lab.get(f"/BankAccount/{key}/balance") == 3500, "the loan is paid")
    assert lab.effects("move_money", customer=key, amount=2000) == 1
    transactions = lab.call(path, {"message": "Show my transactions."})
    assert transactions == "Your transactions: opening balance: 1500 USD; loan: 2000 USD."


@pytest.mark.parametrize(("approved", "balance"), [(True, 91_500), (False, 1_500)])
def test_large_loan_waits_for_a_banker(lab: Lab, approved: bool, balance: int) -> None:
    key = lab.key("ada")
    answer = lab.call(f"/BankAgent/{key}/message", {"message": "I need a loan of 90000 USD."})
    assert answer == "Your loan: a banker will decide."
    assert lab.details("ask_banker")["risk"].startswith("high")
    lab.call(f"/LoanWorkflow/{key}-90000/approve", approved)
    outcome = lab.attach(f"workflow/LoanWorkflow/{key}-90000")
    assert outcome == ("paid" if approved else "refused")
    assert lab.get(f"/BankAccount/{key}/balance") == balance


def test_airline_continues_with_the_agent_that_answered_last(lab: Lab) -> None:
    path = f"/AirlineAgent/{lab.key('ada')}/message"
    assert "23 kg" in lab.call(path, {"message": "How much luggage is included?"})
    assert [e["agent"] for e in lab.llm_log()] == ["triage", "faq", "faq"]
    seat = lab.call(path, {"message": "Please change my seat to 12A, my booking is QX71."})
    assert seat == "Booking QX71 now has seat 12A."
    assert [e["agent"] for e in lab.llm_log()][3:] == ["faq", "triage", "seat", "seat"]
    assert {e["api"] for e in lab.llm_log()} == {"responses"}
