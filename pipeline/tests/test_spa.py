"""Releases with an SPA behind the edge: documents, assets and API calls of one browser, switched, killed, stopped."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from release import policy, runtime, telemetry
from release.adapters.embedded import EmbeddedRuntime
from release.adapters.envoy import EnvoyEdge
from release.adapters.processes import wait_until
from release.adapters.smoke import HttpSmoke
from release.artifact import LOCK, Release
from release.errors import NeverReady, SmokeFailed
from release.home import Home, short
from release.traffic import Backend, Split, loopback

pytestmark = pytest.mark.real
CHECKOUT = Path(__file__).parents[2]
FULL = policy.read(CHECKOUT / "pipeline" / "policy.yaml")
POLICY = FULL.model_copy(update={"runtime": FULL.runtime.model_copy(update={"instances": 1, "warm_up_requests": 4})})


def release_of(mark: str) -> Release:
    return Release("sha256:" + mark * 64, "0" * 40, ("0001",), spa=True)


OLD, NEW = release_of("a"), release_of("b")


def script(release: Release) -> str:
    return f"/assets/index-{short(release.digest)[:8]}.js"


class Folders:
    """This tree's API, and an SPA of one page and one script whose name is as the release's."""

    def verify(self, digest: str) -> Release:
        return Release(digest, "0" * 40, ("0001",), spa=True)

    def unpack(self, digest: str, into: Path) -> None:
        if into.exists():
            return
        for part in ("api/app", "db"):
            shutil.copytree(CHECKOUT / part, into / part, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        (into / LOCK).parent.mkdir()
        shutil.copy(CHECKOUT / LOCK, into / LOCK)
        (into / "web/dist/assets").mkdir(parents=True)
        path = script(self.verify(digest))
        for name, data in {f"web/dist{path}": "run()", f"web/dist{path}.br": "br"}.items():
            (into / name).write_text(data)
        if "c" not in digest:
            (into / "web/dist/index.html").write_text(f'<script src="{path}"></script>')


class World:
    def __init__(self, root: Path) -> None:
        self.runtime = EmbeddedRuntime(Home(root), "test", POLICY, Folders())
        self.edge, self.smoke = EnvoyEdge(Home(root), "test", POLICY), HttpSmoke(POLICY)
        self.runtime.migrate(OLD)
        self.old, self.new = self.runtime.start(OLD), self.runtime.start(NEW)
        self.edge.ensure([self.old, self.new], Split(OLD.digest))

    @property
    def address(self) -> str:
        return self.edge.address()

    def shift(self, weight_pct: int) -> None:
        self.edge.shift([self.old, self.new], Split(OLD.digest, NEW.digest, weight_pct))

    def get(self, path: str, **headers: str) -> httpx.Response:
        named = {"accept-encoding": "identity", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return httpx.get(f"{self.address}{path}", headers=named, trust_env=False)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("checkout") / "with a space"
    try:
        yield World(root)
    finally:
        EnvoyEdge(Home(root), "test", POLICY).stop()
        EmbeddedRuntime(Home(root), "test", POLICY, Folders()).processes.sweep(10)


@pytest.fixture
def world(shared: World) -> World:
    """Both warm, everyone on OLD."""
    shared.old, shared.new = shared.runtime.start(OLD), shared.runtime.start(NEW)
    shared.edge.shift([shared.old, shared.new], Split(OLD.digest))
    return shared


def by(answer: httpx.Response) -> str:
    return answer.headers["x-release"]


def test_smoke_opens_the_page_of_exactly_this_release(world: World) -> None:
    world.shift(0)
    steps = list(world.smoke.check(world.address, NEW))
    assert steps[-3:] == ["page", "asset", "warm_up"]
    assert by(world.get("/")) == short(OLD.digest)


def test_smoke_refuses_a_release_that_lacks_its_page(world: World) -> None:
    """Its API alone would answer 404 for it."""
    world.edge.shift([world.old, Backend(NEW.digest, world.new.instances)], Split(OLD.digest, NEW.digest, 0))
    with pytest.raises(SmokeFailed, match=r"`page`.*404"):
        world.smoke.check(world.address, NEW)


def test_headers_reach_the_browser(world: World) -> None:
    page = world.get("/orders/7")
    assert (page.headers["cache-control"], by(page)) == ("no-cache", short(OLD.digest))
    assert "x-correlation-id" in page.headers
    assert world.get("/", if_none_match=page.headers["etag"]).status_code == 304
    assert httpx.head(f"{world.address}/", trust_env=False).status_code == 200
    with (
        httpx.Client(trust_env=False) as client,
        client.stream("GET", f"{world.address}{script(OLD)}", headers={"accept-encoding": "br"}) as asset,
    ):
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (asset.headers["content-encoding"], b"".join(asset.iter_raw())) == ("br", b"br")
    gone = world.get("/assets/index-99999999.js")
    assert (gone.status_code, gone.content) == (404, b"")
    assert world.get("/api/products?country=DE").json()["items"]
    assert world.get("/api/nothing").headers["content-type"] == "application/problem+json"


def test_documents_and_calls_of_one_browser_meet_in_one_lane(world: World) -> None:
    world.shift(50)
    lanes: Counter[str] = Counter()
    for number in range(60):
        who = f"browser-{number}"
        page, call = world.get("/", cookie=f"client-id={who}"), world.get("/livez", x_client_id=who, cookie="client-id=another")
        asset = world.get(script(NEW), cookie=f"theme=dark; client-id={who}")
        assert by(page) == by(call) == by(asset)
        lanes[by(page)] += 1
    assert min(lanes[short(OLD.digest)], lanes[short(NEW.digest)]) > 10


def completed(world: World) -> dict[str, int]:
    return {digest: counters.completed for digest, counters in world.edge.look().releases.items()}


def test_documents_are_not_counted_by_the_gate(world: World) -> None:
    before = completed(world)
    for _ in range(20):
        assert world.get("/").status_code == 200
    assert completed(world) == before
    assert world.edge.split() == Split(OLD.digest)


def test_the_gate_sees_pages_that_broke_in_the_lane_of_their_calls(world: World) -> None:
    world.shift(50)
    before = world.edge.look()
    told: Counter[str] = Counter()
    for number in range(40):
        report = {"build": "1.whatever", "where": "/checkout", "kind": "error" if number % 4 else "view", "first": bool(number % 4)}
        answer = httpx.post(f"{world.address}/api/client-errors", json=report, headers={"x-client-id": f"user-{number}"}, trust_env=False)
        told[by(answer)] += answer.status_code == 202
    seen = telemetry.sample(before, world.edge.look(), NEW.digest, OLD.digest).client
    assert (seen.canary.bad, seen.baseline.bad) == (told[short(NEW.digest)], told[short(OLD.digest)])
    assert seen.canary.requests + seen.baseline.requests == 40
    assert told.total() == 30
    assert min(told.values()) > 3


def test_an_open_tab_finds_its_assets_when_its_release_has_gone(world: World) -> None:
    world.shift(100)
    world.edge.shift([world.new, world.old], Split(NEW.digest))
    assert by(world.get("/")) == short(NEW.digest)
    old = world.get(script(OLD))
    assert (old.text, by(old)) == ("run()", short(NEW.digest))
    world.edge.shift([world.new], Split(NEW.digest))
    world.runtime.stop(OLD.digest)
    assert world.get(script(OLD)).headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_new_asset_is_found_before_its_users_have_a_lane(world: World) -> None:
    """A first visit has no cookie: its document may come from the canary and its script's request go to the baseline."""
    answer = world.get(script(NEW))
    assert (answer.text, by(answer)) == ("run()", short(OLD.digest))


def test_switching_documents_under_load_fails_no_request(world: World) -> None:
    counted: Counter[tuple[int, str]] = Counter()
    enough = threading.Event()

    def browse() -> None:
        with httpx.Client(base_url=world.address, trust_env=False) as client:
            while not enough.is_set():
                for path in ("/", script(OLD), script(NEW)):
                    answer = client.get(path)
                    counted[answer.status_code, by(answer)] += 1

    threads = [threading.Thread(target=browse) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        while counted.total() < 1500:
            for weight_pct in (0, 1, 10, 50, 90, 100, 0):
                world.shift(weight_pct)
            world.edge.shift([world.new, world.old], Split(NEW.digest))
            world.edge.shift([world.new], Split(NEW.digest))
            world.edge.shift([world.old], Split(OLD.digest))
    finally:
        enough.set()
        for thread in threads:
            thread.join(30)
    assert set(counted) == {(200, short(OLD.digest)), (200, short(NEW.digest))}


def test_a_killed_origin_fails_no_document_and_comes_back(world: World) -> None:
    world.shift(100)
    twin = world.runtime.processes.alive(runtime.instance_name(NEW.digest, 0))
    record = world.runtime.processes.alive(runtime.origin_name(NEW.digest))
    assert record
    psutil.Process(record.pid).kill()
    assert wait_until(lambda: not world.runtime.processes.alive(record.name), 5)
    assert {by(world.get("/")) for _ in range(20)} == {short(OLD.digest)}
    found = world.runtime.alive(NEW.digest)
    assert found == world.new  # it still has an SPA, so that a switch now does not send its documents to the API
    world.shift(50)
    assert {world.get("/", cookie=f"client-id={number}").status_code for number in range(20)} == {200}
    world.new = world.runtime.start(NEW)
    assert world.new.origins != found.origins
    assert world.runtime.processes.alive(runtime.instance_name(NEW.digest, 0)) == twin
    world.shift(100)
    assert by(world.get("/")) == short(NEW.digest)


def test_pages_of_a_pinned_release_stand_in_for_a_dead_origin_of_the_baseline(world: World) -> None:
    world.edge.shift([world.new, world.old], Split(NEW.digest))
    record = world.runtime.processes.alive(runtime.origin_name(NEW.digest))
    assert record
    psutil.Process(record.pid).kill()
    assert wait_until(lambda: not world.runtime.processes.alive(record.name), 5)
    assert {(world.get("/").status_code, by(world.get("/"))) for _ in range(10)} == {(200, short(OLD.digest))}
    assert by(world.get("/livez")) == short(NEW.digest)
    world.new = world.runtime.start(NEW)
    world.edge.shift([world.new, world.old], Split(NEW.digest))
    assert by(world.get("/")) == short(NEW.digest)


def test_an_origin_stops_with_its_release(world: World) -> None:
    record = world.runtime.processes.alive(runtime.origin_name(NEW.digest))
    assert record
    assert loopback(record.ports) == world.new.origins
    world.edge.shift([world.old], Split(OLD.digest))
    world.runtime.stop(NEW.digest)
    assert not world.runtime.processes.get(record.name)
    assert not record.process()
    assert list(world.runtime.running()) == [OLD.digest]


def test_an_spa_without_a_document_never_gets_ready(world: World) -> None:
    broken = release_of("c")
    with pytest.raises(NeverReady, match=r"(?s)web-cccccccccccc.*dist/index\.html"):
        world.runtime.start(broken)
    assert broken.digest not in world.runtime.running()
