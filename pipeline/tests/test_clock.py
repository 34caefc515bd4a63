"""Waits that a person can end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from release.adapters.clock import RealClock
from release.errors import Interrupted


@pytest.fixture
def clock() -> Iterator[RealClock]:
    found = RealClock()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield found
    for number, handler in handlers.items():
        signal.signal(number, handler)
    found.close()


def test_a_wait_lasts_at_least_as_long_as_asked(clock: RealClock) -> None:
    started_s = clock.monotonic()
    clock.wait(0.02)
    clock.wait(-1)
    assert clock.monotonic() - started_s >= 0.02


def test_an_interruption_before_the_wait_counts_and_is_told_once(clock: RealClock) -> None:
    clock.interrupt()
    clock.interrupt()
    with pytest.raises(Interrupted):
        clock.wait(600)
    clock.wait(0)


def test_an_interruption_ends_a_wait_that_has_begun(clock: RealClock) -> None:
    threading.Timer(0.05, clock.interrupt).start()
    with pytest.raises(Interrupted):
        clock.wait(600)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_only_ends_the_wait(clock: RealClock, number: int) -> None:
    clock.listen()
    os.kill(os.getpid(), number)
    with pytest.raises(Interrupted):
        clock.wait(600)


def test_more_interruptions_than_anyone_reads_block_nobody(clock: RealClock) -> None:
    for _ in range(100_000):
        clock.interrupt()
    with pytest.raises(Interrupted):
        clock.wait(0)


def test_it_is_the_clock_of_all_processes_of_the_machine(clock: RealClock) -> None:
    assert time.monotonic() <= clock.monotonic() <= time.monotonic()
