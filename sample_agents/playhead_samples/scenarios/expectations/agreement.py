"""Every view of Playhead says what the independent counts say. Applies to every scenario."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from playhead_samples.scenarios.scenario import CheckResult
from playhead_samples.scenarios.testbed.claims import FIGURES, Claims, disagreements
from playhead_samples.scenarios.testbed.independent_counts import IndependentCounts, count_all
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun
from playhead_samples.scenarios.testbed.views import Views, lost_figures, read_views

__all__ = ["EveryViewAgrees", "compare", "counted"]


@dataclass(frozen=True, slots=True)
class EveryViewAgrees:
    """`ls`, `show`, `stats`, SQL, list and invocation screen agree with the independent counts.

    A figure may be a lower limit or unknown until the server has sent all spans, but never wrong.
    """

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare status, attempts, suspensions, LLM calls and tokens of every invocation."""
        counts = count_all(run)
        while True:
            settled = run.settled
            views = _read(run, counts)
            false = [*compare(run, counts, views, settled=False)]
            wrong = false or [*compare(run, counts, views)]
            if false or settled or not wrong:
                break
        wrong = [f"{view}: {text}" for view, text in wrong]
        number = len(counts) - 1
        subject = f"views of {number} invocation{'' if number == 1 else 's'}"
        return CheckResult(subject, "agree", "; ".join(wrong) or "agree", ok=not wrong)


def _read(run: ScenarioRun, counts: Sequence[IndependentCounts]) -> Views:
    return read_views(run, [c.invocation_id for c in counts if c.invocation_id != run.marker])


def counted(count: IndependentCounts) -> Claims:
    """Return the independent counts of an invocation in the form of claims."""
    return Claims(
        status=count.status,
        attempts=str(count.attempts),
        suspensions=str(count.suspensions),
        llm_requests=str(count.llm_requests),
        llm_calls=str(count.answers),
        input_tokens=str(count.input_tokens),
        output_tokens=str(count.output_tokens),
    )


def compare(
    run: ScenarioRun,
    counts: Sequence[IndependentCounts],
    views: Views,
    *,
    settled: bool = True,
) -> Iterator[tuple[str, str]]:
    """Yield each view and what it says that does not agree.

    Args:
        run: the scenario run.
        counts: the independent counts.
        views: what the views say.
        settled: whether the server had the time to send all spans, so that figures are certain
            unless a source was lost.
    """
    names = {invocation: name for name, invocation in run.invocations.items()}
    for count in counts:
        if count.invocation_id == run.marker:
            continue
        name = names.get(count.invocation_id, count.target)
        for view, claims in views.by_view.items():
            claim = claims.get(count.invocation_id)
            if claim is None:
                yield view, f"{name} is not shown"
                continue
            lost = lost_figures(view, run) if settled else frozenset(FIGURES)
            for text in disagreements(claim, counted(count), lost=lost):
                yield view, f"{name} {text}"
        # The end of a span that was open when its process died may still arrive until then.
        for label in views.open_after_end.get(count.invocation_id, ()) if settled else ():
            yield "show", f"{name} ended, but {label} is open"
    lost = lost_figures("stats", run) if settled else frozenset(FIGURES)
    yield from _compare_stats(counts, views, lost)


def _compare_stats(
    counts: Sequence[IndependentCounts], views: Views, lost: frozenset[str]
) -> Iterator[tuple[str, str]]:
    groups: dict[str, list[IndependentCounts]] = defaultdict(list)
    for count in counts:
        groups[count.service].append(count)
    for service, members in groups.items():
        line = views.stats.get(service)
        if line is None:
            yield "stats", f"{service} is not shown"
            continue
        if line.invocations != len(members):
            yield "stats", f"{service} {line.invocations} invocations, counted {len(members)}"
        statuses = Counter(member.status for member in members)
        if dict(line.by_status) != dict(statuses):
            yield "stats", f"{service} {dict(line.by_status)}, counted {dict(statuses)}"
        sums = [counted(member) for member in members]
        total = Claims(**{n: str(sum(int(getattr(c, n)) for c in sums)) for n in FIGURES})
        for text in disagreements(line.figures, total, lost=lost):
            yield "stats", f"{service} {text}"
