"""The load process against a little server on a real socket."""

from __future__ import annotations

import os
import signal
import time
from itertools import pairwise

import psutil
import pytest

from drill.load.schedule import CONCURRENCY
from drill.samples import ClientTotals, read
from drill.scenario import Load
from drill.traffic import Traffic
from release.errors import DrillInvalid

pytestmark = pytest.mark.real


@pytest.fixture
def traffic(tmp_path):
    """Starts the load; ends it however the test ends."""
    started = []

    def start(address, **load):
        options = {"rate_per_s": 50, "users": 100, "seed": 3, "max_s": 20, **load}
        started.append(Traffic.start(address, Load(**options), tmp_path / "samples.jsonl", tmp_path / "logs" / "load.log"))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def until(true, bound_s=20.0):
    end_s = time.monotonic() + bound_s
    while not true():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.05)


def answers(running):
    return read(running.samples) if running.samples.exists() else []


def test_every_response_is_written_down(little_store, traffic):
    running = traffic(little_store().address)
    until(lambda: len(answers(running)) >= 100)
    totals = running.stop()
    came = answers(running)
    assert totals is not None
    assert totals.kept_up
    assert totals.arrivals == totals.answered == len(came)
    assert {response.status for response in came} == {200, 201}
    assert {response.release for response in came} == {"0123456789ab"}
    orders = [response for response in came if response.op == "order"]
    assert orders
    assert all(response.acknowledged and response.order for response in orders)


def test_slow_answers_do_not_slow_the_arrivals(little_store, traffic):
    """A closed loop would send less when answers are late, and so measure fewer of the bad moments."""
    store = little_store(delay_s=0.4)
    running = traffic(store.address)
    until(lambda: len(answers(running)) >= 60)
    running.stop()
    intended = sorted(response.intended_s for response in answers(running))
    gaps = [later - earlier for earlier, later in pairwise(intended)]
    assert gaps == pytest.approx([0.02] * len(gaps), abs=1e-6)
    assert store.most_at_once > 5


def test_what_the_client_can_not_send_is_counted(little_store, traffic):
    running = traffic(little_store(delay_s=30).address, rate_per_s=1000, max_s=1.5)
    running.process.wait(30)
    totals = running.stop()
    assert totals is not None
    assert totals.arrivals == totals.answered + totals.dropped
    assert totals.answered == CONCURRENCY
    assert totals.dropped > 0
    assert not totals.kept_up
    assert all(response.status == 0 and response.latency_ms >= 5900 for response in answers(running))


def test_a_broken_connection_is_a_failure_and_not_asked_again(little_store, traffic):
    store = little_store(hang_up_every=10)
    running = traffic(store.address)
    until(lambda: len(answers(running)) >= 100)
    totals = running.stop()
    assert totals is not None
    failed = [response for response in answers(running) if response.failed]
    assert failed
    assert all(response.error for response in failed)
    assert store.requests == totals.arrivals + 1, "each arrival once, and the first page"


def test_it_ends_when_whoever_started_it_is_gone(little_store, traffic):
    running = traffic(little_store().address)
    until(lambda: answers(running))
    running.process.stdin.close()
    assert running.process.wait(15) == 0
    with pytest.raises(DrillInvalid):
        running.check()


def test_a_client_that_was_killed_says_nothing(little_store, traffic):
    running = traffic(little_store().address)
    until(lambda: answers(running))
    os.kill(running.process.pid, signal.SIGKILL)
    assert running.stop() is None
    assert not psutil.pid_exists(running.process.pid)


def test_a_store_without_products_is_said(little_store, traffic):
    running = traffic(little_store(products=0).address)
    running.process.wait(30)
    with pytest.raises(DrillInvalid, match="lists no products"):
        running.check()


def test_its_account_can_be_read_again(tmp_path):
    totals = ClientTotals("constant", 1.0, 2.0, 3, 2, 1, 0, 0.5)
    totals.write(tmp_path / "load.json")
    assert ClientTotals.read(tmp_path / "load.json") == totals
    assert not totals.kept_up
