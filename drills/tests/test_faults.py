"""Each fault is a patch of today's tree, hidden from the unit tests, and does to users what its scenario says."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx
import pytest

from drill.load.schedule import Plan
from drill.load.shop import Shop
from drill.load.users import user_id
from release.adapters.node import NODE

ROOT = Path(__file__).parents[2]
FAULTS = sorted(path.stem for path in (ROOT / "drills" / "faults").glob("*.patch"))
POPULATION = Plan(rate_per_s=120, users=2000, seed=7)
REQUESTS = 600
AT_ONCE = 12
LATE_S = 0.4  # the fault adds half a second


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what git has or would have."""
    listed = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True)
    copy = tmp_path / "tree"
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    return copy


def apply(tree: Path, fault: str, *options: str) -> None:
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}  # no checkout above it may claim the copy
    patch = ROOT / "drills" / "faults" / f"{fault}.patch"
    done = subprocess.run(["git", "apply", *options, str(patch)], cwd=tree, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def unit_tests(tree: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "-q", "-m", "not real and not long and not cosign", "api/tests"]
    environment = {**os.environ, "PYTHONPATH": str(tree / "api")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(argv, cwd=tree, env=environment, check=False, capture_output=True, text=True, timeout=200)


def test_the_scenarios_faults_are_all_here() -> None:
    assert {"bad-bundle", "checkout-5xx", "slow-release", "crash-on-start", "healthy-release", "flag-5xx"} <= set(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_it_applies_to_this_tree(fault: str, tree: Path) -> None:
    before = {path: path.read_bytes() for path in files(tree)}
    apply(tree, fault, "--check")
    apply(tree, fault)
    changed = {path.relative_to(tree).parts[:2] for path in files(tree) if before.get(path) != path.read_bytes()}
    carried = {"bad-bundle": {("web", "src")}, "bad-migration": {("db", "migrations"), ("db", "schema.json")}}
    assert changed == carried.get(fault, {("api", "app")})  # what the artifact carries, and nothing else


@pytest.mark.parametrize("change", sorted(path.stem for path in (ROOT / "drills" / "changes").glob("*.patch")))
def test_a_later_release_applies_to_this_tree(change: str, tree: Path) -> None:
    apply(tree, f"../changes/{change}", "--check")


def files(tree: Path) -> list[Path]:
    return [path for path in tree.rglob("*") if path.is_file()]


@pytest.mark.real
@pytest.mark.parametrize("fault", ["checkout-5xx", "slow-release", "flag-5xx"])
def test_unit_tests_do_not_see_it(fault: str, tree: Path) -> None:
    apply(tree, fault)
    done = unit_tests(tree)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.real
def test_neither_types_nor_tests_of_the_pages_see_the_bad_bundle(tree: Path) -> None:
    apply(tree, "bad-bundle")
    (tree / "web" / "node_modules").symlink_to(modules())
    vitest = ("vitest/vitest.mjs", "run", "--project", "app", "src/app.test.tsx")
    assert node(tree / "web", "typescript/bin/tsc", "--noEmit").returncode == 0
    tested = node(tree / "web", *vitest)
    assert tested.returncode == 0, tested.stdout[-3000:]
    (tree / "web" / "src" / "checkout" / "CheckoutPage.tsx").write_text("export default () => null;")
    assert node(tree / "web", *vitest).returncode != 0, "the copy's own code is what is tested"


def modules() -> Path:
    """The packages of web/, as `make test` has installed them for its own tests of the pages."""
    found = ROOT / "web" / "node_modules"
    if not found.is_dir():
        pytest.skip("web/node_modules is missing: `make web-unit` installs it.")
    return found


def node(folder: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [str(NODE / "bin" / "node"), str(folder / "node_modules" / program), *words]
    return subprocess.run(argv, cwd=folder, check=False, capture_output=True, text=True, timeout=200)


def test_the_bad_bundle_breaks_for_a_tenth_of_users(tree: Path) -> None:
    """The bundle's own lines, for all users of the drill and for ids as browsers make them."""
    apply(tree, "bad-bundle")
    page = (tree / "web" / "src" / "checkout" / "CheckoutPage.tsx").read_text()
    lines = [line for line in page.splitlines() if line.startswith(("const ROUNDS", "const digits", "const roundOf"))]
    random = Random(4)
    for ids in ([user_id(number) for number in range(1, 2001)], [f"{random.getrandbits(128):032x}" for _ in range(4000)]):
        count = f"console.log({json.dumps(ids)}.filter((id) => roundOf(`a=b; client-id=${{id}}`) === undefined).length)"
        argv = [str(NODE / "bin" / "node"), "--no-warnings", "--input-type=module-typescript", "-"]
        done = subprocess.run(argv, input="\n".join([*lines, count]), check=True, capture_output=True, text=True, timeout=60)
        assert 0.08 < int(done.stdout) / len(ids) < 0.12


@pytest.mark.real
def test_unit_tests_of_the_copy_run_the_copys_code(tree: Path) -> None:
    """Else the test above proves nothing: this fault is one that they do see."""
    apply(tree, "crash-on-start")
    assert "test_settings" in unit_tests(tree).stdout


class Seen(NamedTuple):
    status: int
    took_s: float
    variants: str | None


def visit(address: str, requests: int = REQUESTS) -> list[Seen]:
    """The drill's own mix of the drill's own users, a fixed part of their history."""
    return asyncio.run(_visit(address, requests))


async def _visit(address: str, requests: int) -> list[Seen]:
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        items = (await client.get("/api/products?country=DE")).json()["items"]
        shop = Shop([item["id"] for item in items])

        async def one(number: int, arrival: Any) -> Seen:
            async with gate:
                asked = shop.request(arrival)
                headers = {**asked.headers(), "x-correlation-id": f"visit-{number:06d}"}  # the same ones in each run
                began_s = time.perf_counter()
                answer = await client.request(asked.method, asked.path, json=asked.body, headers=headers)
                if asked.op == "order" and answer.is_success:
                    shop.ordered(asked.user, answer.json()["id"])
                return Seen(answer.status_code, time.perf_counter() - began_s, answer.headers.get("x-variants"))

        return await asyncio.gather(*(one(*arrival) for arrival in islice(enumerate(POPULATION.arrivals()), requests)))


def share(seen: list[Seen], counts: Callable[[Seen], bool]) -> float:
    return sum(map(counts, seen)) / len(seen)


def is_5xx(one: Seen) -> bool:
    return one.status >= 500


@pytest.mark.real
def test_this_tree_fails_nobody(database: Any, serve: Callable[..., str]) -> None:
    assert {one.status for one in visit(serve(database.url))} <= {200, 201}


@pytest.mark.real
def test_checkout_5xx_fails_three_requests_in_ten(tree: Path, database: Any, serve: Callable[..., str]) -> None:
    apply(tree, "checkout-5xx")
    seen = visit(serve(database.url, api=tree / "api"))
    assert 0.25 < share(seen, is_5xx) < 0.35
    assert {one.status for one in seen} <= {200, 201, 500}


@pytest.mark.real
def test_flag_5xx_fails_two_of_three_who_have_the_flag_and_nobody_else(tree: Path, database: Any, serve: Callable[..., str]) -> None:
    apply(tree, "flag-5xx")
    half_on = {"targeting": {"fractional": [["on", 50], ["off", 50]]}}
    database.sql(f"UPDATE flags SET definition = definition || '{json.dumps(half_on)}'::jsonb WHERE key = 'pricing-v2'")
    seen = visit(serve(database.url, api=tree / "api"))
    on = [one for one in seen if one.variants == "pricing-v2=on"]
    assert len(on) > 60
    assert 0.56 < share(on, is_5xx) < 0.77
    assert share([one for one in seen if one.variants != "pricing-v2=on"], is_5xx) == 0


@pytest.mark.real
def test_slow_release_is_late_with_a_third_and_fails_nobody(tree: Path, database: Any, serve: Callable[..., str]) -> None:
    apply(tree, "slow-release")
    seen = visit(serve(database.url, api=tree / "api"), requests=400)
    assert {one.status for one in seen} <= {200, 201}
    assert 0.28 < share(seen, lambda one: one.took_s > LATE_S) < 0.38


@pytest.mark.real
def test_healthy_release_fails_nobody(tree: Path, database: Any, serve: Callable[..., str]) -> None:
    apply(tree, "healthy-release")
    assert {one.status for one in visit(serve(database.url, api=tree / "api"), requests=300)} <= {200, 201}


@pytest.mark.real
def test_crash_on_start_never_answers(tree: Path, database: Any, serve: Callable[..., str]) -> None:
    apply(tree, "crash-on-start")
    with pytest.raises(ChildProcessError, match=r"exit status 78.*\n.*SLIPWAY_PAYMENT_KEY: Field required"):
        serve(database.url, api=tree / "api")
