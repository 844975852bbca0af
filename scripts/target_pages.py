"""Show the demo's failing run in real targets: pictures of Phoenix, and Jaeger's answer as text.

Runs the demo, exports its store to Jaeger and Phoenix (`make targets` obtains both), and writes
docs/images/phoenix-*.png with headless Chromium, and the text in docs/targets/jaeger.md.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from target_programs import Jaeger, Phoenix  # noqa: E402

IMAGES = ROOT / "docs" / "images"
PAGE = ROOT / "docs" / "targets" / "jaeger.md"
BEGIN, END = "<!-- run -->\n", "<!-- end of run -->\n"
CITY = "Denver"
"""The run whose tool fails twice."""
SIZE = "1500,860"
BAR = 24
PLAYHEAD = [sys.executable, "-m", "playhead"]


def failing_trace(store: Path) -> str:
    """Return the trace of the run whose tool failed."""
    connection = duckdb.connect(str(store / "playhead.duckdb"), read_only=True)
    try:
        [[trace]] = connection.execute(
            "SELECT DISTINCT trace_id FROM spans WHERE starts_with(name, 'execute_tool')"
            " AND contains(attributes::VARCHAR, ?)",
            [CITY],
        ).fetchall()
    finally:
        connection.close()
    return str(trace)


def waterfall(spans: list[dict[str, Any]]) -> str:
    """Return a trace of Jaeger's API as text."""
    children: dict[str, list[dict[str, Any]]] = {}
    ids = {span["spanID"] for span in spans}
    for span in spans:
        parents = [r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF"]
        parent = parents[0] if parents and parents[0] in ids else ""
        children.setdefault(parent, []).append(span)
    first = min(span["startTime"] for span in spans)
    length = max(span["startTime"] + span["duration"] for span in spans) - first
    rows: list[tuple[str, str, str, str]] = []

    def add(parent: str, depth: int) -> None:
        for span in children.get(parent, []):
            start = round((span["startTime"] - first) / length * BAR)
            width = max(1, round(span["duration"] / length * BAR))
            failed = "error" in span["tags"] and span["tags"]["error"] is not False
            name = "  " * depth + span["operationName"] + ("  ✗" if failed else "")
            bar = (" " * min(start, BAR - 1) + "█" * width)[:BAR].ljust(BAR)
            rows.append((name, str(span["service"]), f"{span['duration'] / 1000:,.1f} ms", bar))
            message = str(span["tags"].get("otel.status_description", ""))
            if failed and message:
                rows.append(("  " * depth + "    " + message, "", "", ""))
            add(span["spanID"], depth + 1)

    add("", 0)
    widths = [max(len(row[at]) for row in rows if row[2] or at) for at in range(3)]
    lines = [
        f"{n:{widths[0]}}  {s:{widths[1]}}  {d:>{widths[2]}}  {bar}".rstrip() if d else n
        for n, s, d, bar in rows
    ]
    return "\n".join(lines)


def picture(url: str, name: str, folder: Path, *, seconds: int = 15) -> None:
    """Write a page of Phoenix as PNG."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is not on PATH")
    target = IMAGES / f"{name}.png"
    subprocess.run(
        [
            chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={folder / 'chromium'}", f"--window-size={SIZE}",
            f"--virtual-time-budget={seconds * 1000}", f"--screenshot={target}", url,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    print(f"written {target.name}, {target.stat().st_size // 1024} KB")  # noqa: T201


def phoenix_pages(phoenix: Phoenix, trace: str, folder: Path) -> None:
    """Take the pictures of the run in Phoenix."""
    project = httpx.get(f"{phoenix.url}/v1/projects").json()["data"][0]["id"]
    assert base64.b64decode(project).startswith(b"Project")
    base = f"{phoenix.url}/projects/{project}"
    picture(f"{base}/traces/{trace}", "phoenix-run", folder)
    picture(f"{base}/sessions", "phoenix-sessions", folder)


def main() -> None:
    """Run the demo and write the pictures and the text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, help="store of an earlier `playhead demo`")
    store: Path | None = parser.parse_args().store
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if store is None:
            demo = [*PLAYHEAD, "demo", "--headless", "--dir", str(folder / "demo")]
            subprocess.run(demo, check=True, stdout=subprocess.DEVNULL)
            store = folder / "demo" / "store"
        trace = failing_trace(store)
        export = [*PLAYHEAD, "--store", str(store), "export", "traces", "--again", "--to"]
        jaeger, phoenix = Jaeger(folder / "jaeger"), Phoenix(folder)
        try:
            jaeger.start()
            subprocess.run([*export, "jaeger", "--endpoint", jaeger.http], check=True)
            text = waterfall(jaeger.trace(trace))
            print(text)  # noqa: T201
            before, _, rest = PAGE.read_text().partition(BEGIN)
            _, _, after = rest.partition(END)
            PAGE.write_text(f"{before}{BEGIN}```text\n{text}\n```\n{END}{after}")
            phoenix.start()
            subprocess.run([*export, "phoenix", "--endpoint", phoenix.url], check=True)
            while not any(s["context"]["trace_id"] == trace for s in phoenix.spans()):  # type: ignore[index]
                time.sleep(0.5)
            phoenix_pages(phoenix, trace, folder)
        finally:
            jaeger.child.stop()
            phoenix.child.stop()


if __name__ == "__main__":
    main()
