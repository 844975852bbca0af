"""An app that runs the code of a test in a handler, and its replay."""

from __future__ import annotations

from pathlib import Path

from playhead.replay import Recording, Report, replay

RECORDINGS = Path(__file__).parents[1] / "recordings"
FILE = RECORDINGS / "v6" / "run_ok.journal.json"
RUN_OK = Recording.load(FILE)

APP = """
import ctypes, os, pathlib, socket, sqlite3, ssl, struct, sys, time
import restate

libc = ctypes.CDLL(None, use_errno=True)
things = restate.Service("Things")

@things.handler()
async def run_ok(ctx, name: str) -> dict:
{body}
    one = await ctx.run_typed("first", lambda: {{"name": "Ada", "visits": 3}})
    two = await ctx.run_typed("second", lambda: 1)
    return {{"one": one, "two": two}}

app = restate.app([things])
"""


def run(folder: Path, body: str, *, top: str = "") -> Report:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / "sly.py").write_text(top + APP.format(body=lines))
    return replay("sly:app", RUN_OK, app_dir=folder)
