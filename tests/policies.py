"""policy.yaml as a test needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent


def policy_file(folder: Path, steps: list[dict[str, float]], **changes: Any) -> Path:
    """pipeline/policy.yaml with other steps, limits, and budgets of both indicators."""
    value = yaml.safe_load((ROOT / "pipeline" / "policy.yaml").read_text())
    value["steps"] = steps
    value["approvals"]["policy"] = changes.get("approvals", 0)  # a test changes its policy as it likes
    value["runtime"]["pinned_releases"] = changes.get("pinned", value["runtime"]["pinned_releases"])
    value["limits"].update(changes.get("limits", {}))
    value["gate"]["slow_ms"] = changes.get("slow_ms", value["gate"]["slow_ms"])
    for indicator in value["gate"]["indicators"].values():
        indicator.update(changes.get("gate", {}))
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(value))
    return path
