"""What is compared, and how it is shown."""

from __future__ import annotations

import json

import pytest
from playhead_samples.llm.faults import Fault as ModelFault
from playhead_samples.scenarios import fault_text as wording
from playhead_samples.scenarios import registry as catalogue
from playhead_samples.scenarios import report
from playhead_samples.scenarios.engine import Outcome
from playhead_samples.scenarios.scenario import AtLeast, Check
from playhead_samples.tool_faults import Fault as ToolFault

SCENARIO = catalogue.find("weather-api-down")


def outcome(*checks: Check) -> Outcome:
    return Outcome(SCENARIO, checks, 1.25, "inv_1")


@pytest.mark.parametrize(
    ("expected", "observed", "ok"),
    [(2, 2, True), (2, 3, False), (2, 1, False), (0, 0, True), ("a → b", "b → a", False)],
)
def test_equal_or_not(expected: object, observed: object, ok: bool) -> None:
    assert Check.of("something", expected, observed).ok is ok


@pytest.mark.parametrize(("observed", "ok"), [(1, False), (2, True), (7, True)])
def test_a_lower_limit(observed: int, ok: bool) -> None:
    check = Check.of("something", AtLeast(2), observed)
    assert (check.ok, check.expected) == (ok, "at least 2")


def test_nothing_checked_is_not_fine() -> None:
    assert not outcome().ok


def test_one_difference_makes_the_difference() -> None:
    good, bad = Check.of("a", 1, 1), Check.of("b", 1, 2)
    assert outcome(good).ok
    assert not outcome(good, bad).ok
    assert report.summary([outcome(good), outcome(bad)]) == (
        "1 of 2 scenarios as expected, 2 s; not so: weather-api-down"
    )


def test_the_table_fits_and_says_what_it_cuts() -> None:
    long = "x" * 300
    lines = list(report.table(outcome(Check("answer", "short", long, ok=False)), 100))
    assert lines[0] == "weather-api-down: NOT as expected, 1.2 s"
    assert all(len(line) <= 100 for line in lines)
    assert lines[2].split()[:3] == ["DIFFERS", "answer", "short"]
    assert lines[2].endswith("x…")


def test_what_a_stranger_wrote_does_not_steer_the_terminal() -> None:
    check = Check("answer", "a", "\x1b[2Jgone\nnext \x1b]0;title\x07line", ok=True)
    assert list(report.table(outcome(check), 200))[2].endswith("gone next line")


def test_json_cuts_nothing() -> None:
    document = report.as_json(outcome(Check("answer", "a", "y" * 500, ok=False)))
    assert json.loads(json.dumps(document)) == {
        "name": "weather-api-down",
        "title": SCENARIO.title,
        "ok": False,
        "seconds": 1.25,
        "invocation_id": "inv_1",
        "checks": [{"what": "answer", "expected": "a", "observed": "y" * 500, "ok": False}],
    }


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            ToolFault("pay", "raise", call=[1, 2], match="Rome"),
            "pay fails, at call 1 and 2, with Rome",
        ),
        (ToolFault("pay", "slow", seconds=2), "pay is slow by 2 s"),
        (
            ToolFault("pay", "exit", call=1, when="after"),
            "pay takes the process with it (kill -9), after it has acted, at call 1",
        ),
    ],
)
def test_faults_of_tools_in_words(fault: ToolFault, words: str) -> None:
    assert wording.of_tool_fault(fault) == words


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            ModelFault("server_error", agent="chat"),
            "the LLM answers 500, for the agent chat, at request 1",
        ),
        (ModelFault("server_error", call=2, times=None), "the LLM answers 500, from request 2 on"),
        (
            ModelFault("rate_limit", times=2, prompt="x"),
            "the LLM answers 429, Retry-After 1 s, where 'x' was said, at requests 1 to 2",
        ),
        (ModelFault("malformed", times=None), "the LLM answers with broken JSON, always"),
    ],
)
def test_faults_of_the_model_in_words(fault: ModelFault, words: str) -> None:
    assert wording.of_model_fault(fault) == words
