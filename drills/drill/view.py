"""What a person sees while a drill runs: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live as Picture
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from drill.gauges import evidence_bar, lanes_table
from drill.live import Now

SENTENCES = 6
PULSE_AFTER = 1.0  # a phase that takes longer than usual shows a moving bar, not a wrong one


@dataclass
class Phase:
    name: str
    usual_s: float  # for the progress bar; nothing depends on it
    started_s: float = field(default_factory=time.monotonic)
    took_s: float | None = None

    @property
    def so_far_s(self) -> float:
        return self.took_s if self.took_s is not None else time.monotonic() - self.started_s


class View(Protocol):
    def phase(self, name: str, usual_s: float) -> None:
        """A new phase begins; the one before it is done."""

    def say(self, sentence: str) -> None: ...

    def show(self, now: Now) -> None: ...

    def close(self, *, done: bool) -> None: ...


class Lines:
    """Not a terminal: one line per thing that happened, with the time since the start. No ANSI."""

    def __init__(self, console: Console) -> None:
        self._console, self._started_s = console, time.monotonic()

    def phase(self, name: str, usual_s: float) -> None:  # noqa: ARG002 - as the protocol has it
        self._print(name)

    def say(self, sentence: str) -> None:
        self._print(f"  {sentence}")

    def show(self, now: Now) -> None:
        pass

    def close(self, *, done: bool) -> None:
        pass

    def _print(self, text: str) -> None:
        self._console.print(f"{time.monotonic() - self._started_s:6.1f} s  {text}", markup=False)


class Screen:
    """A terminal: phases with their bars, both lanes, the evidence, the latest sentences."""

    def __init__(self, console: Console, title: str) -> None:
        self._title, self._started_s = title, time.monotonic()
        self._phases: list[Phase] = []
        self._sentences: deque[str] = deque(maxlen=SENTENCES)
        self._now: Now | None = None
        self._picture = Picture(console=console, get_renderable=self._draw, refresh_per_second=5, transient=True)
        self._console = console
        self._picture.start()

    def phase(self, name: str, usual_s: float) -> None:
        self._end_phase()
        self._phases.append(Phase(name, usual_s))

    def say(self, sentence: str) -> None:
        self._sentences.append(f"{time.monotonic() - self._started_s:6.1f} s  {sentence}")

    def show(self, now: Now) -> None:
        self._now = now

    def close(self, *, done: bool) -> None:
        """The phases stay on the screen; the moving parts go."""
        if done:
            self._end_phase()
        self._picture.stop()
        self._console.print(self._head(), self._phase_table(), sep="\n")

    def _end_phase(self) -> None:
        if self._phases:
            self._phases[-1].took_s = self._phases[-1].so_far_s

    def _draw(self) -> RenderableType:
        parts: list[RenderableType] = [self._head(), self._phase_table()]
        if self._now:
            parts += [Text(), lanes_table(self._now), evidence_bar(self._now.look)]
        parts += [Text(), *(Text(sentence, style="dim", no_wrap=True, overflow="ellipsis") for sentence in self._sentences)]
        return Group(*parts)

    def _head(self) -> Text:
        return Text.assemble((self._title, "bold"), ("   ", ""), (f"{time.monotonic() - self._started_s:.0f} s", "dim"))

    def _phase_table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for phase in self._phases:
            done = phase.took_s is not None
            mark = Text("✓", "green") if done else Text("▸", "cyan")
            table.add_row(mark, phase.name, Text(f"{phase.so_far_s:5.1f} s", "dim"), Text() if done else _bar(phase))
        return table


def _bar(phase: Phase) -> ProgressBar:
    share = phase.so_far_s / phase.usual_s
    return ProgressBar(total=1.0, completed=min(share, 1.0), width=30, pulse=share > PULSE_AFTER)


@contextmanager
def view(console: Console, title: str) -> Iterator[View]:
    """On a terminal a picture, else lines. The picture is taken down however the block ends."""
    shown: View = Screen(console, title) if console.is_terminal and not console.is_dumb_terminal else Lines(console)
    try:
        yield shown
    except BaseException:
        shown.close(done=False)
        raise
    shown.close(done=True)
