"""A pipeline while it runs: a tree with times on a terminal, a line per change elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from release.pipeline import Pipeline
from release.stages import Outcome, Stage

MARKS = {Outcome.PASSED: ("✓", "green"), Outcome.FAILED: ("✗", "red"), Outcome.STOPPED: ("■", "yellow"), Outcome.LEFT_OUT: ("·", "dim")}


@dataclass
class PipelineView:
    console: Console
    stages: Sequence[Stage]
    pipeline: Pipeline | None = None
    _told: set[tuple[str, str]] = field(default_factory=set)
    _live: Live | None = None

    def __enter__(self) -> PipelineView:
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self._live = Live(console=self.console, get_renderable=self._tree, refresh_per_second=5)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self) -> None:
        if self._live or self.pipeline is None:
            return
        for name, began_s in self.pipeline.began_s.items():
            self._tell(name, "began", f"{began_s:6.1f} s  {name} …")
        for name, end in self.pipeline.done.items():
            took = "" if end.outcome is Outcome.LEFT_OUT else f" in {end.took_s:.1f} s"
            self._tell(name, "ended", f"{end.ended_s:6.1f} s  {MARKS[end.outcome][0]} {name}: {end.outcome}{took}")

    def _tell(self, name: str, what: str, line: str) -> None:
        if (name, what) not in self._told:
            self._told.add((name, what))
            self.console.print(line, markup=False)

    def _tree(self) -> Tree:
        assert self.pipeline is not None
        tree = Tree(Text("pipeline", "bold"), hide_root=False)
        branches = {part: tree.add(Text(part, "bold")) for part in dict.fromkeys(stage.part for stage in self.stages)}
        for stage in self.stages:
            branches[stage.part].add(self._row(stage))
        return tree

    def _row(self, stage: Stage) -> Text:
        assert self.pipeline is not None
        end = self.pipeline.done.get(stage.name)
        began_s = self.pipeline.began_s.get(stage.name)
        if end:
            mark, style = MARKS[end.outcome]
            time = "" if end.outcome is Outcome.LEFT_OUT else f"{end.took_s:6.1f} s"
        else:
            mark, style = ("·", "dim") if began_s is None else ("▸", "cyan")
            time = "" if began_s is None else f"{self.pipeline.now_s - began_s:6.1f} s"
        return Text.assemble((f"{mark} {stage.name:<12}", style), f"{time:>9}  ", (stage.what, "dim"))
