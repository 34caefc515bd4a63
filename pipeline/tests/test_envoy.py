"""A real Envoy in front of tiny upstreams: switching, sticking, refusing, dying."""

from __future__ import annotations

import http.client
import json
import socket
import stat
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from release import policy, traffic
from release.adapters.envoy import EnvoyEdge
from release.adapters.logs import predecessor
from release.adapters.processes import Processes, wait_until
from release.bootstrap import USED_SERIES_MAX
from release.errors import EdgeRefused, NotUp, PortTaken, TelemetryLost
from release.home import Home
from release.runtime import Program
from release.telemetry import Used
from release.traffic import Backend, Split, loopback

pytestmark = pytest.mark.real
OLD, NEW, THIRD = ("sha256:" + digit * 64 for digit in "abc")
POLICY = policy.read(Path(__file__).parents[1] / "policy.yaml")

# Answers everything with its name, after `x-take-s` seconds; `x-answer` names another status, `x-use` the flag variants that it used.
UPSTREAM = """
import asyncio, socket, sys

async def serve(reader, writer):
    try:
        while head := (await reader.readuntil(b"\\r\\n\\r\\n")).decode().lower():
            fields = dict(line.split(": ", 1) for line in head.split("\\r\\n")[1:] if line)
            await reader.readexactly(int(fields.get("content-length", 0)))
            await asyncio.sleep(float(fields.get("x-take-s", 0)))
            used = f"x-variants: {fields['x-use']}\\r\\n" if "x-use" in fields else ""
            writer.write(f"HTTP/1.1 {fields.get('x-answer', 200)} X\\r\\nx-release: {sys.argv[2]}\\r\\n{used}content-length: 0\\r\\n\\r\\n".encode())
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, sock=socket.socket(fileno=int(sys.argv[1])), backlog=512)
    await server.serve_forever()

asyncio.run(main())
"""


class World:
    """An edge and upstreams, one environment."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.edge = EnvoyEdge(self.home, "test", POLICY)
        self.processes = Processes(self.home.env("test"))

    def upstream(self, digest: str, instances: int = 1) -> Backend:
        return Backend(digest, loopback(self._instance(digest, index) for index in range(instances)))

    def _instance(self, digest: str, index: int) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)  # listening from now on: no need to wait until it is up
        with listener:
            argv = (sys.executable, "-c", UPSTREAM, str(listener.fileno()), digest[7:19])
            port = int(listener.getsockname()[1])
            self.processes.start(
                Program(f"up-{digest[7:10]}-{index}-{port}", argv, Path("/")), ports=(port,), digest=digest, fds=(listener.fileno(),)
            )
        return port

    def kill(self, backend: Backend) -> None:
        for record in self.processes.living():
            if record.digest == backend.digest and record.pid:
                psutil.Process(record.pid).kill()

    def kill_edge(self) -> None:
        record = self.processes.alive("envoy")
        assert record
        psutil.Process(record.pid).kill()
        assert wait_until(lambda: not self.processes.alive("envoy"), 5)

    def end(self) -> None:
        self.edge.stop()
        self.processes.sweep(1)


@dataclass
class Client:
    """One kept connection."""

    address: str
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(self.address.removeprefix("http://"), timeout=20)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(self, user: str = "", method: str = "GET", **headers: str) -> tuple[int, str | None]:
        """Status and the release that answered."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, "/", headers={**({"x-client-id": user} if user else {}), **named})
        with self.connection.getresponse() as answer:
            answer.read()
            return answer.status, answer.headers.get("x-release")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.end()


@contextmanager
def load(address: str, clients: int = 6, **headers: str) -> Iterator[Counter[tuple[int, str | None]]]:
    """Requests from `clients` connections without a pause; what was answered, counted. 0 is no answer."""
    counted: Counter[tuple[int, str | None]] = Counter()
    enough = threading.Event()

    def one() -> None:
        with Client(address) as client:
            while not enough.is_set():
                try:
                    counted[client.ask(uuid.uuid4().hex, **headers)] += 1
                except (OSError, http.client.HTTPException):
                    counted[(0, None)] += 1

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield counted
    finally:
        enough.set()
        for thread in threads:
            thread.join(30)


def bad(counted: Counter[tuple[int, str | None]]) -> int:
    return sum(count for (status, _), count in counted.items() if status != 200)


def name(backend: Backend) -> str:
    return backend.digest[7:19]


def test_switching_under_load_fails_no_request(world: World) -> None:
    """All that a rollout does to the edge: releases come, weights move, releases go, again and again."""
    old, new, third = (world.upstream(digest) for digest in (OLD, NEW, THIRD))
    world.edge.ensure([old], Split(OLD))
    switches = 0
    with load(world.edge.address()) as counted:
        while counted.total() < 3000:
            for backends, split in (
                ([old, new], Split(OLD, NEW, 0)),
                *(([old, new], Split(OLD, NEW, weight)) for weight in (1, 10, 50, 90, 100)),
                ([old, new], Split(NEW)),
                ([old, new, third], Split(NEW, THIRD, 50)),
                ([old, new], Split(NEW)),
                ([old, new], Split(OLD)),
                ([old], Split(OLD)),
            ):
                ack = world.edge.shift(backends, split)
                assert ack.took_s < 5
                assert world.edge.split() == split
                switches += 1
    assert bad(counted) == 0, counted
    assert {release for _, release in counted} == {name(old), name(new), name(third)}
    assert switches >= 11


def test_users_stick_and_stay_from_step_to_step(world: World) -> None:
    old, new = world.upstream(OLD), world.upstream(NEW)
    world.edge.ensure([old, new], Split(OLD, NEW, 0))
    before: set[int] = set()
    with Client(world.edge.address()) as client:
        for weight_pct in (1, 10, 50):
            world.edge.shift([old, new], Split(OLD, NEW, weight_pct))
            chosen = {user for user in range(2000) if client.ask(f"user-{user}")[1] == name(new)}
            assert before <= chosen
            assert abs(len(chosen) - 20 * weight_pct) < 5 * (20 * weight_pct * (1 - weight_pct / 100)) ** 0.5
            before = chosen
        some = sorted(before)[:20]
        world.kill_edge()
        world.edge.ensure([old, new], Split(OLD, NEW, 50))
        client.connection.close()
        assert all(client.ask(f"user-{user}")[1] == name(new) for user in some)


def test_a_pinned_request_is_answered_by_exactly_that_release_or_nobody(world: World) -> None:
    old, new = world.upstream(OLD), world.upstream(NEW)
    world.edge.ensure([old, new], Split(OLD, NEW, 0))
    with Client(world.edge.address()) as client:
        assert {client.ask(str(user)) for user in range(50)} == {(200, name(old))}
        assert {client.ask(str(user), x_release=name(new)) for user in range(50)} == {(200, name(new))}
        world.kill(new)
        assert client.ask("somebody", x_release=name(new)) == (503, None)


def test_a_canary_killed_at_half_of_the_traffic_fails_almost_no_request(world: World) -> None:
    """The baseline answers for it; what it could not answer is still counted as its own failure."""
    old, new = world.upstream(OLD, 2), world.upstream(NEW, 2)
    world.edge.ensure([old, new], Split(OLD, NEW, 50))
    with load(world.edge.address(), x_take_s="0.002") as counted:
        assert wait_until(lambda: counted[200, name(new)] > 300, 60)
        world.kill(new)
        before = counted.total()
        assert wait_until(lambda: counted.total() > before + 1000, 60)
    assert bad(counted) <= 12, counted
    counters = world.edge.look().releases[NEW]
    assert counters.failed >= 300
    assert world.edge.look().releases[OLD].failed == 0


def test_one_dead_instance_of_two_fails_no_request(world: World) -> None:
    old = world.upstream(OLD, 2)
    world.edge.ensure([old], Split(OLD))
    [first, _] = [record for record in world.processes.living() if record.digest == OLD]
    psutil.Process(first.pid).kill()
    with load(world.edge.address()) as counted:
        assert wait_until(lambda: counted.total() > 500, 60)
    assert bad(counted) == 0, counted


def test_an_order_is_sent_twice_only_with_its_key(world: World) -> None:
    """A release that dies in the middle of a request: POST without a key fails, with a key the baseline answers."""
    old, new = world.upstream(OLD), world.upstream(NEW)
    world.edge.ensure([old, new], Split(OLD, NEW, 100))
    answers: dict[str, tuple[int, str | None]] = {}

    def post(case: str, **headers: str) -> None:
        with Client(world.edge.address()) as client:
            answers[case] = client.ask("somebody", "POST", x_take_s="1.5", content_length="0", **headers)

    threads = [threading.Thread(target=post, args=["bare"]), threading.Thread(target=post, args=["keyed"], kwargs={"idempotency_key": "1"})]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: world.edge.look().releases[NEW].active == 2, 10)
    world.kill(new)
    for thread in threads:
        thread.join(20)
    assert answers == {"bare": (503, None), "keyed": (200, name(old))}


def test_counters_tell_failures_slowness_and_what_is_in_flight(world: World) -> None:
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    with Client(world.edge.address()) as client, Client(world.edge.address()) as hanging:
        for _ in range(20):
            client.ask()
        for _ in range(5):
            client.ask(x_answer="500")
        client.ask(x_take_s="0.4")
        thread = threading.Thread(target=hanging.ask, kwargs={"x_take_s": "1"})
        thread.start()
        assert wait_until(lambda: world.edge.look().releases[OLD].active == 1, 10)
        thread.join(20)
        assert wait_until(lambda: world.edge.look().releases[OLD].timed == 27, 5)
        counters = world.edge.look().releases[OLD]
    assert (counters.completed, counters.failed, counters.slow, counters.active) == (27, 5, 2, 0)


def test_a_refused_configuration_leaves_the_old_one_serving_and_on_disk(world: World) -> None:
    old, new = world.upstream(OLD), world.upstream(NEW)
    world.edge.ensure([old, new], Split(OLD, NEW, 10))
    before = world.edge.resources.texts()
    impossible = Backend(NEW, loopback((70_000,)))  # no such port
    for _ in range(2):
        with pytest.raises(EdgeRefused, match="refused"):
            world.edge.shift([old, impossible], Split(OLD, NEW, 50))
        assert world.edge.split() == Split(OLD, NEW, 10)
        assert world.edge.resources.texts() == before
    with Client(world.edge.address()) as client:
        assert {client.ask(str(user))[0] for user in range(100)} == {200}
    world.edge.shift([old, new], Split(OLD, NEW, 50))
    assert world.edge.split() == Split(OLD, NEW, 50)


def test_a_route_to_an_unknown_release_is_refused(world: World) -> None:
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    with pytest.raises(EdgeRefused, match="unknown weighted cluster"):
        world.edge.resources.apply({"rds.json": traffic.routes([old], Split(OLD, NEW, 50), "v")}, "v")
    assert world.edge.split() == Split(OLD)


def test_an_edge_that_hangs_is_told_within_a_bound(world: World) -> None:
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    record = world.processes.alive("envoy")
    assert record
    process = record.process()
    assert process
    process.suspend()
    started_s = time.monotonic()
    for call in (lambda: world.edge.shift([old], Split(OLD)), world.edge.split):
        with pytest.raises(EdgeRefused):
            call()
    with pytest.raises(TelemetryLost):
        world.edge.look()
    assert time.monotonic() - started_s < 60
    world.edge.stop()
    world.edge.ensure([old], Split(OLD))
    assert world.edge.split() == Split(OLD)


def test_a_killed_edge_comes_back_at_its_address(world: World) -> None:
    old, new = world.upstream(OLD), world.upstream(NEW)
    world.edge.ensure([old, new], Split(OLD, NEW, 10))
    address = world.edge.address()
    world.kill_edge()
    assert world.edge.split() is None
    with pytest.raises(NotUp):
        world.edge.address()
    with pytest.raises(TelemetryLost):
        world.edge.look()
    with pytest.raises(EdgeRefused):
        world.edge.shift([old], Split(OLD))
    another = EnvoyEdge(world.home, "test", POLICY)
    another.ensure([old, new], Split(OLD))
    assert another.address() == address
    assert world.edge.split() == Split(OLD)
    world.edge.stop()
    another.stop()
    another.ensure([old], Split(OLD))
    assert another.address() == address


def test_an_edge_whose_starter_died_is_found_at_its_address(world: World) -> None:
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    address = world.edge.address()
    record = world.processes.alive("envoy")
    assert record
    world.processes.note(record, ports=(), ready=False)
    assert world.edge.address() == address
    world.edge.shift([old], Split(OLD))
    assert world.edge.split() == Split(OLD)


def test_a_taken_port_is_named(world: World) -> None:
    old = world.upstream(OLD)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        edge = EnvoyEdge(world.home, "test", POLICY, port=port)
        with pytest.raises(PortTaken, match=str(port)):
            edge.ensure([old], Split(OLD))
    assert world.processes.alive("envoy") is None
    edge.ensure([old], Split(OLD))
    assert edge.address() == f"http://127.0.0.1:{port}"


def test_another_envoy_on_the_same_port_is_another_program(world: World) -> None:
    """Two proxies could share a port and each get half of the connections; ours do not."""
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    port = int(world.edge.address().rsplit(":", 1)[1])
    other = EnvoyEdge(world.home, "other", POLICY, port=port)
    try:
        with pytest.raises(PortTaken):
            other.ensure([old], Split(OLD))
    finally:
        other.stop()


def test_a_port_that_nobody_chose_may_change(world: World) -> None:
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    port = int(world.edge.address().rsplit(":", 1)[1])
    world.edge.stop()
    with socket.create_server(("127.0.0.1", port)):
        world.edge.ensure([old], Split(OLD))
        assert world.edge.address() != f"http://127.0.0.1:{port}"


def test_the_admin_socket_is_ours_alone_and_gone_at_the_end(tmp_path: Path) -> None:
    """In a checkout so deep that the socket must lie elsewhere, with spaces in its path."""
    world = World(tmp_path / ("deep and " * 6) / ("deeper " * 6))
    folder = world.home.socket_folder("test")
    assert not folder.is_relative_to(tmp_path)
    try:
        old = world.upstream(OLD)
        world.edge.ensure([old], Split(OLD))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "admin.sock").stat().st_mode) == 0o600
        with Client(world.edge.address()) as client:
            assert client.ask("somebody") == (200, name(old))
    finally:
        world.end()
    assert not folder.exists()
    assert world.processes.all() == []


def test_the_access_log_says_who_answered_and_how(world: World) -> None:
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    with Client(world.edge.address()) as client:
        client.ask(x_answer="503")
    assert wait_until(lambda: world.edge.access_log.read_text().endswith("}\n"), 10)
    line = json.loads(world.edge.access_log.read_text())
    assert (line["cluster"], line["code"], line["release"], line["flags"]) == (traffic.cluster_name(OLD), 503, name(old), "-")
    assert line["duration_us"] > 0
    assert line["x-request-id"]


def test_a_client_cannot_steer_the_edge(world: World) -> None:
    """Envoy's own request headers are taken from nobody: a timeout of 1 ms would be a failure that the gate counts."""
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    with Client(world.edge.address()) as client:
        assert client.ask("somebody", x_take_s="0.1", x_envoy_upstream_rq_timeout_ms="1") == (200, name(old))


CALLS: dict[str, Callable[[EnvoyEdge], object]] = {"split": EnvoyEdge.split, "stop": EnvoyEdge.stop}


@pytest.mark.parametrize("call", CALLS)
def test_without_an_edge_there_is_nothing_to_fail(tmp_path: Path, call: str) -> None:
    assert CALLS[call](EnvoyEdge(Home(tmp_path), "test", POLICY)) is None


def test_its_access_log_is_bounded(world: World) -> None:
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    log = world.edge.access_log
    with load(world.edge.address(), clients=2) as counted:
        for _ in range(3):
            before = log.stat().st_ino
            assert wait_until(lambda: log.stat().st_size > 20_000, 20)
            world.edge.bound_log(max_bytes=20_000)
            assert wait_until(lambda before=before: log.exists() and log.stat().st_ino != before, 5)  # type: ignore[misc]
            world.edge.bound_log(max_bytes=20_000)
            assert 10_000 < predecessor(log).stat().st_size <= 20_000
    assert counted.keys() == {(200, name(old))}


def test_an_access_log_that_was_only_renamed_is_made_anew_the_next_time_and_no_line_is_lost(world: World) -> None:
    """As by somebody who was killed before he could ask for it."""
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    log = world.edge.access_log
    with load(world.edge.address(), clients=2) as counted:
        assert wait_until(lambda: log.stat().st_size > 20_000, 20)
        log.rename(predecessor(log))
        world.edge.bound_log()
        assert wait_until(lambda: log.exists() and log.stat().st_size > 20_000, 20)
    assert wait_until(lambda: sum(file.read_text().count("\n") for file in (predecessor(log), log)) == sum(counted.values()), 5)


def test_the_access_log_of_an_edge_that_does_not_run(world: World) -> None:
    world.edge.access_log.parent.mkdir(parents=True)
    world.edge.access_log.write_text("x" * 100)
    world.edge.bound_log(max_bytes=10)
    assert not world.edge.access_log.exists()
    world.edge.ensure([world.upstream(OLD)], Split(OLD))
    world.edge.bound_log(max_bytes=10)
    assert predecessor(world.edge.access_log).stat().st_size <= 20


def test_answers_are_counted_by_the_variants_that_they_used(world: World) -> None:
    old, new = world.upstream(OLD), world.upstream(NEW)
    world.edge.ensure([old, new], Split(OLD, NEW, 0))
    assert world.edge.look().used == {}
    on, several = "pricing-v2=on", "a.b=x,pricing-v2=off"
    with Client(world.edge.address()) as client:
        for _ in range(3):
            client.ask(x_use=on, x_release=NEW[7:19])
        client.ask(x_use=on, x_answer="500", x_release=NEW[7:19])
        client.ask(x_use=several, x_take_s=str(POLICY.gate.slow_ms / 1000 + 0.02))
        client.ask()
    wanted = {NEW: {on: Used(4, failed=1)}, OLD: {several: Used(1, slow=1), "": Used(1)}}
    assert wait_until(lambda: world.edge.look().used == wanted, 5), world.edge.look().used


def test_whatever_a_release_says_of_variants_the_series_are_bounded(world: World) -> None:
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    with Client(world.edge.address()) as client:
        for number in range(USED_SERIES_MAX + 100):
            client.ask(x_use=f"flag-{number}=on")
    assert USED_SERIES_MAX - 5 <= len(world.edge.look().used[OLD]) <= USED_SERIES_MAX


def test_a_stream_outlives_the_timeout_of_routes_and_no_drain_waits_for_it(world: World) -> None:
    old = world.upstream(OLD)
    world.edge.ensure([old], Split(OLD))
    with Client(world.edge.address()) as client:
        client.connection.request("GET", "/ofrep/v1/events", headers={"x-take-s": str(traffic.ROUTE_TIMEOUT_S + 0.5)})
        assert wait_until(lambda: world.edge.admin.stats(r"^cluster\.events-a+\.upstream_rq_active$").popitem()[1] == 1, 3)
        assert world.edge.look().releases[OLD].active == 0
        assert client.connection.getresponse().status == 200
    assert world.edge.look().releases[OLD].completed == 0
