"""Injected tool faults and counted side effects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playhead_samples import effects, tool_faults
from playhead_samples.tool_faults import ToolFault, ToolUnavailableError
from restate.exceptions import TerminalError


@pytest.fixture
def faults_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "faults.json"
    monkeypatch.setenv(tool_faults.VARIABLE, str(path))
    monkeypatch.setenv(effects.VARIABLE, str(tmp_path / "effects"))
    return path


async def test_calls_are_counted_across_processes(faults_file: Path) -> None:
    effects_file = faults_file.with_name("effects")
    await effects.act("pay", amount=1)  # no fault is set
    tool_faults.set_faults(
        faults_file,
        [
            ToolFault("pay", "raise", call=[1, 2], match='"amount": 7'),
            ToolFault("pay", "terminal", call=3, match='"amount": 7', when="after"),
        ],
    )
    await effects.act("pay", amount=1)
    for _ in range(2):
        with pytest.raises(ToolUnavailableError, match="pay is unavailable"):
            await effects.act("pay", amount=7)
    # Another process would read the same count, which is stored next to the file.
    lines = faults_file.with_name("faults.json.calls").read_text().splitlines()
    assert [json.loads(json.loads(line)[1])["amount"] for line in lines] == [1, 7, 7]
    with pytest.raises(TerminalError, match="pay failed with a terminal error"):
        await effects.act("pay", amount=7)
    await effects.act("pay", amount=7)
    found = [e.details["amount"] for e in effects.read(effects_file)]
    assert found == [1, 1, 7, 7]
    assert effects.count(effects_file, "pay", amount=7) == 2


async def test_removed_faults_have_no_effect(faults_file: Path) -> None:
    tool_faults.set_faults(faults_file, [ToolFault("pay", "raise")])
    with pytest.raises(ToolUnavailableError):
        await effects.act("pay")
    tool_faults.set_faults(faults_file, [])
    await effects.act("pay")
    assert effects.count(faults_file.with_name("effects"), "pay") == 1


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (
            ToolFault("pay", "raise", call=[1, 2], match="Rome"),
            "pay fails on calls 1 and 2 when its arguments contain 'Rome'",
        ),
        (ToolFault("pay", "slow", seconds=2), "pay takes 2 s longer"),
        (
            ToolFault("pay", "exit", call=1, when="after"),
            "pay kills its process with kill -9 after its side effect on call 1",
        ),
    ],
)
def test_fault_as_text(fault: ToolFault, text: str) -> None:
    assert str(fault) == text
