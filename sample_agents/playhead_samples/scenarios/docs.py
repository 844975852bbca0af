"""The page of the documentation, from the scenarios themselves."""

from __future__ import annotations

from collections.abc import Iterator

from playhead_samples.scenarios import fault_text as wording
from playhead_samples.scenarios import registry as catalogue
from playhead_samples.scenarios.scenario import Scenario

__all__ = ["page"]

INTRODUCTION = """# Scenarios

`playhead scenario list` names them, `playhead scenario run NAME` plays one, `--all` plays them
all. Each run starts servers of its own on free ports of 127.0.0.1 (a restate-server, the sample
agents, the local LLM server, a recorder) and stops them again; `--open` opens the dashboard at
the invocation while they still run, `--dir DIR` keeps the recording. A server of yours is never
touched.

What is expected is checked against counts that owe nothing to Playhead: side effects counted by
the tools themselves, requests counted by the LLM server, the server's own SQL. What the recorder
shows (attempts, executions of steps, LLM calls) must agree with them.
"""


def page() -> str:
    """Markdown: what breaks, what Restate does, what to look at, step by step."""
    parts = [INTRODUCTION]
    for title, scenarios in catalogue.families():
        parts.append(f"## {title}\n")
        parts += [_scenario(scenario) for scenario in scenarios]
    return "\n".join(parts)


def _scenario(scenario: Scenario) -> str:
    steps = "\n".join(f"{n}. {step}" for n, step in enumerate(_steps(scenario), 1))
    return (
        f"### {scenario.name}\n\n"
        f"{scenario.title}.\n\n"
        f"- **What breaks:** {scenario.breaks}\n"
        f"- **What Restate does:** {scenario.restate}\n"
        f"- **What to look at:** {scenario.look}\n\n"
        f"{steps}\n"
    )


def _steps(scenario: Scenario) -> Iterator[str]:
    for fault in scenario.tools:
        yield f"armed: {wording.of_tool_fault(fault)}"
    for fault in scenario.model:
        yield f"armed: {wording.of_model_fault(fault)}"
    for action in scenario.actions:
        yield str(action)
