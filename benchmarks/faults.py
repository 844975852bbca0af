"""Inject faults into recorders under load, and write the table of docs/recorder.md.

`python -m benchmarks.faults --rounds 20 --write` replaces the table between its marks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from playhead.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from recorder_faults import FAULTS, Fault

PAGE = Path(__file__).parents[1] / "docs" / "recorder.md"
BEGIN, END = "<!-- faults -->\n", "<!-- end of faults -->\n"


def table(faults: list[Fault]) -> str:
    """Return the table in Markdown."""
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with `python -m benchmarks.faults`:\n",
        "| Fault | Injected | Spans acknowledged | Found again | Stored twice | |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for one in faults:
        lines.append(
            f"| {one.name} | {one.injected} | {one.acknowledged:,} | {one.found:,} "
            f"| {one.doubled:,} | {one.note} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Inject all faults and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="write the table into docs")
    chosen = parser.parse_args()
    faults: list[Fault] = []
    for inject in FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            settings = replace(
                Settings(), store=Path(folder, "store"), admin_url="http://127.0.0.1:1"
            )
            faults.append(inject(settings, Path(folder), chosen.rounds))
            print(faults[-1], flush=True)
    text = table(faults)
    print(text)
    if chosen.write:
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(before + BEGIN + text + END + after)


if __name__ == "__main__":
    main()
