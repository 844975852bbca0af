"""Inject faults into a real Collector and its targets, and write the table of docs/collector.md.

Each fault has a Collector of its own with otel-collector.yaml, a sender that repeats what was not
accepted, and targets that count each span by its id: the recorder, Jaeger (gRPC), Langfuse, Phoenix
and Logfire. `python -m benchmarks.collector_faults --write` takes about 15 minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from collector_process import Collector
from otlp_sink import spans_of
from planted_secrets import VALUES, leaked, request
from target_programs import program

from benchmarks._counting_sinks import GrpcSink, HttpSink, Sink
from benchmarks._steady_sender import RATE, Sender

PAGE = Path(__file__).parents[1] / "docs" / "collector.md"
BEGIN, END = "<!-- faults -->\n", "<!-- end of faults -->\n"
QUIET_SECONDS = 45.0
"""Time without any arrival after which nothing more is expected: retries pause up to 30 s."""


@dataclass
class Scene:
    """A Collector with its targets."""

    collector: Collector
    sender: Sender
    sinks: dict[str, Sink]
    seconds: float
    """Length of a fault."""


@dataclass
class Outcome:
    """What arrived."""

    name: str
    sent: int
    failures: int
    longest: float
    lost: dict[str, int] = field(default_factory=dict[str, int])
    doubled: dict[str, int] = field(default_factory=dict[str, int])
    counted: int = 0
    """Spans that the Collector's metrics count as lost."""
    hurt: str = ""
    """The target that the fault is about."""


@contextmanager
def scene(folder: Path, seconds: float) -> Generator[Scene]:
    """Run a Collector with five targets."""
    http = {name: HttpSink(name) for name in ("recorder", "langfuse", "phoenix", "logfire")}
    jaeger = GrpcSink("jaeger")
    sinks: dict[str, Sink] = {**http, "jaeger": jaeger}
    for sink in sinks.values():
        sink.up()
    exporters = "[file/archive, otlp_grpc/jaeger, otlp_http/langfuse, otlp_http/phoenix,"
    collector = Collector(
        program("collector"),
        folder,
        {
            "PLAYHEAD_COLLECTOR_EXPORTERS": f"{exporters} otlp_http/logfire]",
            "PLAYHEAD_RECORDER_ENDPOINT": http["recorder"].url,
            "JAEGER_OTLP_ENDPOINT": jaeger.address,
            "LANGFUSE_HOST": http["langfuse"].url,
            "LANGFUSE_AUTH": "key",
            "PHOENIX_COLLECTOR_ENDPOINT": http["phoenix"].url,
            "LOGFIRE_BASE_URL": http["logfire"].url,
            "LOGFIRE_TOKEN": "token",
        },
        ["langfuse", "logfire"],
    )
    try:
        collector.start()
        yield Scene(collector, Sender(collector.http_port), sinks, seconds)
    finally:
        collector.child.stop()
        for sink in sinks.values():
            sink.down()


def archived(folder: Path) -> Counter[int]:
    """Return how often each span is in the archive."""
    found: Counter[int] = Counter()
    for file in folder.glob("traces*.jsonl"):
        for line in file.read_text().splitlines():
            try:
                document = json.loads(line)
            except ValueError:
                continue  # a line that a killed Collector did not finish
            found.update(
                int(span["spanId"], 16)
                for resource in document["resourceSpans"]
                for scope in resource["scopeSpans"]
                for span in scope["spans"]
            )
    return found


def settle(scene: Scene) -> None:
    """Wait until every target has every span, or until nothing has arrived for a while."""
    expected = len(scene.sender.accepted)
    last, since = -1, time.monotonic()
    while True:
        time.sleep(0.5)
        counts = [len(sink.counts) for sink in scene.sinks.values()]
        if all(count >= expected for count in counts):
            time.sleep(2)  # what is sent twice arrives later; the archive writes each second
            return
        if sum(counts) != last:
            last, since = sum(counts), time.monotonic()
        elif time.monotonic() - since > QUIET_SECONDS:
            return


def outcome(scene: Scene, name: str, hurt: str = "") -> Outcome:
    """Compare what was acknowledged with what arrived."""
    settle(scene)
    sender = scene.sender
    found = Outcome(name, len(sender.accepted), sender.failures, sender.longest, hurt=hurt)
    places = {name: sink.counts for name, sink in scene.sinks.items()}
    places["archive"] = archived(scene.collector.data)
    for place, counts in places.items():
        found.lost[place] = len(sender.accepted - counts.keys())
        found.doubled[place] = sum(counts.values()) - len(counts)
    for metric in ("send_failed", "enqueue_failed"):
        for kind in ("otlp_grpc/jaeger", *(f"otlp_http/{name}" for name in scene.sinks)):
            counted = scene.collector.counted(f"otelcol_exporter_{metric}_spans", kind)
            found.counted += int(counted)
    return found


def down(target: str) -> Callable[[Scene], Outcome]:
    """Return a fault: nothing listens at the address of a target."""

    def inject(scene: Scene) -> Outcome:
        sink = scene.sinks[target]
        with scene.sender.traffic():
            time.sleep(3)
            sink.down()
            time.sleep(scene.seconds)
            sink.up()
            time.sleep(3)
        return outcome(scene, f"{target} is down for {scene.seconds:.0f} s", target)

    return inject


def blocked(scene: Scene) -> Outcome:
    """Let a target take requests and answer none of them."""
    sink = scene.sinks["phoenix"]
    assert isinstance(sink, HttpSink)
    with scene.sender.traffic():
        time.sleep(3)
        sink.answering.clear()
        time.sleep(scene.seconds)
        sink.answering.set()
        time.sleep(3)
    return outcome(scene, f"phoenix answers nothing for {scene.seconds:.0f} s", "phoenix")


def busy(scene: Scene) -> Outcome:
    """Let a target answer 503."""
    sink = scene.sinks["langfuse"]
    assert isinstance(sink, HttpSink)
    with scene.sender.traffic():
        time.sleep(3)
        sink.status = 503
        time.sleep(scene.seconds)
        sink.status = 200
        time.sleep(3)
    return outcome(scene, f"langfuse answers 503 for {scene.seconds:.0f} s", "langfuse")


def killed(scene: Scene) -> Outcome:
    """Kill the Collector again and again."""
    rounds = max(1, int(scene.seconds / 6))
    with scene.sender.traffic():
        for _ in range(rounds):
            time.sleep(3)
            scene.collector.child.kill()
            time.sleep(1)
            scene.collector.start()
        time.sleep(3)
    return outcome(scene, f"`kill -9` of the Collector, {rounds} times")


def killed_while_all_are_down(scene: Scene) -> Outcome:
    """Kill the Collector while no target takes anything: all spans are in its queues."""
    for sink in scene.sinks.values():
        sink.down()
    with scene.sender.traffic():
        time.sleep(10)
        scene.collector.child.kill()
        for sink in scene.sinks.values():
            sink.up()
        scene.collector.start()
        time.sleep(3)
    return outcome(scene, "`kill -9` of the Collector while all targets are down")


def stopped(scene: Scene) -> Outcome:
    """Stop the Collector with SIGTERM, and start it again."""
    with scene.sender.traffic():
        for _ in range(3):
            time.sleep(3)
            scene.collector.child.stop()
            scene.collector.start()
        time.sleep(3)
    return outcome(scene, "the Collector is stopped and started, 3 times")


def large(scene: Scene) -> Outcome:
    """Send spans of 10 KB and of 1 MB."""
    with scene.sender.traffic():
        for _ in range(40):
            scene.sender.send(50, 10_000)
        for _ in range(20):
            scene.sender.send(1, 1_000_000)
    return outcome(scene, "2,000 spans of 10 KB, 20 of 1 MB")


def too_large(scene: Scene) -> Outcome:
    """Send a span that gRPC would refuse."""
    with scene.sender.traffic():
        time.sleep(2)
        scene.sender.send(1, 5_000_000)
        time.sleep(2)
    return outcome(scene, "one span of 5 MB, more than gRPC takes", "jaeger")


def poisoned(scene: Scene) -> Outcome:
    """Send a span that a target refuses, together with others."""
    scene.sinks["phoenix"].poison = True
    with scene.sender.traffic():
        time.sleep(2)
        scene.sender.send(1, 100, "poison")
        time.sleep(2)
    return outcome(scene, "a poison span: phoenix answers 400 to its request", "phoenix")


def secrets(scene: Scene) -> Outcome:
    """Send spans with secrets in all places. Raises RuntimeError if one leaks."""
    sender = scene.sender
    ids = {int.from_bytes(span.span_id, "big") for span in spans_of(request())}
    sender.skip(len(ids))
    with sender.traffic():
        sender.post(request().SerializeToString())
        sender.accepted |= ids
        time.sleep(2)
    found = outcome(scene, f"secrets of {len(VALUES)} kinds in ten places of spans")
    leaks = {name: sink.leaks for name, sink in scene.sinks.items()}
    lines = (scene.collector.data / "traces.jsonl").read_text().splitlines()
    leaks["archive"] = sum(map(leaked, lines))
    if sum(leaks.values()):
        raise RuntimeError(f"leaked: {leaks}")
    found.name += ": none leaked"
    return found


FAULTS: dict[str, Callable[[Scene], Outcome]] = {
    **{f"down-{t}": down(t) for t in ("recorder", "jaeger", "langfuse", "phoenix", "logfire")},
    "busy": busy,
    "blocked": blocked,
    "stopped": stopped,
    "killed": killed,
    "killed-while-down": killed_while_all_are_down,
    "large": large,
    "too-large": too_large,
    "poisoned": poisoned,
    "secrets": secrets,
}


def shown(found: Outcome, places: list[str]) -> str:
    """Return what arrived at some targets."""
    parts: list[str] = []
    for problem, counts in (("lost", found.lost), ("doubled", found.doubled)):
        if not any(counts[place] for place in places):
            continue
        each = {place: counts[place] for place in places if counts[place]}
        if len(places) == 1:
            parts.append(f"{each[places[0]]:,} {problem}")
        else:
            parts.append(", ".join(f"{n:,} {problem} at {place}" for place, n in each.items()))
    return "; ".join(parts) or "all, once"


def table(outcomes: list[Outcome]) -> str:
    """Return the table in Markdown."""
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with `python -m benchmarks.collector_faults`,"
        f" at {RATE} spans of 1 KB per second to five targets and the archive:\n",
        "| Fault | Acknowledged | Recorder | Archive | Target of the fault | Other targets |"
        " Counted as lost | Longest answer |",
        "|---|--:|---|---|---|---|--:|--:|",
    ]
    for one in outcomes:
        others = [p for p in one.lost if p not in ("recorder", "archive", one.hurt)]
        hurt = shown(one, [one.hurt]) if one.hurt else "none"
        lines.append(
            f"| {one.name} | {one.sent:,} | {shown(one, ['recorder'])} | {shown(one, ['archive'])}"
            f" | {hurt} | {shown(one, others)} | {one.counted:,} | {one.longest:.2f} s |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Inject the faults and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--seconds", type=float, default=60, help="length of a fault")
    parser.add_argument("--write", action="store_true", help="write the table into docs")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - FAULTS.keys():
        parser.error(f"unknown fault: {', '.join(sorted(unknown))}")
    outcomes: list[Outcome] = []
    for name in chosen.names or FAULTS:
        with (
            tempfile.TemporaryDirectory() as folder,
            scene(Path(folder), chosen.seconds) as stage,
        ):
            outcomes.append(FAULTS[name](stage))
            print(outcomes[-1], flush=True)
    text = table(outcomes)
    print(text)
    if chosen.write:
        write(text, replace=bool(chosen.names))


def write(text: str, *, replace: bool) -> None:
    """Write the table into docs, or only replace its rows of these faults."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    if replace:
        rows = {line.split("|")[1]: line for line in text.splitlines() if line.startswith("| ")}
        lines = [rows.pop(line.split("|")[1], line) if "|" in line else line
                 for line in old.splitlines()]  # fmt: skip
        text = "\n".join([*lines, *rows.values()]) + "\n"
    PAGE.write_text(before + BEGIN + text + END + after)


if __name__ == "__main__":
    main()
