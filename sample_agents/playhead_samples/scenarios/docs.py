"""The generated page docs/scenarios.md."""

from __future__ import annotations

from collections.abc import Iterator

from playhead_samples.scenarios import registry
from playhead_samples.scenarios.scenario import Scenario

__all__ = ["page"]

INTRODUCTION = """# Scenarios

A scenario injects a failure and checks how Restate recovers from it.

```sh
playhead scenario list             # list all scenarios
playhead scenario run NAME         # run one scenario
playhead scenario run NAME --open  # run it, then open the dashboard at its invocation
playhead scenario run --all        # run all scenarios
```

Each run starts its own servers on free ports of 127.0.0.1 (a restate-server, the sample agents,
the local LLM server, a recorder) and stops them at the end. Your own servers are never used.
`--dir DIR` keeps the store and the logs.

The checks do not rely on Playhead: tools count their own side effects, the LLM server counts its
requests, and the status comes from Restate's own SQL API. The attempts, step executions and LLM
calls that Playhead stores and shows are compared with these counts.
"""


def page() -> str:
    """Return the page as Markdown: each scenario's failure, recovery, and steps."""
    parts = [INTRODUCTION]
    for title, scenarios in registry.families():
        parts.append(f"## {title}\n")
        parts += [_section(scenario) for scenario in scenarios]
    return "\n".join(parts)


def _section(scenario: Scenario) -> str:
    steps = "\n".join(f"{n}. {step}" for n, step in enumerate(_steps(scenario), 1))
    return (
        f"### {scenario.name}\n\n"
        f"{scenario.title}.\n\n"
        f"- **Failure:** {scenario.failure}\n"
        f"- **Restate:** {scenario.behavior}\n"
        f"- **In Playhead:** {scenario.look_at}\n\n"
        f"{steps}\n"
    )


def _steps(scenario: Scenario) -> Iterator[str]:
    faults = (f"inject a fault: {f}" for f in (*scenario.tool_faults, *scenario.llm_faults))
    for text in (*faults, *map(str, scenario.actions)):
        yield text[0].upper() + text[1:]
