"""A real environment for whole-command tests: PostgreSQL, Envoy, releases, and the commands as a user types them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from policies import policy_file

from drill.scenario import Load
from drill.traffic import Traffic
from release.home import Home
from release.ledger import read

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
QUICK = {  # decides after a few dozen requests, so that a test of the way need not wait for proof
    "steps": [{"weight_pct": 50, "bake_s": 0, "hold_max_s": 40}, {"weight_pct": 100, "bake_s": 0, "hold_max_s": 40}],
    "limits": {"telemetry_silence_s": 2},
    "slow_ms": 4000,  # how fast a busy machine answers is not what these tests are about
    "gate": {"budget": 0.3, "slo_bad_share": 0.05},  # nor is a burst of 503s while a neighbour stalls its disk
}


class FullLoad:
    """Closed loop: a few clients, each asking again as soon as it is answered, so that the store is busy and never flooded."""

    CLIENTS = 8

    def __init__(self, address: str) -> None:
        self.address = address.removeprefix("http://")
        self.answers: Counter[tuple[int, str]] = Counter()  # (status, release); status 0: no answer
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(self.CLIENTS)]

    def __enter__(self) -> FullLoad:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _client(self, number: int) -> None:
        connection = http.client.HTTPConnection(self.address, timeout=10)
        order = json.dumps({"country": "DE", "lines": [{"product_id": 1, "quantity": 1}]})
        count = 0
        while not self._ended.is_set():
            count += 1
            headers = {"x-client-id": f"full-{number}-{count % 50}", "content-type": "application/json"}
            try:
                if count % 10:
                    connection.request("GET", "/api/products/1?country=DE", headers=headers)
                else:
                    connection.request("POST", "/api/orders", order, {**headers, "idempotency-key": f"{number}-{count}-{id(self)}"})
                answer = connection.getresponse()
                answer.read()
                self.answers[answer.status, answer.headers["x-release"]] += 1
            except (OSError, http.client.HTTPException) as problem:
                self.answers[0, repr(problem)] += 1
                connection.close()
        connection.close()


class Store:
    """One environment and the command `release` on it."""

    def __init__(self, folder: Path) -> None:
        self.name = f"test-{uuid.uuid4().hex[:8]}"
        self.folder = folder
        self.home = Home(ROOT)
        self.policy = policy_file(folder, **QUICK)
        self.address = ""
        self.started: list[subprocess.Popen[str]] = []

    @property
    def ledger(self) -> Path:
        return self.home.env(self.name) / "ledger.jsonl"

    def names(self) -> list[str]:
        return [entry.name for entry in read(self.ledger)]

    def argv(self, command: str, *arguments: str) -> list[str]:
        env = [] if command in ("build", "verify", "policy") else ["--env", self.name]
        return [str(BIN / "release"), *command.split(), *arguments, *env, "--json"]

    def environ(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**kept, "SLIPWAY_POLICY": str(self.policy), **more}

    def run(self, command: str, *arguments: str, expect: int = 0, **environ: str) -> dict[str, Any]:
        """Its JSON answer; the exit code must be `expect`, and an error must be complete and without a traceback."""
        done = subprocess.run(
            self.argv(command, *arguments), capture_output=True, text=True, timeout=120, check=False, env=self.environ(**environ), cwd=ROOT
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == expect, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        answer = json.loads(done.stdout)
        if expect and "error" in answer:
            assert answer["exit_code"] == expect
            assert answer["remedy"]
            assert (ROOT / answer["runbook"]).is_file()
        return dict(answer)

    def start(self, command: str, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        log = (self.folder / f"{uuid.uuid4().hex}.log").open("w")
        with log:
            process = subprocess.Popen(
                self.argv(command, *arguments),
                stdout=log,
                stderr=log,
                text=True,
                env=self.environ(**environ),
                cwd=ROOT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def build(self, fault: str | None = None) -> str:
        patch = ["--patch", str(ROOT / "drills" / "faults" / f"{fault}.patch")] if fault else []
        return str(self.run("build", *patch)["digest"])

    def wait_for(self, name: str, since: int = 0, bound_s: float = 60, **data: object) -> int:
        """Until the ledger has such an entry after the first `since`; returns its number."""
        end_s = time.monotonic() + bound_s
        while time.monotonic() < end_s:
            for entry in read(self.ledger)[since:]:
                if entry.name == name and data.items() <= entry.data.items():
                    return entry.seq
            time.sleep(0.05)
        raise AssertionError(f"no {name} {data} within {bound_s} s: {self.names()[since:]}")

    def at_weight(self, digest: str, weight_pct: int = 50, **environ: str) -> subprocess.Popen[str]:
        """A rollout that has given `digest` to some users and waits there for more evidence."""
        since = len(self.names())
        engine = self.start("deploy", digest, "--reason", "test", **environ)
        self.wait_for("split_set", since, canary=digest, weight_pct=weight_pct)
        return engine

    def reset(self) -> None:
        """Allow rollouts again."""
        state = self.run("status")
        assert state["rollout"] is None
        for digest in state["quarantined"]:
            self.run("quarantine", "--lift", digest, "--cause", "the next test")
        if state["frozen"] is not None:
            self.run("unfreeze", "--reason", "the next test")

    def serves(self) -> str:
        """The digest that has all of the traffic, as the edge says."""
        (release,) = [release for release in self.run("status")["releases"] if release["weight_pct"] == 100]
        return str(release["digest"])

    @contextmanager
    def traffic(self, rate_per_s: float = 100) -> Iterator[Path]:
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        load = Traffic.start(
            self.address, Load(rate_per_s=rate_per_s, users=2000, seed=1, max_s=240), folder / "samples.jsonl", folder / "load.log"
        )
        try:
            yield folder / "samples.jsonl"
            load.check()
        finally:
            load.stop()

    def full_load(self) -> FullLoad:
        return FullLoad(self.address)

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGCONT)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.run("down", "--purge")
        assert not self.home.env(self.name).exists()


@pytest.fixture(scope="module")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Store]]:
    made: list[Store] = []

    def make() -> Store:
        made.append(Store(tmp_path_factory.mktemp("store")))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture(scope="module")
def shared_store(new_store: Callable[[], Store]) -> Store:
    store = new_store()
    store.address = store.run("up", "--port", "0")["address"]
    return store


@pytest.fixture
def store(shared_store: Store) -> Iterator[Store]:
    """Up, serving a release of this tree, nothing frozen or quarantined."""
    shared_store.reset()
    yield shared_store
    for process in shared_store.started:
        process.wait(60)
