"""The commands of a runbook do what its page says, one after the other, on a store that is as the page has it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pages import typed

from release.environment import Environment

pytestmark = pytest.mark.real
ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
FLAG = "pricing-v2"


@contextmanager
def two_behind(store: Any) -> Iterator[tuple[str, str]]:
    """A store that has had three releases: the two before the one that serves, oldest first."""
    other = store.folder / "other.patch"
    other.write_text((ROOT / "drills/faults/healthy-release.patch").read_text().replace("+    buckets=(0.005,", "+    buckets=(0.006,"))
    oldest, previous = store.serves(), store.build("healthy-release")
    with store.traffic():
        for digest in (previous, store.run("build", "--patch", str(other))["digest"]):
            store.run("deploy", digest, "--reason", "test")
        yield oldest, previous


def test_rollback(store: Any) -> None:
    went: list[str] = []
    with two_behind(store) as (oldest, previous):
        for line in typed(store, "rollback", {"DIGEST": oldest}):
            if "rollback" in line:
                went.append(store.serves())
        assert went == [previous, oldest]


def test_drain_canary(store: Any) -> None:
    old, new = store.serves(), store.build("healthy-release")
    with store.traffic(rate_per_s=20):
        engine = store.at_weight(new)
        for line in typed(store, "drain-canary", {"DIGEST": new}):
            if "hold" in line:
                store.wait_for("hold_requested")
            if "abort" in line:
                assert engine.wait(60) == 33
                assert store.serves() == old
            if "status" in line:
                assert new in store.run("status")["quarantined"]
    assert store.run("status")["quarantined"] == {}


@pytest.mark.parametrize("runbook", ["kill-switch", "freeze-flags"])
def test_flags(store: Any, runbook: str) -> None:
    store.run("flag unfreeze", "--reason", "the next test")
    store.run("flag set", FLAG, "--enable", "--default", "off", "--percentage", "0", "--reason", "the next test")
    for line in typed(store, runbook):
        if "flag kill" in line:
            [flag] = [one for one in store.run("flag list")["flags"] if one["key"] == FLAG]
            assert flag["killed"]


def test_backfill(store: Any) -> None:
    psql = Environment(store.home, store.name).database.psql
    order = "(client_id, idempotency_key, request_hash, country, coupon, currency, discount_cents, net_cents, tax_cents)"
    psql(f"INSERT INTO orders {order} SELECT 'u' || n, 'k', 'h', 'DE', 'welcome10', 'EUR', 1, 1, 1 FROM generate_series(1, 50) AS n")
    done = []
    for line in typed(store, "backfill"):
        [found] = psql("SELECT count(*) AS codes FROM orders WHERE discount_code = 'WELCOME10'")
        done.append(("dry" in line, int(found["codes"])))
    assert done == [(True, 0), (False, 50)]


class Elsewhere:
    """A machine of its own: its keys are no business of the other tests."""

    name = "elsewhere"

    def __init__(self, var: Path, environ: dict[str, str]) -> None:
        self.var, self._environ = var, environ

    def environ(self) -> dict[str, str]:
        return {**self._environ, "SLIPWAY_VAR": str(self.var)}

    def known(self) -> list[dict[str, Any]]:
        said = subprocess.run([BIN / "release", "keys", "list", "--json"], cwd=ROOT, env=self.environ(), check=True, capture_output=True)
        return list(json.loads(said.stdout)["keys"])


def test_rotate_keys(store: Any, tmp_path: Path) -> None:
    there = Elsewhere(tmp_path / "var", store.environ())
    subprocess.run([BIN / "release", "build"], cwd=ROOT, env=there.environ(), check=True, capture_output=True)
    file = tmp_path / "theirs.pub"
    file.write_bytes((store.home.keys / "release.pub").read_bytes())
    values: dict[str, str] = {"FILE": str(file)}
    seen = []
    for line in typed(there, "rotate-keys", values):
        seen.append(line)
        if line.endswith("rotate"):
            [values["KEY"], *_] = [key["id"] for key in there.known() if not key["signs"]]
    assert len(seen) >= 7
    assert len(there.known()) == 2, "its own, and theirs"


@pytest.mark.long
def test_pipeline_red(store: Any) -> None:
    assert list(typed(store, "pipeline-red"))
