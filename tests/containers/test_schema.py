"""Backfill, approvals, a contract step, dump and restore on containers: the release's own image does each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from policies import policy_file

from conftest import QUICK
from containers.conftest import ROOT
from containers.test_releases import Store
from drill.scenario import Load
from drill.signers import Signers
from drill.traffic import Traffic
from release.approvals import contract_change
from release.environment import Environment
from release.home import Home

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]
CHANGES = ROOT / "drills" / "changes"
COLUMNS = "(client_id, idempotency_key, request_hash, country, coupon, currency, discount_cents, net_cents, tax_cents)"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[Store, Signers]]:
    one, signers = Store(f"test-{uuid.uuid4().hex[:8]}"), Signers.new(tmp_path / "people")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_POLICY", str(policy_file(tmp_path, **QUICK)))
        patch.setenv("SLIPWAY_APPROVERS", str(signers.file))
        yield one, signers
        one.release("down", "--env", one.env, "--purge")


def test_fill_in_remove_and_bring_back(store: tuple[Store, Signers], tmp_path: Path) -> None:
    one, signers = store
    env = ("--env", one.env)
    before, contract = (
        str(one.release("build", "--runtime", "compose", "--patch", str(CHANGES / f"{name}.patch"))["digest"])
        for name in ("stop-coupon", "contract")
    )
    address = one.release("up", *env, "--runtime", "compose", "--port", "0", "--first", before)["address"]
    one.release("publish", contract, *env)
    psql = Environment(Home(ROOT), one.env).database.psql
    psql(f"INSERT INTO orders {COLUMNS} SELECT 'u' || n, 'k', 'h', 'DE', ' welcome10', 'EUR', 1, 1, 1 FROM generate_series(1, 500) AS n")

    assert one.release("backfill", *env, "--dry-run")["filled"] == 500
    assert one.release("deploy", contract, *env, "--reason", "too early", code=48)["outcome"] == "refused"
    assert one.release("backfill", *env)["filled"] == 500
    one.release("deploy", contract, *env, "--reason", "alone", code=57)
    for _, signature in signers.signatures(contract_change(contract, ("0005",)), one.env):
        one.release("approve", contract, *env, "--signature", str(signature))
    dump = tmp_path / "before.dump"
    assert one.release("dump", str(dump), *env)["bytes"] == dump.stat().st_size > 1000

    assert _under_traffic(one, address, tmp_path, contract)["outcome"] == "promoted"
    assert psql("SELECT version_num FROM alembic_version")[0]["version_num"] == "0005"
    psql(
        "INSERT INTO orders (client_id, idempotency_key, request_hash, country, discount_code, currency, discount_cents, net_cents, tax_cents) VALUES ('new', 'k', 'h', 'DE', 'WELCOME10', 'EUR', 1, 1, 1)"
    )
    said = one.release("restore", str(dump), "--column", "orders.coupon", "--otherwise", "discount_code", *env)
    assert (said["schema"], said["from_dump"], said["written_since"]) == ("0004", 500, 1)
    assert psql("SELECT DISTINCT coupon FROM orders WHERE coupon IS NOT NULL ORDER BY 1") == [
        {"coupon": " welcome10"},
        {"coupon": "WELCOME10"},
    ]


def _under_traffic(one: Store, address: str, folder: Path, digest: str) -> dict[str, Any]:
    load = Traffic.start(address, Load(rate_per_s=60, max_s=240), folder / "samples.jsonl", folder / "load.log")
    try:
        return one.release("deploy", digest, "--env", one.env, "--reason", "contract")
    finally:
        load.stop()
