"""The way back, with real parts: under load, with a dead or hanging engine, without database or edge."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import psutil
import pytest

from release.adapters.lock import holder

pytestmark = pytest.mark.real
COUNTED = 10_000
SLOW_GATE = {"steps": [{"weight_pct": 50, "bake_s": 30, "hold_max_s": 40}, {"weight_pct": 100, "bake_s": 30, "hold_max_s": 40}]}


@pytest.fixture
def patient(store: Any) -> dict[str, str]:
    """Environment of a rollout that stays at 50 % long enough to do something to it."""
    import yaml

    value = yaml.safe_load(store.policy.read_text())
    path = store.folder / "patient.yaml"
    path.write_text(yaml.safe_dump({**value, **SLOW_GATE}))
    return {"SLIPWAY_POLICY": str(path)}


@pytest.mark.alone
def test_rollouts_and_rollbacks_under_full_load_fail_no_request(store: Any) -> None:
    """Promote and roll back again and again while at least 10,000 requests are answered: not one fails."""
    old, new = store.serves(), store.build("healthy-release")
    switches = 0
    with store.full_load() as load:
        end_s = time.monotonic() + 240
        while (load.answers.total() < COUNTED or switches < 4) and time.monotonic() < end_s:
            store.run("deploy", new, "--reason", "under load")
            assert store.serves() == new
            assert store.run("rollback", "--reason", "under load")["outcome"] == "rolled_back"
            assert store.serves() == old
            store.reset()
            switches += 2
    assert load.answers.total() >= COUNTED
    assert switches >= 4
    assert {status for status, _ in load.answers} <= {200, 201}, load.answers
    assert {release for _, release in load.answers} == {old[7:19], new[7:19]}


def test_rollback_needs_neither_database_nor_a_living_edge(store: Any) -> None:
    old, new = store.serves(), store.build("healthy-release")
    with store.traffic():
        store.run("deploy", new, "--reason", "test")
    for name in ("postgres", "envoy"):
        record = json.loads((store.home.env(store.name) / "processes" / f"{name}.json").read_text())
        psutil.Process(record["pid"]).kill()
    assert store.run("rollback", "--reason", "all is on fire")["outcome"] == "rolled_back"
    assert store.serves() == old
    assert store.run("up")["address"] == store.address


def test_killed_engine_the_next_command_sends_everyone_back(store: Any, patient: dict[str, str]) -> None:
    old, new = store.serves(), store.build("healthy-release")
    with store.traffic():
        engine = store.at_weight(new, **patient)
        engine.kill()
        engine.wait()
        status = store.run("status")
    assert status["rollout"] is None
    assert store.serves() == old
    assert new in status["quarantined"]
    assert [release["digest"] for release in status["releases"] if release["alive"]] == [old]
    assert "engine_lost" in store.names()


@pytest.mark.parametrize("command", ["abort", "rollback"])
def test_a_living_engine_is_asked_and_a_hanging_one_is_ended(store: Any, patient: dict[str, str], command: str) -> None:
    old, new = store.serves(), store.build("healthy-release")
    with store.traffic():
        engine = store.at_weight(new, **patient)
        if command == "rollback":
            os.kill(engine.pid, signal.SIGSTOP)
        assert store.run(command, "--reason", "test")["outcome"] == "aborted"
        engine.wait(30)
    assert store.serves() == old
    assert engine.returncode == (-signal.SIGKILL if command == "rollback" else 33)
    assert ("engine_lost" in store.names()[-15:]) == (command == "rollback")


def test_ctrl_c_ends_a_rollout_in_order(store: Any, patient: dict[str, str]) -> None:
    old, new = store.serves(), store.build("healthy-release")
    with store.traffic():
        engine = store.at_weight(new, **patient)
        engine.send_signal(signal.SIGINT)
        assert engine.wait(30) == 33
    assert store.serves() == old
    assert store.run("status")["rollout"] is None


def test_a_second_rollout_is_refused_and_says_who_leads_the_first(store: Any, patient: dict[str, str]) -> None:
    new = store.build("healthy-release")
    with store.traffic():
        engine = store.at_weight(new, **patient)
        leader = holder(store.home.env(store.name) / "lock")
        assert leader is not None
        answer = store.run("deploy", store.build("slow-release"), "--reason", "second", expect=30)
        assert str(leader.pid) in answer["what"]
        store.run("hold", "--reason", "look at it")
        store.run("abort", "--reason", "enough")
        assert engine.wait(30) == 33


def test_lost_telemetry_aborts(store: Any, patient: dict[str, str]) -> None:
    """The edge's admin socket is taken away under the engine: missing data never passes."""
    old, new = store.serves(), store.build("healthy-release")
    with store.traffic():
        engine = store.at_weight(new, **patient)
        socket = store.home.socket_folder(store.name) / "admin.sock"
        away = socket.with_name("away.sock")
        socket.rename(away)
        since = store.wait_for("telemetry_lost")
        away.rename(socket)
        store.wait_for("rollout_ended", since)
        assert engine.wait(30) == 33
    assert store.serves() == old


def test_without_traffic_a_rollout_gives_up_at_its_bound(store: Any) -> None:
    import yaml

    value = yaml.safe_load(store.policy.read_text())
    value["steps"][0]["hold_max_s"] = 6
    path = store.folder / "brief.yaml"
    path.write_text(yaml.safe_dump(value))
    old, new = store.serves(), store.build("healthy-release")
    answer = store.run("deploy", new, "--reason", "in the dark", expect=33, SLIPWAY_POLICY=str(path))
    assert "no proof of health" in answer["reason"]
    assert store.serves() == old
    assert "gate_looked" in store.names()
