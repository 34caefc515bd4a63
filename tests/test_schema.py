"""Expand, migrate, contract on a real store, as a person types it: each refusal with its next step, the pages' own commands, and the way back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from pages import typed
from policies import policy_file

from conftest import QUICK
from release.environment import Environment

pytestmark = pytest.mark.real
ROOT = Path(__file__).resolve().parent.parent
CHANGES = ROOT / "drills" / "changes"
COLUMNS = "(client_id, idempotency_key, request_hash, country, coupon, currency, discount_cents, net_cents, tax_cents)"
WHO = {"x-client-id": "u0001"}
_keys = count(1)


def order(store: Any, coupon: str) -> str:
    basket = {"country": "DE", "lines": [{"product_id": 1, "quantity": 1}], "coupon": coupon}
    headers = {**WHO, "idempotency-key": f"key-{next(_keys)}"}
    answer = httpx.post(f"{store.address}/api/orders", json=basket, headers=headers, timeout=30, trust_env=False)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def coupons(store: Any) -> dict[str, Any]:
    answer = httpx.get(f"{store.address}/api/orders", headers=WHO, timeout=30, trust_env=False)
    return {one["id"]: one["coupon"] for one in answer.json()["items"]}


@pytest.fixture
def people(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two keys, and a list with both of them; who deploys is somebody else."""
    keys = tmp_path / "ada", tmp_path / "grace"
    for key in keys:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", str(key)], check=True, capture_output=True)
    lines = [f"{key.name} {key.with_suffix('.pub').read_text()}" for key in keys]
    (tmp_path / "approvers").write_text("".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_APPROVERS", str(tmp_path / "approvers"))
        patch.setenv("SLIPWAY_ACTOR", "linus")
        yield keys


def test_the_whole_story(new_store: Any, people: tuple[Path, Path], tmp_path: Path) -> None:
    store = new_store()
    store.policy = policy_file(store.folder, **QUICK, pinned=1)
    store.address = store.run("up", "--port", "0")["address"]
    psql = Environment(store.home, store.name).database.psql
    built = {
        name: store.run("build", "--patch", str(CHANGES / f"{name}.patch"))["digest"]
        for name in ("stop-coupon", "stop-coupon-next", "contract")
    }

    def deploy(name: str, expect: int = 0) -> dict[str, Any]:
        with store.traffic():
            return dict(store.run("deploy", built[name], "--reason", name, expect=expect))

    typed_in = order(store, " welcome10")
    psql(f"INSERT INTO orders {COLUMNS} VALUES ('u0001', 'old', 'h', 'DE', 'ThreeForTwo', 'EUR', 1, 1, 1)")  # by the release before

    said = deploy("contract", expect=47)
    assert "could not run" in said["what"]
    assert said["outcome"] == "refused"
    assert deploy("stop-coupon")["outcome"] == "promoted"
    assert deploy("contract", expect=47)["outcome"] == "refused", "the release that reads the column is warm"
    assert deploy("stop-coupon-next")["outcome"] == "promoted"
    assert "release backfill" in deploy("contract", expect=48)["remedy"]
    assert store.run("backfill")["filled"] == 1
    assert "needs a yes of 2 people other than linus" in deploy("contract", expect=57)["what"]
    store.run("approve", built["contract"], "--key", str(people[0]))
    deploy("contract", expect=57)
    store.run("approvals", "--for", built["contract"], expect=57)

    dump = tmp_path / "before.dump"
    store.run("approve", built["contract"], "--key", str(people[1]))
    assert len(list(typed(store, "approve", {"DIGEST": built["contract"], "KEY": str(people[0])}))) == 5
    pages = typed(store, "restore-previous-schema", {"FILE": str(dump)})
    assert "release dump" in next(pages)
    assert deploy("contract")["outcome"] == "promoted"
    assert psql("SELECT version_num FROM alembic_version")[0]["version_num"] == "0005"
    since = order(store, "welcome10 ")
    assert coupons(store)[typed_in] == "WELCOME10"

    store.run("rollback", "--reason", "the schema stays")
    assert store.serves() == built["stop-coupon-next"]
    assert psql("SELECT version_num FROM alembic_version")[0]["version_num"] == "0005"
    assert coupons(store)[since] == "WELCOME10"
    store.reset()
    assert deploy("contract")["outcome"] == "promoted"

    assert len(list(pages)) == 3
    assert psql("SELECT version_num FROM alembic_version")[0]["version_num"] == "0004"
    there = {row["id"]: row["coupon"] for row in psql("SELECT id, coupon FROM orders WHERE client_id = 'u0001'")}
    assert sorted(there.values()) == [" welcome10", "ThreeForTwo", "WELCOME10"]
    assert (there[typed_in], there[since]) == (" welcome10", "WELCOME10")
    again = store.run("restore", str(dump), "--column", "orders.coupon", "--otherwise", "discount_code")
    assert (again["schema"], there) == (
        "0004",
        {row["id"]: row["coupon"] for row in psql("SELECT id, coupon FROM orders WHERE client_id = 'u0001'")},
    )
    store.run("restore", str(dump), "--column", "orders.none", "--otherwise", "discount_code", expect=2)
    store.run("restore", str(dump), "--column", "orders", "--otherwise", "discount_code", expect=2)
    store.run("restore", str(tmp_path / "none"), "--column", "orders.coupon", "--otherwise", "discount_code", expect=2)
