"""The edge of docker-compose.yml before any engine has a say: everyone to the baseline. `python -m release.compose` writes it. Pure, but for that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from release import bootstrap, lanes, policy, traffic
from release.traffic import Backend, Json, Split

TREE = "sha256:" + "0" * 64  # an image that was built here and not released has no digest that it could know
FOLDER, ADMIN, LOG = Path("/edge"), Path("/tmp/admin.sock"), Path("/dev/stdout")  # noqa: S108 - of its container
LISTENS, METRICS = ("0.0.0.0", 8080), ("0.0.0.0", 9901)  # noqa: S104 - only the edge's port is published, on loopback


def edge(slow_ms: int) -> Mapping[str, Json]:
    """File name -> content, of the folder that Envoy's container sees as /edge."""
    backends, split = [Backend(TREE, ("api-baseline:8000",), ("web-blue:8000",))], Split(TREE)
    clusters = traffic.clusters(backends, FOLDER, "tree")
    endpoints = traffic.all_endpoints(backends, split, "tree")
    return {
        "bootstrap.json": bootstrap.bootstrap(FOLDER, ADMIN, LISTENS, LOG, slow_ms, METRICS),
        lanes.FILE: lanes.routes(backends, split, "tree"),
        "cds.json": {**clusters, "resources": [_by_name(cluster, endpoints) for cluster in clusters["resources"]]},
        "rds.json": traffic.routes(backends, split, "tree"),
    }


def _by_name(cluster: Json, endpoints: Mapping[str, Json]) -> Json:
    """Containers have names and no fixed addresses, so Envoy asks for them instead of reading endpoints from a file."""
    [assignment] = endpoints[traffic.endpoints_file(cluster["name"])]["resources"]
    rest = {key: value for key, value in cluster.items() if key != "eds_cluster_config"}
    return {**rest, "type": "STRICT_DNS", "load_assignment": {key: value for key, value in assignment.items() if key != "@type"}}


def main() -> None:
    root = Path(__file__).parents[2]
    for name, content in edge(policy.read(root / "pipeline" / "policy.yaml").gate.slow_ms).items():
        (root / "containers" / "edge" / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
