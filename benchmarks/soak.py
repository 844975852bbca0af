"""Send spans at a steady rate for minutes, kill the recorder now and then, and count every span.

    python -m benchmarks soak [--minutes 10] [--rate 8000] [--kill-every 60] [--seed 1]

Four connections in a process of their own send requests of 512 spans of agent runs, one at a time,
and send each of them again until it is acknowledged, as exporters do. Meanwhile the recorder is
killed (SIGKILL) at random moments, on average at the given interval in seconds (0 for never), and
started again at once. What its log keeps after the end is committed by one more start. Then, every
acknowledged span must be in the store once, and nothing else. Times of acknowledgements are those
of the tries that were answered with 200; the time until an answer while the recorder is down is
shown apart. Exits with 1 if spans are missing or doubled.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import httpx
import psutil
from playhead.local import ManagedProcess, free_port
from playhead.record.process import recorder_health, start_recorder
from playhead.settings import Settings
from playhead.store.database import DATABASE

from benchmarks._agent_spans import SPANS, Load

CONNECTIONS = 4
PAUSE_SECONDS = 0.1
"""Time between two tries of a request."""
LOOK_SECONDS = 1.0
REPORT_SECONDS = 30.0


@dataclass
class Sent:
    """What the senders know in the end."""

    requests: int = 0
    """Requests that were acknowledged, and not sent again: all of them."""
    tries: int = 0
    seconds: list[float] = field(default_factory=list[float])
    """Time of each acknowledgement."""
    outages: list[float] = field(default_factory=list[float])
    """Time from the first try of a request to its acknowledgement, if it took several."""


def send(url: str, rate: float, orders: Connection) -> None:
    """Send until an order to stop, and send back what was acknowledged."""
    load, sent, stop, lock = Load(), Sent(), threading.Event(), threading.Lock()
    numbers = iter(range(1, sys.maxsize))

    def run() -> None:
        due, pause = time.monotonic(), SPANS * CONNECTIONS / rate
        with httpx.Client(trust_env=False, timeout=60) as http:
            while not stop.is_set():
                with lock:
                    [body] = load.requests(1, next(numbers))
                began, tries, seconds = time.monotonic(), 0, 0.0
                while True:
                    tries += 1
                    started = time.monotonic()
                    if _accepted(http, url, body):
                        seconds = time.monotonic() - started
                        break
                    time.sleep(PAUSE_SECONDS)
                with lock:
                    sent.requests += 1
                    sent.tries += tries
                    sent.seconds.append(seconds)
                    if tries > 1:
                        sent.outages.append(time.monotonic() - began)
                # After an outage, the load continues at its rate.
                due = max(due + pause, time.monotonic() - pause)
                stop.wait(max(due - time.monotonic(), 0))

    threads = [threading.Thread(target=run) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    orders.recv()
    stop.set()
    for thread in threads:
        thread.join()
    orders.send(sent)


def _accepted(http: httpx.Client, url: str, body: bytes) -> bool:
    headers = {"content-type": "application/x-protobuf"}
    try:
        return http.post(url, content=body, headers=headers).status_code == 200
    except httpx.HTTPError:
        return False


@dataclass
class Result:
    """What the soak found."""

    minutes: float
    kills: int
    acknowledged: int
    stored: int
    distinct: int
    tries: int
    p95_ms: float
    worst_ms: float
    longest_outage_s: float
    left_in_log: int
    """Requests that the last recorder left in its log when it was told to end."""
    memory_mb: float
    bytes_a_span: float
    load: float

    @property
    def whole(self) -> bool:
        """Whether each acknowledged span is stored once, and no other."""
        return self.acknowledged == self.stored == self.distinct > 0


def soak(minutes: float, rate: float, kill_every: float, seed: int, folder: Path) -> Result:
    """Send, kill and count."""
    chance, log = random.Random(seed), folder / "recorder.log"
    settings = replace(
        Settings(),
        store=folder / "store",
        admin_url="http://127.0.0.1:1",
        otlp_http_port=free_port(),
        otlp_grpc_port=free_port(),
        api_port=free_port(),
    )
    recorder = start_recorder(settings, log, journals=False)
    ours, theirs = multiprocessing.Pipe()
    url = f"http://127.0.0.1:{settings.otlp_http_port}/v1/traces"
    context = multiprocessing.get_context("spawn")
    sender = context.Process(target=send, args=(url, rate, theirs))
    sender.start()
    memory = kills = 0
    begun = reported = time.monotonic()
    end = begun + minutes * 60
    next_kill = begun + chance.expovariate(1 / kill_every) if kill_every else end
    try:
        while (now := time.monotonic()) < end:
            if now >= next_kill:
                recorder = _kill(recorder, settings, log)
                kills += 1
                next_kill = time.monotonic() + chance.expovariate(1 / kill_every)
                continue
            memory = max(memory, psutil.Process(recorder.pid).memory_info().rss)
            if now - reported > REPORT_SECONDS:
                reported = now
                print(f"{now - begun:5.0f} s, {kills} kills, {memory / 1e6:.0f} MB", flush=True)
            time.sleep(max(min(LOOK_SECONDS, next_kill - now, end - now), 0))
        ours.send("stop")
        sent: Sent = ours.recv()
    finally:
        sender.terminate()
        sender.join()
        recorder.stop(grace=120)
    sizes = sum(path.stat().st_size for path in settings.store.rglob("*") if path.is_file())
    left = _commit_rest(settings, log)
    stored, distinct = _count(settings.store / DATABASE)
    times = sorted(sent.seconds)
    return Result(
        minutes=minutes, kills=kills, acknowledged=sent.requests * SPANS, stored=stored,
        distinct=distinct, tries=sent.tries, p95_ms=times[int(len(times) * 0.95)] * 1000,
        worst_ms=times[-1] * 1000, longest_outage_s=max(sent.outages, default=0.0),
        left_in_log=left, memory_mb=memory / 1e6, bytes_a_span=sizes / max(stored, 1),
        load=psutil.getloadavg()[1],
    )  # fmt: skip


def _kill(recorder: ManagedProcess, settings: Settings, log: Path) -> ManagedProcess:
    """Kill the recorder, and start another one on its store."""
    process = psutil.Process(recorder.pid)
    process.kill()
    process.wait()
    recorder.stop()
    return start_recorder(settings, log, journals=False)


def _commit_rest(settings: Settings, log: Path) -> int:
    """Start the recorder until it has committed its log; return how many requests that had."""
    recorder = start_recorder(settings, log, journals=False)
    try:
        while (health := recorder_health(settings.store, recorder.pid)) is None or health[
            "waiting_requests"
        ]:
            time.sleep(PAUSE_SECONDS)
        return int(health["recovered_requests"])
    finally:
        recorder.stop(grace=120)


def _count(database: Path) -> tuple[int, int]:
    """Return the number of spans in a closed store, and of different ones."""
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute(
            "SELECT count(*), count(DISTINCT (trace_id, span_id)) FROM spans"
        ).fetchall()
    return rows[0]


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=8000, help="spans a second")
    parser.add_argument("--kill-every", type=float, default=60, help="seconds; 0 for never")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for the result")
    chosen = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {psutil.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = soak(chosen.minutes, chosen.rate, chosen.kill_every, chosen.seed, Path(folder))
    for name, value in asdict(found).items():
        print(f"{name:18} {value:14,.1f}" if isinstance(value, float) else f"{name:18} {value:14,}")
    print("every acknowledged span is stored once" if found.whole else "SPANS MISSING OR DOUBLED")
    if chosen.json:
        chosen.json.write_text(json.dumps(asdict(found), indent=1))
    return 0 if found.whole else 1


if __name__ == "__main__":
    sys.exit(main())
