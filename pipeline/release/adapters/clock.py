"""The machine's monotonic clock, and waits that a person can end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from types import FrameType

from release.errors import Interrupted


class RealClock:
    """`wait` ends early with Interrupted after `interrupt`, also if that came before it. Each interruption is told once.

    A pipe, not an Event: its lock could be held by the very wait that a signal handler breaks into.
    """

    def __init__(self) -> None:
        self._asked, self._ask = os.pipe()
        os.set_blocking(self._asked, False)
        os.set_blocking(self._ask, False)

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        if select.select([self._asked], [], [], max(0.0, seconds))[0]:
            os.read(self._asked, 65_536)
            raise Interrupted("Interrupted.")

    def interrupt(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full of earlier ones: asked is asked
            os.write(self._ask, b"!")

    def listen(self, *signals: int) -> None:
        """From now on SIGINT, SIGTERM (or the named) interrupt a wait and nothing else."""
        for number in signals or (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def close(self) -> None:
        os.close(self._asked)
        os.close(self._ask)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the form that Python asks for
        self.interrupt()
