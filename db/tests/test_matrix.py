"""Every supported build on every state of the schema: where the window says that it runs, it keeps its own contract there, on real PostgreSQL;
where the window says no, it says so itself and gets no users."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from trees import changed

from release.artifact import Release
from release.window import Schema, runs

ROOT = Path(__file__).parents[2]
CHANGES = ROOT / "drills" / "changes"
pytestmark = [pytest.mark.real, pytest.mark.matrix]

# By hand: build -> the states on which it runs. `filled`: 0004 after the backfill.
RUNS = {
    "last release": "0002 0003 0004 filled",
    "this tree": "0003 0004 filled",
    "stop-coupon": "0003 0004 filled 0005",
    "contract": "0004 filled 0005",
}
STATES = {"0002": ("0002", None), "0003": ("0003", "0002"), "0004": ("0004", "0002"), "filled": ("0004", "0002"), "0005": ("0005", "0005")}
ORDER = """
INSERT INTO orders (client_id, idempotency_key, request_hash, country, coupon, currency, discount_cents, net_cents, tax_cents)
VALUES ('u0001', 'old', 'hash', 'DE', 'welcome10 ', 'EUR', 890, 8010, 1522);
INSERT INTO order_lines (order_id, line_number, product_id, quantity, unit_price_cents, discount_cents, net_cents, tax_cents)
SELECT id, 1, 1, 1, 8900, 890, 8010, 1522 FROM orders
"""
BUY = {"country": "DE", "lines": [{"product_id": 1, "quantity": 1}], "coupon": "WELCOME10"}
WHO = {"x-client-id": "u0001"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a build: the last release's own files; this tree's; or those with a later change."""
    made: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("build")
            if name == "last release":
                _last_release(made[name])
            else:
                changed(made[name], None if name == "this tree" else CHANGES / f"{name}.patch")
        return made[name]

    return build


def _last_release(folder: Path) -> None:
    commit = (ROOT / "api" / "contract" / "released.commit").read_text().strip()
    files = subprocess.run(["git", "archive", commit, "api", "db"], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(files)) as tar:
        tar.extractall(folder, filter="data")


def python(folder: Path, url: str, *words: str) -> None:
    environment = {**os.environ, "SLIPWAY_DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder / "api", env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def at(state: str, database: Any, built: Callable[[str], Path]) -> None:
    """By the steps of the newest build, with an order of before."""
    newest = built("contract")
    ini = ("alembic", "-c", str(newest / "db" / "alembic.ini"))
    python(newest, database.url, *ini, "upgrade", "0002")
    database.sql(ORDER)
    revision, _ = STATES[state]
    if revision in ("0003", "0004", "0005"):
        python(newest, database.url, *ini, "upgrade", min(revision, "0004"))
    if state in ("filled", "0005"):
        python(built("this tree"), database.url, "app.backfill")
    python(newest, database.url, *ini, "upgrade", revision)


@pytest.mark.parametrize(("build", "state"), list(product(RUNS, STATES)))
def test_build_on_schema(
    build: str, state: str, empty_database: Any, built: Callable[[str], Path], serve: Callable[..., str], tmp_path: Path
) -> None:
    at(state, empty_database, built)
    folder = built(build)
    said = json.loads((folder / "db" / "schema.json").read_text())
    release = Release("sha256:" + "a" * 64, "a", tuple(said["runs_on"]), leads_to=said["head"], floor=said["floor"])
    address = serve(empty_database.url, api=folder / "api")
    ready = httpx.get(f"{address}/readyz", timeout=30)
    allowed = state in RUNS[build].split()
    assert runs(release, Schema(*STATES[state])) == allowed
    assert (ready.status_code == 200) == allowed, ready.text
    if allowed:
        buys_and_sees_what_was_bought_before(address)
        keeps_its_contract(address, tmp_path)
    else:
        assert ready.json()["type"] == "/problems/wrong-schema"


def buys_and_sees_what_was_bought_before(address: str) -> None:
    made = httpx.post(f"{address}/api/orders", json=BUY, headers={**WHO, "idempotency-key": "new"}, timeout=30)
    assert made.status_code == 201, made.text
    new, old = httpx.get(f"{address}/api/orders", headers=WHO, timeout=30).json()["items"]
    assert new == made.json()
    assert (new["discount_cents"], new["coupon"]) == (890, "WELCOME10")
    assert (old["discount_cents"], (old["coupon"] or "WELCOME10").strip().upper()) == (890, "WELCOME10")


def keeps_its_contract(address: str, folder: Path) -> None:
    """As Schemathesis reads it from the build's own document; where the ops API wants a token, it is told so."""
    words = ["run", f"{address}/openapi.json", "--phases", "examples,coverage", "--max-time", "4", "--seed", "1", "--no-color"]
    words += ["--include-path-regex", "^/api/(products|quotes|orders)", "--generation-database", "none"]
    argv = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "api" / "tests" / "schemathesis.toml"), *words]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=folder, timeout=200)
    assert done.returncode == 0, f"{done.stdout[-6000:]}{done.stderr[-2000:]}"
