"""What Prometheus and Grafana read, below containers/observability. `python -m release.observability` writes it. Pure, but for that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from release import policy, slo
from release.dashboards import all_dashboards, grafana
from release.policy import Policy

MARK = "# Written by `make generated` from pipeline/policy.yaml. Change that instead.\n"


def files(policy: Policy) -> Mapping[str, str]:
    """Path below containers/observability -> content."""
    dashboards = {f"grafana/dashboards/{one.uid}.json": json.dumps(grafana(one), indent=1) + "\n" for one in all_dashboards(policy)}
    return {"prometheus/slo.yml": MARK + yaml.safe_dump(slo.rules(policy), sort_keys=False, width=1000), **dashboards}


def main() -> None:
    root = Path(__file__).parents[2]
    for name, content in files(policy.read(root / "pipeline" / "policy.yaml")).items():
        path = root / "containers" / "observability" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
