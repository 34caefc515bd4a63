"""Envoy's configuration as data: what a request meets, in order, and that nothing is lost on the way back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from release import traffic
from release.bootstrap import bootstrap
from release.telemetry import bucket_edges_ms
from release.traffic import Backend, Split, loopback

OLD, NEW, PINNED = ("sha256:" + digit * 64 for digit in "abc")
BACKENDS = [Backend(NEW, loopback((3, 4))), Backend(OLD, loopback((1, 2))), Backend(PINNED, loopback((5, 6)))]


def config(split: Split) -> dict[str, Any]:
    [resource] = traffic.routes(BACKENDS, split, "v1")["resources"]
    return dict(resource)


def rules(split: Split) -> list[dict[str, Any]]:
    return list(config(split)["virtual_hosts"][0]["routes"])


def everyone_else(split: Split) -> list[dict[str, Any]]:
    return [rule for rule in rules(split) if "weighted_clusters" in rule["route"] and rule["name"] != traffic.STREAMS]


@pytest.mark.parametrize("weight_pct", [1, 10, 50, 90, 99])
def test_weights_stand_canary_first_and_sum_to_ten_thousand(weight_pct: int) -> None:
    for rule in everyone_else(Split(OLD, NEW, weight_pct)):
        assert rule["route"]["weighted_clusters"] == {
            "use_hash_policy": True,
            "clusters": [
                {"name": "release-bbbbbbbbbbbb", "weight": weight_pct * 100},
                {"name": "release-aaaaaaaaaaaa", "weight": 10_000 - weight_pct * 100},
            ],
        }


@pytest.mark.parametrize(
    ("split", "only"),
    [(Split(OLD), "release-aaaaaaaaaaaa"), (Split(OLD, NEW, 0), "release-aaaaaaaaaaaa"), (Split(OLD, NEW, 100), "release-bbbbbbbbbbbb")],
)
def test_a_weight_of_zero_is_left_out(split: Split, only: str) -> None:
    for rule in everyone_else(split):
        assert rule["route"]["weighted_clusters"]["clusters"] == [{"name": only, "weight": 10_000}]


def test_users_stick_by_their_id() -> None:
    for rule in everyone_else(Split(OLD, NEW, 10)):
        by_header, by_cookie = {"header": {"header_name": "x-client-id"}}, {"cookie": {"name": "client-id"}}
        assert rule["route"]["hash_policy"] == [{**by_header, "terminal": True}, {**by_cookie, "terminal": True}]


def test_pins_come_first_and_have_no_second_try() -> None:
    pins = [rule for rule in rules(Split(OLD, NEW, 10))[: 2 * len(BACKENDS)] if rule["match"].get("path") != "/ofrep/v1/events"]
    assert pins == [
        {
            "name": backend.digest,
            "match": {"prefix": "/", "headers": [{"name": "x-release", "string_match": {"exact": backend.digest[7:19]}}]},
            "route": {"cluster": f"release-{backend.digest[7:19]}", "timeout": "5s"},
        }
        for backend in BACKENDS
    ]


def test_what_may_have_begun_is_sent_again_only_if_harmless() -> None:
    by_match = {
        str(rule["match"].get("headers")): rule["route"]["retry_policy"]["retry_on"].split(",")
        for rule in everyone_else(Split(OLD, NEW, 10))
    }
    begun_once = by_match.pop("None")
    assert "reset" not in begun_once
    assert "connect-failure" in begun_once
    assert len(by_match) == 2
    assert all("reset" in retried for retried in by_match.values())
    assert "GET|HEAD|OPTIONS" in str(by_match)
    assert "idempotency-key" in str(by_match)


def test_a_failure_that_the_gate_counts_is_never_retried() -> None:
    for rule in rules(Split(OLD, NEW, 10)):
        assert "5xx" not in str(rule["route"].get("retry_policy"))
        assert "gateway-error" not in str(rule["route"].get("retry_policy"))


def test_a_retry_goes_to_the_other_priority() -> None:
    for rule in everyone_else(Split(OLD, NEW, 10)):
        policy = rule["route"]["retry_policy"]
        assert policy["num_retries"] == 2
        assert policy["retry_priority"]["typed_config"]["update_frequency"] == 1


def test_a_canary_falls_back_to_the_baseline_and_the_baseline_to_nobody() -> None:
    files = traffic.all_endpoints(BACKENDS, Split(BACKENDS[1].digest), "v1")
    canary = files["eds-release-bbbbbbbbbbbb.json"]["resources"][0]
    baseline = files["eds-release-aaaaaaaaaaaa.json"]["resources"][0]
    assert [(group["priority"], ports(group)) for group in canary["endpoints"]] == [(0, [3, 4]), (1, [1, 2])]
    assert [(group["priority"], ports(group)) for group in baseline["endpoints"]] == [(0, [1, 2])]


def ports(group: dict[str, Any]) -> list[int]:
    return [item["endpoint"]["address"]["socket_address"]["port_value"] for item in group["lb_endpoints"]]


def test_one_cluster_per_release_with_its_own_endpoints_file() -> None:
    document = traffic.clusters([BACKENDS[1], BACKENDS[0]], Path("/edge"), "v7")
    assert document["version_info"] == "v7"
    assert [cluster["name"] for cluster in document["resources"]] == [
        *("release-aaaaaaaaaaaa", "release-bbbbbbbbbbbb", "events-aaaaaaaaaaaa", "events-bbbbbbbbbbbb"),
    ]
    first = document["resources"][0]
    assert first["eds_cluster_config"]["eds_config"]["path_config_source"]["path"] == "/edge/eds-release-aaaaaaaaaaaa.json"
    assert first["common_lb_config"] == {"healthy_panic_threshold": {"value": 0}}
    assert first["circuit_breakers"]["thresholds"][0]["max_retries"] == 10_000


@pytest.mark.parametrize("split", [Split(OLD), *(Split(OLD, NEW, weight) for weight in (0, 1, 10, 50, 99, 100))])
def test_read_back_gives_the_same_split(split: Split) -> None:
    assert traffic.read_back(config(split)) == split


def test_read_back_goes_by_weights_not_by_names() -> None:
    tampered = config(Split(OLD, NEW, 10))
    shares = tampered["virtual_hosts"][0]["routes"][-1]["route"]["weighted_clusters"]["clusters"]
    shares[0]["weight"], shares[1]["weight"] = 5000, 5000
    assert traffic.read_back(tampered) == Split(OLD, NEW, 50)


@pytest.mark.parametrize("foreign", [{}, {"virtual_hosts": []}, {"virtual_hosts": [{"routes": [{"match": {}}]}]}])
def test_read_back_refuses_what_is_not_ours(foreign: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a split"):
        traffic.read_back(foreign)


def test_read_back_refuses_weights_that_do_not_sum() -> None:
    broken = config(Split(OLD, NEW, 10))
    broken["virtual_hosts"][0]["routes"][-1]["route"]["weighted_clusters"]["clusters"][0]["weight"] = 7
    with pytest.raises(ValueError, match="not a split"):
        traffic.read_back(broken)


def test_every_cluster_is_known_by_its_whole_digest() -> None:
    assert traffic.digests_of(config(Split(OLD, NEW, 10))) == {f"release-{digest[7:19]}": digest for digest in (OLD, NEW, PINNED)}


WITH_SPA = [
    Backend(NEW, loopback((3, 4)), loopback((13,))),
    Backend(OLD, loopback((1, 2)), loopback((11,))),
    Backend(PINNED, loopback((5, 6))),
]


def spa_rules(split: Split, switch: traffic.Switch = "weighted") -> list[dict[str, Any]]:
    [resource] = traffic.routes(WITH_SPA, split, "v1", switch)["resources"]
    return list(resource["virtual_hosts"][0]["routes"])


def is_for(rule: dict[str, Any], path: str) -> bool:
    if "path" in rule["match"]:
        return path == rule["match"]["path"]
    if "prefix" in rule["match"]:
        return path.startswith(rule["match"]["prefix"])
    return bool(re.fullmatch(rule["match"]["safe_regex"]["regex"], path))


def shares(rule: dict[str, Any]) -> list[tuple[str, int]]:
    return [(share["name"], share["weight"]) for share in rule["route"]["weighted_clusters"]["clusters"]]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *(
            (path, "release")
            for path in (
                "/api",
                "/api/",
                "/api/orders/7",
                "/ofrep/v1/evaluate/flags",
                "/livez",
                "/readyz",
                "/version",
                "/metrics",
                "/openapi.json",
            )
        ),
        *((path, "web") for path in ("/", "/index.html", "/assets/a.js", "/orders/7", "/apis", "/livez/x", "/versions", "/x/api/orders")),
    ],
)
def test_the_api_answers_its_paths_and_the_spa_all_others(path: str, kind: str) -> None:
    everyone = [rule for rule in spa_rules(Split(OLD, NEW, 10)) if "weighted_clusters" in rule["route"] and is_for(rule, path)]
    assert shares(everyone[0]) == [(f"{kind}-bbbbbbbbbbbb", 1000), (f"{kind}-aaaaaaaaaaaa", 9000)]
    pin = next(rule for rule in spa_rules(Split(OLD)) if rule["name"] == NEW and is_for(rule, path))
    assert pin["route"]["cluster"] == f"{kind}-bbbbbbbbbbbb"


def test_streams_of_events_last_and_are_nobodys_evidence() -> None:
    """By the same weights and hash, without a timeout, to clusters that the gate does not count."""
    for rules_ in (rules(Split(OLD, NEW, 10)), spa_rules(Split(OLD, NEW, 10))):
        mine = [rule for rule in rules_ if is_for(rule, "/ofrep/v1/events")]
        pin, everyone = mine[0], next(rule for rule in mine if "weighted_clusters" in rule["route"])
        assert pin["route"] == {"cluster": "events-bbbbbbbbbbbb", "timeout": "0s"}
        assert shares(everyone) == [("events-bbbbbbbbbbbb", 1000), ("events-aaaaaaaaaaaa", 9000)]
        assert everyone["route"]["timeout"] == "0s"


def test_documents_stick_as_calls_do() -> None:
    everyone = [rule["route"]["hash_policy"] for rule in spa_rules(Split(OLD, NEW, 10)) if "weighted_clusters" in rule["route"]]
    assert len(everyone) == 5
    assert all(rule == everyone[0] for rule in everyone)


@pytest.mark.parametrize(("weight_pct", "answers"), [(0, "a"), (1, "a"), (90, "a"), (100, "b")])
def test_at_once_moves_documents_with_the_last_step_only(weight_pct: int, answers: str) -> None:
    rules = spa_rules(Split(OLD, NEW, weight_pct), "at_once")
    assert shares(rules[-1]) == [(f"web-{answers * 12}", 10_000)]
    assert [rule["route"] for rule in rules[:-1]] == [rule["route"] for rule in spa_rules(Split(OLD, NEW, weight_pct))[:-1]]


@pytest.mark.parametrize("switch", ["weighted", "at_once"])
@pytest.mark.parametrize("split", [Split(OLD), Split(OLD, NEW, 10), Split(OLD, NEW, 100), Split(PINNED, NEW, 50), Split(PINNED)])
def test_what_is_read_back_is_the_apis_split(split: Split, switch: traffic.Switch) -> None:
    config = {"virtual_hosts": [{"routes": spa_rules(split, switch)}]}
    assert traffic.read_back(config) == split
    assert traffic.digests_of(config) == {f"release-{digest[7:19]}": digest for digest in (OLD, NEW, PINNED)}


def test_a_lane_without_an_spa_answers_for_itself() -> None:
    """The first release with an SPA must not get all documents because the baseline has none."""
    assert shares(spa_rules(Split(PINNED, NEW, 1))[-1]) == [("web-bbbbbbbbbbbb", 100), ("release-cccccccccccc", 9900)]
    assert all("safe_regex" not in rule["match"] for rule in spa_rules(Split(PINNED)) if "weighted_clusters" in rule["route"])


def test_an_spa_is_a_cluster_of_its_own_that_falls_back_to_the_baselines() -> None:
    names = [cluster["name"] for cluster in traffic.clusters(WITH_SPA, Path("/edge"), "v")["resources"]]
    assert names == [
        *(f"{kind}-{digest * 12}" for kind in ("release", "events") for digest in "bac"),
        "web-bbbbbbbbbbbb",
        "web-aaaaaaaaaaaa",
    ]
    files = traffic.all_endpoints(WITH_SPA, Split(WITH_SPA[1].digest, WITH_SPA[0].digest), "v")
    assert set(files) == {f"eds-{name}.json" for name in names}
    assert [ports(group) for group in files["eds-web-bbbbbbbbbbbb.json"]["resources"][0]["endpoints"]] == [[13], [11]]
    assert [ports(group) for group in files["eds-web-aaaaaaaaaaaa.json"]["resources"][0]["endpoints"]] == [[11]]


def test_behind_the_baselines_pages_stand_those_of_pinned_releases_and_never_the_canarys() -> None:
    pinned = Backend(PINNED, loopback((5,)), loopback((15,)))
    backends = [*WITH_SPA[:2], pinned]
    files = traffic.all_endpoints(backends, Split(OLD, NEW, 10), "v")
    assert [ports(group) for group in files["eds-web-aaaaaaaaaaaa.json"]["resources"][0]["endpoints"]] == [[11], [15]]
    assert [ports(group) for group in files["eds-web-cccccccccccc.json"]["resources"][0]["endpoints"]] == [[15], [11]]
    assert [ports(group) for group in files["eds-release-aaaaaaaaaaaa.json"]["resources"][0]["endpoints"]] == [[1, 2]]


def test_the_listener_shares_its_port_with_nobody_and_counts_at_the_gates_edge() -> None:
    document = bootstrap(Path("/edge"), Path("/sock/admin.sock"), ("127.0.0.1", 8080), Path("/logs/edge.log"), slow_ms=250)
    [listener] = document["static_resources"]["listeners"]
    assert listener["enable_reuse_port"] is False
    assert listener["address"] == {"socket_address": {"address": "127.0.0.1", "port_value": 8080}}
    assert document["admin"] == {"address": {"pipe": {"path": "/sock/admin.sock", "mode": 0o600}}}
    assert document["stats_flush_interval"] == "0.25s"
    assert document["stats_config"]["histogram_bucket_settings"][0]["buckets"] == list(bucket_edges_ms(250))
