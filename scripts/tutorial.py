"""Run the commands of the tutorial, and write their outputs into docs/tutorial.md.

The blocks of the page run in order, in an empty folder:

- `python` and `diff` blocks with a title write and edit the file with this name.
- `sh` blocks with a title run in a terminal with this name, until the title appears again.
- `$` commands of `console` blocks run in a pseudo-terminal, whose output replaces the old one.
- A comment `<!-- wait: COMMAND -->` waits until the command succeeds.

All processes use their default ports, in a separate network namespace (Linux).
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tutorial.md"
COLUMNS = 100
WAIT_SECONDS = 90.0
BLOCK = re.compile(
    r'^<!-- wait: (?P<wait>.+?) -->$|^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n'
    r"(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
ID = re.compile(r"inv_[0-9A-Za-z]+")


class Walk:
    """A run of the page, with its folder, terminals and invocation ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.terminals: dict[str, subprocess.Popen[bytes]] = {}
        self.ids: dict[str, str] = {}
        tools = f"{ROOT / '.venv/bin'}:{ROOT / 'node_modules/.bin'}:{os.environ['PATH']}"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PLAYHEAD_", "RESTATE_"))},
            **{"PATH": tools, "HOME": str(folder), "TERM": "xterm", "NO_COLOR": "1"},
            **{"COLUMNS": str(COLUMNS), "PYTHONDONTWRITEBYTECODE": "1"},
            **{"PLAYHEAD_STORE": str(folder / "store"), "PYTHONWARNINGS": "ignore"},
        }

    def step(self, match: re.Match[str]) -> str:
        """Run a block; return it with its new output."""
        kind, title, body = match["kind"], match["title"], match["body"]
        if match["wait"]:
            self._wait(self._with_ids(match["wait"]))
        elif kind == "python" and title:
            (self.folder / title).write_text(body)
        elif kind == "diff" and title:
            self._edit(self.folder / title, body)
        elif kind == "sh" and title:
            self._start(title, body)
        elif kind == "console":
            return f"```console\n{self._console(body)}```"
        return match[0]

    def close(self) -> None:
        """Stop the terminals in reverse order."""
        for process in reversed(self.terminals.values()):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)

    def _start(self, title: str, body: str) -> None:
        if before := self.terminals.pop(title, None):
            os.killpg(before.pid, signal.SIGTERM)
            before.wait(30)
        with (self.folder / f".{title}.log").open("ab") as log:
            self.terminals[title] = subprocess.Popen(
                ["bash", "-c", body], cwd=self.folder, env=self.env, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def _edit(self, path: Path, diff: str) -> None:
        lines = diff.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        text = path.read_text()
        if text.count(old) != 1:
            raise SystemExit(f"{path.name} does not contain once:\n{old}")
        path.write_text(text.replace(old, new))

    def _wait(self, command: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while subprocess.run(["bash", "-c", command], cwd=self.folder, env=self.env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             check=False).returncode:  # fmt: skip
            if time.monotonic() > deadline:
                raise SystemExit(f"not within {WAIT_SECONDS:g} s: {command}")
            time.sleep(0.3)

    def _console(self, body: str) -> str:
        text = ""
        for part in re.split(r"^(?=\$ )", body, flags=re.MULTILINE)[1:]:
            line, _, old = part.partition("\n")
            command = self._with_ids(line[2:])
            output = self._clean(_in_terminal(command, self.folder, self.env))
            for before, now in zip(ID.findall(old), ID.findall(output), strict=False):
                self.ids.setdefault(before, now)
            text += f"$ {command}\n{output}"
        return text

    def _with_ids(self, command: str) -> str:
        def now(match: re.Match[str]) -> str:
            whole = next((i for i in self.ids if i.startswith(match[0])), None)
            return match[0] if whole is None else self.ids[whole][: len(match[0])]

        return ID.sub(now, command)

    def _clean(self, output: str) -> str:
        text = output.replace(str(ROOT / ".venv"), "~/playhead/.venv")
        text = text.replace(str(self.folder), "~/refunds")
        # A shortened line may end inside the checkout's path.
        cut = "|".join(re.escape(str(ROOT)[:end]) for end in range(len(str(ROOT)), 2, -1))
        text = re.sub(rf"(?:{cut})(?=…?$)", "~", text, flags=re.MULTILINE)
        return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def _in_terminal(command: str, folder: Path, env: Mapping[str, str]) -> str:
    """Return the output of the command in a terminal of `COLUMNS` columns."""
    ours, theirs = pty.openpty()
    sized = f"stty cols {COLUMNS} rows 60 -onlcr -echo; {command}"
    process = subprocess.Popen(["bash", "-c", sized], cwd=folder, env=env,
                               stdin=theirs, stdout=theirs, stderr=theirs)  # fmt: skip
    os.close(theirs)
    chunks: list[bytes] = []
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux: the other end was closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    process.wait()
    os.close(ours)
    text = b"".join(chunks).decode(errors="replace").replace("\r\n", "\n")
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    return text if not text or text.endswith("\n") else f"{text}\n"


def main() -> None:
    """Run the page and write it with its new outputs."""
    if "--inside" not in sys.argv:
        inner = 'ip link set lo up && exec "$0" "$@"'
        command = [sys.executable, __file__, "--inside"]
        os.execvp("unshare", ["unshare", "-rn", "sh", "-c", inner, *command])
    with tempfile.TemporaryDirectory(prefix="playhead-tutorial-") as folder:
        walk = Walk(Path(folder))
        try:
            text = BLOCK.sub(walk.step, PAGE.read_text())
        finally:
            walk.close()
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
