"""Write the table in docs/tracing-truth.md: executions, and the spans of three ways of tracing.

python -m benchmarks.bridge_truth            # print the table (takes minutes)
python -m benchmarks.bridge_truth --write    # also write it to docs/tracing-truth.md
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tracing-truth.md"
TESTS = ("tests/tracing", "tests/support")
MODES = {"plain": "without bridge", "sdk": "SDK's bridge", "ours": "Playhead"}
KINDS = ("agent", "LLM", "tool", "step", "user")
MARK = "<!-- the table: python -m benchmarks.bridge_truth --write -->"


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compare what ran with what three ways of tracing export."
    )
    parser.add_argument(
        "--write", action="store_true", help="write the table to docs/tracing-truth.md"
    )
    parser.add_argument("--only", nargs="*", help="ids of the cases to run")
    parser.add_argument("--mode", choices=MODES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.mode:
        print(json.dumps(run_cases(args.mode, args.only)))
        return
    results = {mode: _run_in_process(mode, args.only) for mode in MODES}
    table = render(results)
    print(table)
    if args.write:
        head = PAGE.read_text().split(MARK)[0]
        PAGE.write_text(f"{head}{MARK}\n\n{table}\n")


def _run_in_process(mode: str, only: list[str] | None) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.bridge_truth", "--mode", mode]
    command += ["--only", *only] if only else []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{mode}:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def run_cases(mode: str, only: list[str] | None) -> list[dict[str, Any]]:
    """Run the cases in this process with one way of tracing."""
    sys.path[:0] = [str(ROOT / folder) for folder in TESTS]
    from playhead.local import RestateServer
    from tracing_bed import Bed, Serving, make_app, make_provider, set_global, switch_on  # pyright: ignore[reportMissingImports]
    from tracing_cases import CASES  # pyright: ignore[reportMissingImports]
    from tracing_openai import ModelServer  # pyright: ignore[reportMissingImports]
    from tracing_otlp import Receiver  # pyright: ignore[reportMissingImports]
    from tracing_world import World  # pyright: ignore[reportMissingImports]

    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = World(folder / "world")
        with Receiver() as receiver, ModelServer(world) as model:
            provider = make_provider(receiver.url)
            set_global(provider)
            app = switch_on(mode, make_app(world, model.url), provider)
            tracing = f"otlp+{receiver.url}"
            with (
                RestateServer(folder / "restate", tracing_endpoint=tracing) as server,
                Serving(app) as serving,
            ):
                server.register(serving.url)
                bed = Bed(server, receiver, world, mode)
                for case in CASES:
                    if not only or case.id in only:
                        results.append(_run_case(bed, case))
                bed.close()
    return results


def _run_case(bed: Any, case: Any) -> dict[str, Any]:
    before = len(bed.settled())
    try:
        expected = case.run(bed, f"{case.id}-table")
    except Exception as error:
        return {"id": case.id, "title": case.title, "failed": f"{type(error).__name__}"}
    rows = [r for r in bed.settled(1.0)[before:] if r.service != "Restate"]
    ids = {r.span_id for r in bed.receiver.rows}
    traces = {
        r.trace_id
        for r in bed.receiver.rows
        if r.service == "Restate"
        and r.attributes.get("restate.invocation.id") == expected.invocation_id
    }
    sent = sum(expected.sent.values())
    return {
        "id": case.id,
        "title": case.title,
        "expected": _kinds(expected.spans + expected.sent),
        "exported": _kinds(Counter(r.name for r in rows)),
        "errors_expected": sum(expected.errors.values()),
        "errors": sum(r.error for r in rows),
        "strays": max(sum(r.trace_id not in traces for r in rows) - sent, 0),
        "orphans": sum(bool(r.parent_span_id) and r.parent_span_id not in ids for r in rows),
    }


def _kinds(spans: Counter[str]) -> dict[str, int]:
    kinds: Counter[str] = Counter()
    for name, count in spans.items():
        first = name.split()[0]
        kind = {
            "invoke_agent": "agent",
            "openai": "agent",
            "chat": "LLM",
            "generation": "LLM",
            "execute_tool": "tool",
            "look": "tool",
            "run": "step",
            "user": "user",
        }.get(first)
        if kind:
            kinds[kind] += count
    return kinds


def render(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return the table as Markdown."""
    lines = [
        f"| case | description | ran | {' | '.join(MODES.values())} |",
        f"|---|---|---|{'---|' * len(MODES)}",
    ]
    for rows in zip(*results.values(), strict=True):
        first = rows[-1]
        ran = _counts(first["expected"]) if "expected" in first else "?"
        cells = [_differences(row) for row in rows]
        lines.append(f"| {first['id']} | {first['title']} | {ran} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _counts(kinds: dict[str, int]) -> str:
    return " ".join(
        f"{kinds[k]} {k}" for k in ("agent", "LLM", "tool", "step", "user") if k in kinds
    )


def _differences(row: dict[str, Any]) -> str:
    if "failed" in row:
        return f"handler failed ({row['failed']})"
    expected, exported = row["expected"], row["exported"]
    differences: list[str] = []
    for kind in KINDS:
        want, have = expected.get(kind, 0), exported.get(kind, 0)
        if want != have:
            differences.append(f"{have or 'no'} {kind}")
    if row["strays"]:
        differences.append(f"{row['strays']} in other traces")
    if row["orphans"]:
        differences.append(f"{row['orphans']} without parent")
    if row["errors"] > row["errors_expected"]:
        differences.append(f"{row['errors'] - row['errors_expected']} false errors")
    elif row["errors"] < row["errors_expected"]:
        differences.append(f"{row['errors_expected'] - row['errors']} errors missing")
    return "; ".join(differences) or "exact"


if __name__ == "__main__":
    main()
