"""What a commit goes through: stages with what they need, read from stages.yaml, and which may run now. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from release.errors import BadStages, UsageError
from release.yamlfile import Frozen, load

Name = Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,30}$")]
USERS = "production"  # the part that touches them


class Stage(Frozen):
    """`run` is a make target. Nothing that needs this stage runs before it has passed."""

    name: Name
    part: Name
    run: Name
    what: Annotated[str, Field(min_length=1, max_length=120)]
    needs: tuple[Name, ...] = ()


class Wanted(Frozen):
    """From the start until all of `check`, and of `staging`, has passed."""

    feedback_s: Annotated[float, Field(gt=0)]
    released_s: Annotated[float, Field(gt=0)]


class Stages(Frozen):
    wanted: Wanted | None = None
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=40)]

    @model_validator(mode="after")
    def _each_needs_what_stands_above(self) -> Stages:
        above: set[str] = set()
        for stage in self.stages:
            if stage.name in above:
                raise ValueError(f"stage {stage.name} stands there twice")
            for need in stage.needs:
                if need not in above:
                    raise ValueError(f"stage {stage.name} needs {need}, which does not stand above it")
            above.add(stage.name)
        return self

    @model_validator(mode="after")
    def _no_way_around(self) -> Stages:
        """Everything before production is a gate in front of it."""
        gates = {stage.name for stage in before_users(self)}
        for stage in self.stages:
            if stage.part == USERS and (around := gates - self.behind(stage.name)):
                raise ValueError(f"stage {stage.name} can be reached around {', '.join(sorted(around))}")
        return self

    def behind(self, name: str) -> frozenset[str]:
        """All stages that have passed before this one begins."""
        needs = next(stage.needs for stage in self.stages if stage.name == name)
        return frozenset(needs).union(*(self.behind(need) for need in needs))

    def parts(self) -> Mapping[str, tuple[Stage, ...]]:
        """In the order of the file."""
        names = dict.fromkeys(stage.part for stage in self.stages)
        return {part: tuple(stage for stage in self.stages if stage.part == part) for part in names}


def read(path: Path) -> Stages:
    """Raises BadStages with file, line, field and what is allowed."""
    return load(path, Stages, BadStages)


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    STOPPED = "stopped"  # another failed, or a person asked
    LEFT_OUT = "left out"  # nobody asked for it, or what it needs did not pass


@dataclass(frozen=True)
class Done:
    """How a stage ended, and when it began and ended, in seconds since the pipeline began."""

    outcome: Outcome
    began_s: float
    ended_s: float

    @property
    def took_s(self) -> float:
        return self.ended_s - self.began_s


def before_users(stages: Stages) -> tuple[Stage, ...]:
    """All but those of production."""
    return tuple(stage for stage in stages.stages if stage.part != USERS)


def until(stages: Stages, last: str) -> tuple[Stage, ...]:
    """`last` and all that stands before it: a part of the pipeline that leaves no gate out. Raises UsageError."""
    if last not in (names := [stage.name for stage in stages.stages]):
        raise UsageError(f"There is no stage {last!r}.", remedy=f"Name one of these: {', '.join(names)}.")
    wanted = stages.behind(last) | {last}
    return tuple(stage for stage in stages.stages if stage.name in wanted)


def ready(wanted: Sequence[Stage], done: Mapping[str, Done], running: Collection[str], slots: int) -> tuple[Stage, ...]:
    """Those that may begin now, in order. Nothing begins after a failure."""
    if any(end.outcome is not Outcome.PASSED for end in done.values()):
        return ()
    waiting = (stage for stage in wanted if stage.name not in done and stage.name not in running)
    return tuple(stage for stage in waiting if all(need in done for need in stage.needs))[: slots - len(running)]
