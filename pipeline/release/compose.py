"""The edge of docker-compose.yml before any engine has a say: everyone to the baseline. `python -m release.compose` writes it. Pure, but for that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from release import bootstrap, policy, traffic
from release.traffic import Backend, Json, Split

TREE = "sha256:" + "0" * 64  # an image that was built here and not released has no digest that it could know
PORT, FOLDER = 8000, Path("/edge")
HOSTS = {traffic.cluster_name(TREE): "api-baseline", traffic.web_cluster_name(TREE): "web-blue"}


def edge(slow_ms: int) -> Mapping[str, Json]:
    """File name -> content, of the folder that Envoy's container sees as /edge."""
    backends, split = [Backend(TREE, (PORT,), (PORT,))], Split(TREE)
    start = bootstrap.bootstrap(FOLDER, Path("/tmp/admin.sock"), 8080, Path("/dev/stdout"), slow_ms)  # noqa: S108 - of its container
    [listener] = start["static_resources"]["listeners"]
    listener["address"]["socket_address"]["address"] = "0.0.0.0"  # noqa: S104 - only the edge's port is published, on loopback
    clusters = traffic.clusters(backends, FOLDER, "tree")
    return {
        "bootstrap.json": start,
        "cds.json": {**clusters, "resources": [_by_name(cluster) for cluster in clusters["resources"]]},
        "rds.json": traffic.routes(backends, split, "tree"),
    }


def _by_name(cluster: Json) -> Json:
    """Containers have names and no fixed addresses, so Envoy asks for them instead of reading endpoints from a file."""
    name = cluster["name"]
    endpoint = {"endpoint": {"address": {"socket_address": {"address": HOSTS[name], "port_value": PORT}}}}
    rest = {key: value for key, value in cluster.items() if key != "eds_cluster_config"}
    return {
        **rest,
        "type": "STRICT_DNS",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def main() -> None:
    root = Path(__file__).parents[2]
    for name, content in edge(policy.read(root / "pipeline" / "policy.yaml").gate.slow_ms).items():
        (root / "containers" / "edge" / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
