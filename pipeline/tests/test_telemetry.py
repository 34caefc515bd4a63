"""Envoy's answer -> counters -> a sample. The answer below was recorded from Envoy 1.40."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from release import policy, yamlfile
from release.errors import BadPolicy, TelemetryLost
from release.telemetry import (
    NO_ANSWERS,
    Counters,
    Lanes,
    Look,
    Sample,
    Tally,
    Used,
    bucket_edge_ms,
    bucket_edges_ms,
    parse,
    parse_used,
    sample,
    stats_path,
    used,
)

Stats = dict[str, Any]
POLICY = Path(__file__).parents[1] / "policy.yaml"
SLOW_MS = 250
OLD, NEW, QUIET = "release-aaaaaaaaaaaa", "release-bbbbbbbbbbbb", "release-cccccccccccc"
DIGESTS = {OLD: "sha256:a", NEW: "sha256:b", QUIET: "sha256:c"}


def _lane(name: str, **values: int) -> list[Stats]:
    return [{"name": f"cluster.{name}.upstream_rq_{series}", "value": value} for series, value in values.items()]


def _times(name: str, *cumulative: tuple[float, int]) -> Stats:
    buckets = [{"upper_bound": edge, "interval": 0, "cumulative": count} for edge, count in cumulative]
    return {"name": f"cluster.{name}.upstream_rq_time", "buckets": buckets}


@pytest.fixture
def stats() -> Stats:
    """OLD has answered, NEW has failed in each way, nobody has asked QUIET: it has neither 5xx nor times. Three pages of OLD broke."""
    counters = [
        *_lane(OLD, active=2, completed=225, retry=0, timeout=0, total=225, **{"5xx": 1, "202": 3}),
        *_lane(NEW, active=0, completed=4, retry=1, timeout=1, total=5, **{"5xx": 3}),
        *_lane(QUIET, active=0, completed=0, retry=0, timeout=0, total=0),
    ]
    histograms = [_times(OLD, (249, 180), (3.6e06, 224)), _times(NEW, (249, 2), (3.6e06, 2))]
    return {"stats": [*counters, {"histograms": histograms}]}


def test_counters_of_each_release(stats: Stats) -> None:
    assert parse(stats, DIGESTS, SLOW_MS) == {
        "sha256:a": Counters(completed=225, failed=1, timed=224, slow=44, broken=3, active=2),
        "sha256:b": Counters(completed=4, failed=4, timed=3, slow=1, broken=0, active=0),
        "sha256:c": NO_ANSWERS,
    }


def test_releases_that_nobody_asked_about_are_left_out(stats: Stats) -> None:
    assert set(parse(stats, {OLD: "sha256:a"}, SLOW_MS)) == {"sha256:a"}


@pytest.mark.parametrize("series", ["completed", "retry", "timeout", "active"])
def test_a_missing_series_is_an_error_and_no_zero(stats: Stats, series: str) -> None:
    stats["stats"] = [item for item in stats["stats"] if item.get("name") != f"cluster.{QUIET}.upstream_rq_{series}"]
    with pytest.raises(TelemetryLost, match=f"{QUIET}.upstream_rq_{series}"):
        parse(stats, DIGESTS, SLOW_MS)


@pytest.mark.parametrize("slow_ms", [100, 240, 500])
def test_a_histogram_without_the_edge_is_an_error(stats: Stats, slow_ms: int) -> None:
    with pytest.raises(TelemetryLost, match=str(slow_ms - 1)):
        parse(stats, DIGESTS, slow_ms)


def test_a_histogram_without_a_top_is_an_error(stats: Stats) -> None:
    stats["stats"][-1]["histograms"][0] = _times(OLD, (249, 180), (5000, 224))
    with pytest.raises(TelemetryLost, match="3600000"):
        parse(stats, DIGESTS, SLOW_MS)


def _no_list(stats: Stats) -> None:
    stats["stats"] = 3


def _no_number(stats: Stats) -> None:
    stats["stats"][0]["value"] = "many"


def _no_stats(stats: Stats) -> None:
    del stats["stats"]


@pytest.mark.parametrize("damage", [_no_list, _no_number, _no_stats])
def test_nonsense_is_an_error(stats: Stats, damage: Callable[[Stats], None]) -> None:
    damaged = copy.deepcopy(stats)
    damage(damaged)
    with pytest.raises(TelemetryLost):
        parse(damaged, DIGESTS, SLOW_MS)


def test_the_path_asks_for_exactly_these_clusters() -> None:
    query = parse_qs(urlsplit(stats_path(["release-a.b", "release-c"])).query)
    rates = r"cluster\.(release-a\.b|release-c)\.upstream_rq_(completed|5xx|202|retry|timeout|active|time)"
    assert query["filter"] == [rf"^({rates}|variants\.(answers|failed|slow)\.envoy\.cluster_name\.(release-a\.b|release-c)\..*)$"]
    assert query["format"] == ["json"]
    assert query["histogram_buckets"] == ["cumulative"]


@pytest.mark.parametrize(("slow_ms", "edge_ms"), [(1, 0.5), (2, 1), (100, 99), (250, 249), (500, 499), (5000, 4999)])
def test_the_edge_is_the_last_fast_millisecond(slow_ms: int, edge_ms: float) -> None:
    assert bucket_edge_ms(slow_ms) == edge_ms
    assert bucket_edges_ms(slow_ms)[0] == edge_ms


def _look(at_s: float, **releases: Counters) -> Look:
    return Look(at_s, releases)


def test_a_sample_is_what_happened_between_two_looks() -> None:
    before = _look(10.0, old=Counters(100, 1, 90, 5, 2, 7), new=Counters(10, 0, 10, 1, 0, 2))
    after = _look(10.25, old=Counters(160, 3, 150, 9, 3, 6), new=Counters(14, 5, 13, 3, 2, 4))
    assert sample(before, after, canary="new", baseline="old") == Sample(
        from_s=10.0,
        to_s=10.25,
        failures=Lanes(canary=Tally(4, 5), baseline=Tally(60, 2)),
        slow=Lanes(canary=Tally(3, 2), baseline=Tally(60, 4)),
        client=Lanes(canary=Tally(4, 2), baseline=Tally(60, 1)),
        canary_active=4,
    )


def test_without_a_baseline_its_lane_is_empty() -> None:
    looks = _look(0, new=NO_ANSWERS), _look(1, new=Counters(5, 0, 5, 0, 0, 0))
    assert sample(*looks, canary="new", baseline=None).failures == Lanes(Tally(5, 0), Tally(0, 0))


@pytest.mark.parametrize("which", range(5))
def test_a_counter_that_went_backwards_is_an_error(which: int) -> None:
    later = (3 if number == which else 5 for number in range(5))
    with pytest.raises(TelemetryLost, match="backwards"):
        sample(_look(0, new=Counters(4, 4, 4, 4, 4, active=0)), _look(1, new=Counters(*later, active=0)), "new", None)


def test_the_number_in_flight_may_fall() -> None:
    same = Counters(4, 4, 4, 4, 4, active=9)
    assert sample(_look(0, new=same), _look(1, new=Counters(4, 4, 4, 4, 4, active=2)), "new", None).canary_active == 2


@pytest.mark.parametrize(("canary", "baseline"), [("new", "old"), ("old", "new")])
def test_a_release_that_the_edge_does_not_know_is_an_error(canary: str, baseline: str) -> None:
    some = Counters(1, 0, 1, 0, 0, 0)
    with pytest.raises(TelemetryLost, match="old"):
        sample(_look(0, new=some, old=some), _look(1, new=some), canary, baseline)


@pytest.mark.parametrize("later_s", [1.0, 0.5])
def test_time_goes_on(later_s: float) -> None:
    some = Counters(1, 0, 1, 0, 0, 0)
    with pytest.raises(TelemetryLost, match="not later"):
        sample(_look(1.0, new=some), _look(later_s, new=some), "new", None)


@pytest.mark.parametrize(
    ("slow_ms", "allowed"), [(7, True), (99, True), (250, True), (1200, True), (105, False), (255, False), (1250, False)]
)
def test_the_policy_allows_what_the_edge_can_count(slow_ms: int, allowed: bool) -> None:
    text = POLICY.read_text(encoding="utf-8").replace("slow_ms: 250 ", f"slow_ms: {slow_ms} ")
    with nullcontext() if allowed else pytest.raises(BadPolicy, match="slow_ms"):
        yamlfile.parse(text, "policy.yaml", policy.Policy, BadPolicy)


def test_answers_by_variants() -> None:
    """As Envoy 1.40 says it: a dot may stand in a flag's name, and what no release of ours answered is left out."""

    def series(what: str, cluster: str, variants: str, value: int) -> Stats:
        return {"name": f"variants.{what}.envoy.cluster_name.{cluster}.used.{variants}", "value": value}

    on, many = "pricing-v2=on", "a.b=x,pricing-v2=off"
    said = [series("answers", NEW, on, 5), series("failed", NEW, on, 2), series("answers", OLD, many, 7), series("answers", OLD, "", 9)]
    said += [series("slow", OLD, many, 1), series("answers", "web-aaaaaaaaaaaa", on, 3), {"name": "cluster.x.upstream_rq_5xx", "value": 1}]
    found = parse_used({"stats": [*said, {"histograms": []}]}, DIGESTS)
    assert found == {"sha256:b": {on: Used(5, 2, 0)}, "sha256:a": {many: Used(7, 0, 1), "": Used(9)}}


def test_variants_between_two_looks() -> None:
    before = Look(1, {}, {"new": {"f=on": Used(4, 1, 0)}, "old": {"": Used(50)}})
    after = Look(2, {}, {"new": {"f=on": Used(9, 4, 1), "f=off": Used(2)}, "old": {"": Used(60), "f=on": Used(3, 3, 0)}})
    nothing = Tally(0, 0)
    assert used(before, after, "new", "old") == {
        "f=on": {"failures": Lanes(Tally(5, 3), Tally(3, 3)), "slow": Lanes(Tally(5, 1), Tally(3, 0))},
        "f=off": {"failures": Lanes(Tally(2, 0), nothing), "slow": Lanes(Tally(2, 0), nothing)},
        "": {"failures": Lanes(nothing, Tally(10, 0)), "slow": Lanes(nothing, Tally(10, 0))},
    }
    assert used(before, after, "new", None)["f=on"]["failures"] == Lanes(Tally(5, 3), nothing)
