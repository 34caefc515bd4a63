"""Runs stages: each as soon as all that it needs has passed, a few at a time; the first failure stops the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from release.stages import Done, Outcome, Stage, ready

LOOK_S = 0.05


class Running(Protocol):
    def ended(self) -> int | None: ...

    def stop(self) -> None: ...


@dataclass
class Pipeline:
    """`start` begins a stage, `show` is called whenever something may have changed."""

    wanted: Sequence[Stage]
    start: Callable[[Stage], Running]
    show: Callable[[], None]
    slots: int = 2
    done: dict[str, Done] = field(default_factory=dict)
    began_s: dict[str, float] = field(default_factory=dict)
    _running: dict[str, Running] = field(default_factory=dict)
    _zero_s: float = field(default_factory=time.monotonic)

    def run(self) -> Mapping[str, Done]:
        """How each stage ended. Nothing of it runs afterwards, also after Ctrl-C."""
        try:
            while self._begin() or self._running:
                self._wait()
        finally:
            self._stop_all()
            for stage in self.wanted:
                self.done.setdefault(stage.name, Done(Outcome.LEFT_OUT, 0, 0))
            self.show()
        return self.done

    @property
    def now_s(self) -> float:
        return time.monotonic() - self._zero_s

    def _begin(self) -> bool:
        for stage in (begun := ready(self.wanted, self.done, self._running, self.slots)):
            self.began_s[stage.name] = self.now_s
            self._running[stage.name] = self.start(stage)
        self.show()
        return bool(begun)

    def _wait(self) -> None:
        """Until a stage ends; a failure ends the others, too."""
        while not (ended := {name: code for name, one in self._running.items() if (code := one.ended()) is not None}):
            time.sleep(LOOK_S)
            self.show()
        for name, code in ended.items():
            self._end(name, Outcome.PASSED if code == 0 else Outcome.FAILED)
        if any(ended.values()):
            self._stop_all()

    def _stop_all(self) -> None:
        for name, one in list(self._running.items()):
            one.stop()
            self._end(name, Outcome.STOPPED)

    def _end(self, name: str, outcome: Outcome) -> None:
        del self._running[name]
        self.done[name] = Done(outcome, self.began_s[name], self.now_s)
