"""Checks, and the text of outcomes."""

from __future__ import annotations

import json

import pytest
from playhead_samples.scenarios import registry, report
from playhead_samples.scenarios.player import ScenarioResult
from playhead_samples.scenarios.scenario import AtLeast, CheckResult

SCENARIO = registry.find("weather-api-down")


def outcome(*checks: CheckResult) -> ScenarioResult:
    return ScenarioResult(SCENARIO, checks, 1.25, "inv_1")


@pytest.mark.parametrize(
    ("expected", "observed", "ok"),
    [(2, 2, True), (2, 3, False), (2, 1, False), (0, 0, True), ("a → b", "b → a", False)],
)
def test_values_are_compared(expected: object, observed: object, ok: bool) -> None:
    assert CheckResult.compare("something", expected, observed).ok is ok


@pytest.mark.parametrize(("observed", "ok"), [(1, False), (2, True), (7, True)])
def test_lower_limit(observed: int, ok: bool) -> None:
    check = CheckResult.compare("something", AtLeast(2), observed)
    assert (check.ok, check.expected) == (ok, "at least 2")


def test_outcome_without_checks_failed() -> None:
    assert not outcome().ok


def test_one_failed_check_fails_the_outcome() -> None:
    good, bad = CheckResult.compare("a", 1, 1), CheckResult.compare("b", 1, 2)
    assert outcome(good).ok
    assert not outcome(good, bad).ok
    assert report.summary([outcome(good), outcome(bad)]) == (
        "1 of 2 scenarios passed in 2 s; failed: weather-api-down"
    )


def test_table_fits_and_marks_cut_text() -> None:
    long = "x" * 300
    lines = list(report.table(outcome(CheckResult("answer", "short", long, ok=False)), 100))
    assert lines[0] == "weather-api-down: FAILED in 1.2 s"
    assert all(len(line) <= 100 for line in lines)
    assert lines[2].split()[:3] == ["FAILED", "answer", "short"]
    assert lines[2].endswith("x…")


def test_control_sequences_do_not_reach_the_terminal() -> None:
    check = CheckResult("answer", "a", "\x1b[2Jgone\nnext \x1b]0;title\x07line", ok=True)
    assert list(report.table(outcome(check), 200))[2].endswith("gone next line")


def test_json_is_not_cut() -> None:
    document = report.as_json(outcome(CheckResult("answer", "a", "y" * 500, ok=False)))
    assert json.loads(json.dumps(document)) == {
        "name": "weather-api-down",
        "title": SCENARIO.title,
        "ok": False,
        "seconds": 1.25,
        "invocation_id": "inv_1",
        "checks": [{"what": "answer", "expected": "a", "observed": "y" * 500, "ok": False}],
    }
