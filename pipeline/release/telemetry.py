"""Counters of two looks at the edge -> one sample per lane and indicator."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from release.errors import TelemetryLost

USED_SCOPE, USED_CLUSTER, USED_VARIANTS = "variants", "envoy.cluster_name", "used"  # Envoy's series of answers by flag variants
TOP_EDGE_MS = 3_600_000  # longer than any answer: Envoy leaves out of the buckets whatever lies beyond the last edge


@dataclass(frozen=True)
class Counters:
    """One release's monotone counters at the edge (and one gauge, `active`), since that edge started."""

    completed: int  # answers to users, of any status
    failed: int  # 5xx, timeouts and resets among them; an attempt that was retried elsewhere counts, too
    timed: int  # answers whose time the edge knows, and timeouts
    slow: int  # those at or over the policy's slow_ms, and timeouts
    broken: int  # loaded pages that broke in a browser, as it reported: the API answers 202 to that and to nothing else
    active: int  # sent and not yet answered


NO_ANSWERS = Counters(completed=0, failed=0, timed=0, slow=0, broken=0, active=0)


@dataclass(frozen=True)
class Used:
    """Answers that used the same flag variants. Monotone, as `Counters`; one that Envoy gave itself (a timeout) used none that it knows."""

    answers: int = 0
    failed: int = 0  # 5xx
    slow: int = 0


Variants = str  # as in the header `x-variants`: "pricing-v2=on", several with commas, "" for none


@dataclass(frozen=True)
class Look:
    """What the edge said at one moment of the monotonic clock, per release digest."""

    at_s: float
    releases: Mapping[str, Counters]
    used: Mapping[str, Mapping[Variants, Used]] = field(default_factory=dict)


@dataclass(frozen=True)
class Tally:
    """One lane, one indicator, one window.

    `bad` can exceed `requests` in a short window (an attempt fails now, its request ends in the next window); the gate
    counts at most `requests` of them per block.
    """

    requests: int
    bad: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.requests + other.requests, self.bad + other.bad)


@dataclass(frozen=True)
class Lanes:
    canary: Tally
    baseline: Tally

    def __add__(self, other: Lanes) -> Lanes:
        return Lanes(self.canary + other.canary, self.baseline + other.baseline)


@dataclass(frozen=True)
class Sample:
    """Counts of both lanes over the same window."""

    from_s: float
    to_s: float
    failures: Lanes
    slow: Lanes
    client: Lanes  # of all answers, how many told of a page that broke in a browser
    canary_active: int

    @property
    def indicators(self) -> Mapping[str, Lanes]:
        """Under the names that the policy has for them."""
        return {"failures": self.failures, "slow": self.slow, "client": self.client}

    def each(self, change: Callable[[Lanes], Lanes]) -> Sample:
        changed = {name: change(lanes) for name, lanes in self.indicators.items()}
        return Sample(self.from_s, self.to_s, **changed, canary_active=self.canary_active)

    def __add__(self, later: Sample) -> Sample:
        """Both windows as one; the gauge is the later one's."""
        sums = {name: lanes + later.indicators[name] for name, lanes in self.indicators.items()}
        return Sample(self.from_s, later.to_s, **sums, canary_active=later.canary_active)


def bucket_edge_ms(slow_ms: int) -> float:
    """The bucket edge at which Envoy counts exactly the answers that took less than `slow_ms`.

    Envoy keeps whole milliseconds in bins of two significant digits (…, 98, 99, 100-109, 110-119, …) and counts the
    bin that an edge lies in as below that edge. So the edge must lie in the last bin under `slow_ms`, and anywhere but
    at that bin's lower end: 4.9 * 100 is a little more than 490, and an edge at 490 misses the whole bin 490-499.
    The last millisecond that is still fast is in that bin, whatever the rounding. Exact where `slow_ms` has at most two
    significant digits, which the policy checks.
    """
    return slow_ms - 1 if slow_ms > 1 else 0.5


def bucket_edges_ms(slow_ms: int) -> tuple[float, float]:
    """All edges that `parse` needs in Envoy's `histogram_bucket_settings` of upstream_rq_time."""
    return bucket_edge_ms(slow_ms), TOP_EDGE_MS


def stats_path(clusters: Iterable[str]) -> str:
    """Where Envoy's admin interface answers with what `parse` reads."""
    names = "|".join(cluster.replace(".", r"\.") for cluster in clusters)
    series = "upstream_rq_(completed|5xx|202|retry|timeout|active|time)"
    used = rf"{USED_SCOPE}\.(answers|failed|slow)\.{re.escape(USED_CLUSTER)}\.({names})\..*"
    return "/stats?format=json&histogram_buckets=cumulative&filter=" + quote(rf"^(cluster\.({names})\.{series}|{used})$")


def parse(stats: Mapping[str, Any], clusters: Mapping[str, str], slow_ms: int) -> dict[str, Counters]:
    """Envoy's answer to `stats_path(clusters)` -> counters per digest; `clusters` maps each cluster's name to its digest.

    Raises TelemetryLost where a series is missing that Envoy has from the cluster's first moment on, or where the
    histogram lacks the edges of `bucket_edges_ms(slow_ms)`. Only 5xx, 202 and times come into being with the first answer.
    """
    try:
        values = {item["name"]: int(item["value"]) for item in stats["stats"] if "name" in item}
        times = {item["name"]: _cumulative(item) for part in stats["stats"] for item in part.get("histograms", ())}
        return {digest: _counters(f"cluster.{name}.upstream_rq_", values, times, slow_ms) for name, digest in clusters.items()}
    except KeyError as missing:
        raise TelemetryLost(f"The edge's counters lack {missing}: the gate can't judge without it.") from missing
    except (TypeError, ValueError, AttributeError) as problem:
        raise TelemetryLost(f"The edge's counters can't be read: {problem}") from problem


def parse_used(stats: Mapping[str, Any], clusters: Mapping[str, str]) -> dict[str, dict[Variants, Used]]:
    """The same answer's series of answers by variants, per digest. They come into being with the first answer; none is no fault."""
    name = re.compile(rf"{USED_SCOPE}\.(answers|failed|slow)\.{re.escape(USED_CLUSTER)}\.([^.]+)\.{USED_VARIANTS}\.(.*)")
    found: dict[str, dict[Variants, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for item in stats["stats"]:
        parts = name.fullmatch(item.get("name", ""))
        if parts and parts[2] in clusters:
            found[clusters[parts[2]]][parts[3]][parts[1]] = int(item["value"])
    return {digest: {variants: Used(**counts) for variants, counts in of.items()} for digest, of in found.items()}


def _cumulative(histogram: Mapping[str, Any]) -> dict[float, int]:
    """Bucket edge in ms -> answers up to it, since the edge started."""
    return {float(bucket["upper_bound"]): int(bucket["cumulative"]) for bucket in histogram["buckets"]}


def _counters(prefix: str, values: Mapping[str, int], times: Mapping[str, Mapping[float, int]], slow_ms: int) -> Counters:
    edge, top = bucket_edges_ms(slow_ms)
    below = times.get(prefix + "time", {edge: 0, top: 0})
    timeouts = values[prefix + "timeout"]  # not in the histogram
    return Counters(
        completed=values[prefix + "completed"],
        failed=values.get(prefix + "5xx", 0) + values[prefix + "retry"],
        timed=below[top] + timeouts,
        slow=below[top] - below[edge] + timeouts,
        broken=values.get(prefix + "202", 0),
        active=values[prefix + "active"],
    )


def sample(before: Look, after: Look, canary: str, baseline: str | None) -> Sample:
    """What happened between two looks. `baseline` is None where there is none to compare with.

    Raises TelemetryLost where a release is missing, a counter went backwards or time did not go on.
    """
    if after.at_s <= before.at_s:
        raise TelemetryLost(f"The second look (at {after.at_s:.3f} s) is not later than the first (at {before.at_s:.3f} s).")
    one, other = _difference(before, after, canary), _difference(before, after, baseline)
    return Sample(
        from_s=before.at_s,
        to_s=after.at_s,
        failures=Lanes(Tally(one.completed, one.failed), Tally(other.completed, other.failed)),
        slow=Lanes(Tally(one.timed, one.slow), Tally(other.timed, other.slow)),
        client=Lanes(Tally(one.completed, one.broken), Tally(other.completed, other.broken)),
        canary_active=one.active,
    )


def _difference(before: Look, after: Look, digest: str | None) -> Counters:
    if digest is None:
        return NO_ANSWERS
    if digest not in before.releases or digest not in after.releases:
        raise TelemetryLost(f"The edge has no counters of release {digest}.")
    old, new = before.releases[digest], after.releases[digest]
    grown = {name: getattr(new, name) - getattr(old, name) for name in ("completed", "failed", "timed", "slow", "broken")}
    if any(growth < 0 for growth in grown.values()):
        raise TelemetryLost(f"Counters of release {digest} went backwards: the edge has started anew. The next look begins afresh.")
    return Counters(**grown, active=new.active)


ByVariants = Mapping[Variants, Mapping[str, Lanes]]


def used(before: Look, after: Look, canary: str, baseline: str | None) -> ByVariants:
    """What happened between two looks, per variants and indicator. Pages do not say which variants they broke with."""
    one, other = _grown(before, after, canary), _grown(before, after, baseline)
    pairs = {variants: (one.get(variants, Used()), other.get(variants, Used())) for variants in {*one, *other}}
    return {
        variants: {what: Lanes(*(_tally(of, what) for of in pair)) for what in ("failures", "slow")} for variants, pair in pairs.items()
    }


def _tally(of: Used, indicator: str) -> Tally:
    return Tally(of.answers, min(of.failed if indicator == "failures" else of.slow, of.answers))


def _grown(before: Look, after: Look, digest: str | None) -> dict[Variants, Used]:
    old, new = ({} if digest is None else look.used.get(digest, {}) for look in (before, after))
    grown = {
        name: Used(*(max(0, getattr(of, part) - getattr(old.get(name, Used()), part)) for part in ("answers", "failed", "slow")))
        for name, of in new.items()
    }
    return {name: of for name, of in grown.items() if of != Used()}
