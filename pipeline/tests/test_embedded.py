"""The store itself as a release: started, asked, killed, stopped, on a real database behind a real edge."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from release import policy, runtime
from release.adapters.embedded import EmbeddedRuntime
from release.adapters.envoy import EnvoyEdge
from release.adapters.processes import wait_until
from release.adapters.smoke import HttpSmoke
from release.artifact import LOCK, Release
from release.errors import DatabaseFailed, NeverReady, SmokeFailed
from release.home import Home
from release.traffic import Backend, Split

pytestmark = pytest.mark.real
CHECKOUT = Path(__file__).parents[2]
POLICY = policy.read(CHECKOUT / "pipeline" / "policy.yaml")


class Folders:
    """Artifacts that are copies of this tree, with what a test changes in them."""

    def __init__(self) -> None:
        self.changes: dict[str, Callable[[Path], None]] = {}

    def add(self, mark: str, change: Callable[[Path], None] = lambda folder: None) -> Release:
        self.changes["sha256:" + mark * 64] = change
        return self.verify("sha256:" + mark * 64)

    def verify(self, digest: str) -> Release:
        return Release(digest, "0" * 40, ("0001",))

    def unpack(self, digest: str, into: Path) -> None:
        if not into.exists():
            for part in ("api/app", "db"):
                shutil.copytree(CHECKOUT / part, into / part, ignore=shutil.ignore_patterns("__pycache__", "tests"))
            (into / LOCK).parent.mkdir()
            shutil.copy(CHECKOUT / LOCK, into / LOCK)
            self.changes[digest](into)


class World:
    def __init__(self, root: Path) -> None:
        self.home, self.artifacts = Home(root), Folders()
        self.runtime = EmbeddedRuntime(self.home, "test", POLICY, self.artifacts)
        self.edge = EnvoyEdge(self.home, "test", POLICY)
        self.processes = self.runtime.processes
        self.smoke = HttpSmoke(POLICY)
        self.good = self.artifacts.add("a")
        self.runtime.migrate(self.good)
        self.backend = self.runtime.start(self.good)
        self.edge.ensure([self.backend], Split(self.good.digest))

    def behind_the_edge(self, release: Release) -> Backend:
        """Started, and pinned at weight 0."""
        backend = self.runtime.start(release)
        self.edge.shift([self.backend, backend], Split(self.good.digest, release.digest, 0))
        return backend

    def pids(self, release: Release) -> set[int | None]:
        return {record.pid for record in self.processes.living() if record.digest == release.digest}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("checkout") / "with a space"
    try:
        yield World(root)
    finally:
        EnvoyEdge(Home(root), "test", POLICY).stop()
        EmbeddedRuntime(Home(root), "test", POLICY, Folders()).processes.sweep(10)


@pytest.fixture
def release(world: World) -> Iterator[Release]:
    """A second good one; not started."""
    found = world.artifacts.add("b")
    yield found
    world.edge.shift([world.backend], Split(world.good.digest))
    world.runtime.stop(found.digest)


def append(file: str, code: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / file).open("a") as source:
            source.write(f"\n{code}\n")

    return change


def test_a_release_at_weight_zero_takes_the_whole_journey(world: World, release: Release) -> None:
    backend = world.behind_the_edge(release)
    assert len(backend.ports) == POLICY.runtime.instances
    steps = world.smoke.check(world.edge.address(), release)
    assert list(steps) == ["livez", "readyz", "version", "list", "product", "quote", "order", "order_again", "order_get", "warm_up"]
    world.smoke.check(world.edge.address(), release)
    assert world.runtime.postgres.psql("SELECT DISTINCT client_id FROM orders") == [{"client_id": "smoke-test"}], (
        "or a flag is on by chance"
    )
    looks = world.edge.look().releases
    assert looks[release.digest].completed >= 9 + POLICY.runtime.warm_up_requests
    assert looks[world.good.digest].completed == 0


def test_start_is_idempotent_and_stop_leaves_nothing(world: World, release: Release) -> None:
    backend = world.runtime.start(release)
    pids = world.pids(release)
    assert world.runtime.start(release) == world.runtime.alive(release.digest) == backend
    assert world.pids(release) == pids
    assert set(world.runtime.running()) == {world.good.digest, release.digest}
    for _ in range(2):
        world.runtime.stop(release.digest)
        assert world.runtime.alive(release.digest) is None
    assert world.runtime.running() == [world.good.digest]
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    assert not any(release.digest == record.digest for record in world.processes.all())


def test_what_ends_at_start_is_told_at_once_with_its_last_words(world: World) -> None:
    broken = world.artifacts.add("c", append("api/app/main.py", "raise RuntimeError('no such luck')"))
    started_s = time.monotonic()
    with pytest.raises(NeverReady, match="no such luck"):
        world.runtime.start(broken)
    assert time.monotonic() - started_s < POLICY.limits.start_s
    assert world.pids(broken) == set()
    assert world.runtime.running() == [world.good.digest]


def test_the_database_says_its_schema(world: World) -> None:
    head = json.loads((CHECKOUT / "db" / "schema.json").read_text())["head"]
    said = world.runtime.schema()
    assert said
    assert said.revision == head


def test_what_never_gets_ready_says_what_it_answered(world: World) -> None:
    patient = POLICY.model_copy(update={"limits": POLICY.limits.model_copy(update={"start_s": 4.0})})

    def runs_on_another_schema(folder: Path) -> None:
        (folder / "db" / "schema.json").write_text('{"head": "0009", "runs_on": ["0009"]}')

    wrong = world.artifacts.add("d", runs_on_another_schema)
    with pytest.raises(NeverReady, match="0009"):
        EmbeddedRuntime(world.home, "test", patient, world.artifacts).start(wrong)
    assert world.pids(wrong) == set()


def test_another_releases_answer_is_not_taken_for_ours(world: World) -> None:
    """Somebody else behind our port would pass as ready."""
    liar = world.artifacts.add("e", append("api/app/main.py", f"app.state.settings = settings.Settings(digest={world.good.digest!r})"))
    with pytest.raises(NeverReady, match=world.good.digest):
        world.runtime.start(liar)
    assert world.pids(liar) == set()


def test_a_dead_instance_is_replaced_and_its_twin_left_alone(world: World, release: Release) -> None:
    before = world.runtime.start(release)
    dead = world.processes.alive(runtime.instance_name(release.digest, 0))
    assert dead
    psutil.Process(dead.pid).kill()
    assert wait_until(lambda: world.runtime.alive(release.digest) == Backend(release.digest, before.instances[1:]), 5)
    assert release.digest in world.runtime.running()
    [twin] = world.pids(release)
    after = world.runtime.start(release)
    assert twin in world.pids(release)
    assert after.ports[1] == before.ports[1]
    assert after.ports[0] != before.ports[0]


def test_an_instance_that_nobody_waited_for_is_not_alive(world: World, release: Release) -> None:
    """The engine was killed between start and ready."""
    backend = world.runtime.start(release)
    record = world.processes.alive(runtime.instance_name(release.digest, 1))
    assert record
    world.processes.note(record, ready=False)
    assert world.runtime.alive(release.digest) == Backend(release.digest, backend.instances[:1])
    pids = world.pids(release)
    world.runtime.start(release)
    assert world.runtime.alive(release.digest)
    assert world.pids(release) == pids


def test_what_is_in_flight_is_answered_before_the_end(world: World) -> None:
    slow = "import asyncio\n@app.get('/slow')\nasync def slow() -> str:\n    await asyncio.sleep(1)\n    return 'done'"
    release = world.artifacts.add("f", append("api/app/main.py", slow))
    backend = world.runtime.start(release)
    answers: list[int] = []
    thread = threading.Thread(
        target=lambda: answers.append(httpx.get(f"http://127.0.0.1:{backend.ports[0]}/slow", trust_env=False).status_code)
    )
    thread.start()
    instance = psutil.Process(max(pid for pid in world.pids(release) if pid and _serves(pid, backend.ports[0])))
    assert wait_until(
        lambda: any(c.status == psutil.CONN_ESTABLISHED and c.laddr.port == backend.ports[0] for c in instance.net_connections()), 10
    )
    time.sleep(0.2)
    world.runtime.stop(release.digest)
    thread.join(20)
    assert answers == [200]


def _serves(pid: int, port: int) -> bool:
    return any(found.laddr.port == port for found in psutil.Process(pid).net_connections())


@pytest.mark.parametrize(
    ("mark", "file", "code", "told"),
    [
        ("1", "api/app/quotes/routes.py", "def quote(*_, **__): raise RuntimeError\nfor r in router.routes: r.path = '/api/other'", "`quote`.*404"),
        ("2", "api/app/main.py", "@app.middleware('http')\nasync def ill(request, go):\n    from fastapi import Response\n    return await go(request) if 'orders' not in request.url.path else Response('{\"title\": \"ill\"}', 500)", "`order`.*500.*ill"),
    ],
)  # fmt: skip
def test_smoke_names_the_step_that_fails(world: World, mark: str, file: str, code: str, told: str) -> None:
    ill = world.artifacts.add(mark, append(file, code))
    world.behind_the_edge(ill)
    try:
        with pytest.raises(SmokeFailed, match=told):
            world.smoke.check(world.edge.address(), ill)
    finally:
        world.edge.shift([world.backend], Split(world.good.digest))
        world.runtime.stop(ill.digest)


def test_smoke_is_not_content_with_another_releases_answer(world: World) -> None:
    absent = world.artifacts.verify("sha256:" + "9" * 64)
    with pytest.raises(SmokeFailed, match=f"'{world.good.digest[7:19]}', not '999999999999'"):
        world.smoke.check(world.edge.address(), absent)


def test_a_migration_that_fails_is_told_and_changes_nothing(world: World) -> None:
    head = json.loads((CHECKOUT / "db" / "schema.json").read_text())["head"]

    def bad_step(folder: Path) -> None:
        step = f"revision = '9999'\ndown_revision = '{head}'\nfrom alembic import op\ndef upgrade():\n    op.execute('ALTER TABLE orders ADD COLUMN extra int')\n    op.execute('SELECT no_such_function()')\n"
        (folder / "db" / "migrations" / "versions" / "9999_bad.py").write_text(step)

    with pytest.raises(DatabaseFailed, match="no_such_function"):
        world.runtime.migrate(world.artifacts.add("8", bad_step))
    assert world.runtime.postgres.psql("SELECT version_num FROM alembic_version") == [{"version_num": head}]
    assert world.runtime.postgres.psql("SELECT 1 FROM information_schema.columns WHERE column_name = 'extra'") == []


def test_a_virtual_environment_that_was_cut_short_is_made_anew(world: World, release: Release) -> None:
    [venv] = [folder for folder in (world.home.var / "venvs").iterdir() if folder.is_dir()]
    (venv.with_name(f".{venv.name}.new") / "bin").mkdir(parents=True)
    (venv / "bin" / "python").unlink()
    world.runtime.start(release)
    assert (venv / "bin" / "python").exists()
    assert [folder.name for folder in venv.parent.iterdir() if folder.is_dir()] == [venv.name]


def test_the_way_back_needs_no_database(world: World, release: Release) -> None:
    """Both releases are warm, the database is gone: users go back by weights alone."""
    backend = world.behind_the_edge(release)
    world.edge.shift([world.backend, backend], Split(world.good.digest, release.digest, 50))
    record = world.processes.alive("postgres")
    assert record
    psutil.Process(record.pid).kill()
    try:
        assert wait_until(lambda: not world.processes.alive("postgres"), 5)
        assert world.runtime.alive(world.good.digest) == world.backend
        world.edge.shift([world.backend, backend], Split(world.good.digest))
        answer = httpx.get(f"{world.edge.address()}/livez", trust_env=False)
        assert answer.headers["x-release"] == world.good.digest[7:19]
    finally:
        world.runtime.postgres.ensure()
    assert wait_until(lambda: httpx.get(f"{world.edge.address()}/readyz", trust_env=False).status_code == 200, 20, 0.1)
