"""Compare keys on the invocation screen for journals of 20,000 and of 200 entries.

Measures the CPU time of this process, from a key until the screen is idle. Prints the ratio for
each key. The ratio is near 1 if only visible rows are drawn.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "tui"))

from playhead_tui.app import PlayheadApp
from tui_fakes import NOW, FakeReader, connector
from tui_stage import Stage, wait_until
from tui_stories import long_journal

KEYS = ("G", "g", "j", "ctrl+d", "ctrl+u")
ROUNDS = 5


async def measure(entries: int) -> dict[str, float]:
    """Return the median CPU seconds of each key, and of opening the screen."""
    source = FakeReader()
    row = source.rows[0]
    source.details[row.id] = long_journal(row, entries)
    app = PlayheadApp(connector(source, None), now=lambda: NOW)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.connection is not None)
        stage: Any = Stage(app, pilot)
        started = time.process_time()
        app.open_invocation(row.id)
        await stage.until(lambda: getattr(app.screen, "detail", None))
        await stage.until(lambda: len(stage.app.screen.waterfall.rows) == entries)
        found = {"open": time.process_time() - started}
        for key in KEYS:
            spent: list[float] = []
            for _ in range(ROUNDS):
                started = time.process_time()
                await stage.press(key)
                spent.append(time.process_time() - started)
            found[key] = statistics.median(spent)
    return found


def main() -> None:
    """Measure both journals and print the ratios."""
    short, long = asyncio.run(measure(200)), asyncio.run(measure(20_000))
    print(f"{'':8} {'200 entries':>12} {'20,000 entries':>15} {'ratio':>6}")
    for name, seconds in long.items():
        times = f"{short[name] * 1e3:9.1f} ms {seconds * 1e3:12.1f} ms"
        print(f"{name:8} {times} {seconds / short[name]:6.2f}")


if __name__ == "__main__":
    main()
