"""Workflows as values: read from YAML, and with the reusable ones put in the place of the jobs that call them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times faster, where PyYAML has it
HERE = "$/"  # of this repository, at this commit
Texts = dict[str, Any]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
Concurrency = Annotated[Texts, BeforeValidator(lambda value: {"group": value} if isinstance(value, str) else value)]


class Part(BaseModel):
    """A key that we do not know may change what runs, so it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Step(Part):
    name: str | None = None
    id: str | None = None
    condition: str | bool | None = Field(None, alias="if")
    run: str | None = None
    uses: str | None = None
    options: Texts = Field({}, alias="with")
    env: Texts = {}
    forgiven: bool | str = Field(False, alias="continue-on-error")

    @property
    def title(self) -> str:
        return self.name or self.run or self.uses or "?"

    @property
    def action(self) -> str | None:
        """Without its commit."""
        return self.uses.partition("@")[0] if self.uses else None

    @property
    def target(self) -> str | None:
        """The make target that it runs."""
        words = (self.run or "").split()
        return words[1] if words[:1] == ["make"] and len(words) > 1 else None


class Job(Part):
    name: str | None = None
    needs: Names = ()
    condition: str | bool | None = Field(None, alias="if")
    machine: str | None = Field(None, alias="runs-on")
    timeout: int | None = Field(None, alias="timeout-minutes")
    environment: str | Texts | None = None
    concurrency: Concurrency = {}
    permissions: Texts | str | None = None
    outputs: Texts = {}
    env: Texts = {}
    strategy: Texts = {}
    steps: tuple[Step, ...] = ()
    uses: str | None = None
    options: Texts = Field({}, alias="with")
    secrets: Texts | str | None = None
    forgiven: bool | str = Field(False, alias="continue-on-error")

    @property
    def place(self) -> str | None:
        """The environment that it deploys to, or asks."""
        return self.environment["name"] if isinstance(self.environment, dict) else self.environment


class Workflow(Part):
    name: str
    on: Texts
    permissions: Texts | str | None = None
    concurrency: Concurrency = {}
    env: Texts = {}
    defaults: Texts = {}
    jobs: Mapping[str, Job]


class Action(Part):
    """A composite one of ours."""

    name: str
    description: str
    inputs: Texts = {}
    outputs: Texts = {}
    runs: Texts

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(Step.model_validate(step) for step in self.runs["steps"])


Workflows = Mapping[str, Workflow]


def parsed(text: str) -> Any:
    return yaml.load(text, Loader=LOADER)


@cache
def workflow(text: str) -> Workflow:
    value = parsed(text)
    value["on"] = _events(value.pop(True, value.get("on")))  # YAML 1.1 takes `on` for true
    return Workflow.model_validate(value)


def _events(value: Any) -> Texts:
    names = [value] if isinstance(value, str) else value
    return {name: (value[name] or {}) if isinstance(value, dict) else {} for name in names}


def read(root: Path) -> Workflows:
    """By their names, without the ending."""
    return {path.stem: workflow(path.read_text(encoding="utf-8")) for path in sorted((root / ".github" / "workflows").glob("*.y*ml"))}


def action(root: Path, uses: str) -> Action:
    return Action.model_validate(parsed((root / uses.removeprefix(HERE) / "action.yml").read_text(encoding="utf-8")))


def called(job: Job) -> str | None:
    """The name of the reusable workflow of ours that takes its place."""
    return Path(job.uses).stem if job.uses else None


def flat(workflows: Workflows, name: str, before: tuple[str, ...] = ()) -> dict[str, Job]:
    """All jobs that really run, in order; what needs a calling job needs all jobs of what it calls, and these need what it needs."""
    found: dict[str, Job] = {}
    stands_for: dict[str, tuple[str, ...]] = {}
    for key, job in workflows[name].jobs.items():
        needs = (*before, *(leaf for need in job.needs for leaf in stands_for[need]))
        inner = flat(workflows, other, needs) if (other := called(job)) else {key: job.model_copy(update={"needs": needs})}
        if twice := inner.keys() & found.keys():
            raise ValueError(f"{name}: two jobs are called {', '.join(sorted(twice))}")
        found |= inner
        stands_for[key] = tuple(inner)
    return found


def behind(jobs: Mapping[str, Job], name: str) -> frozenset[str]:
    """All jobs that are green before this one begins."""
    return frozenset(jobs[name].needs).union(*(behind(jobs, need) for need in jobs[name].needs))


def every_job(workflows: Workflows) -> Iterator[tuple[str, str, Job]]:
    for name, one in workflows.items():
        for key, job in one.jobs.items():
            yield name, key, job


def named(value: Any) -> Iterator[str]:
    """All that `uses` says, at any depth."""
    match value:
        case Mapping():
            yield from ([value["uses"]] if "uses" in value else [])
            for inner in value.values():
                yield from named(inner)
        case list():
            for inner in value:
                yield from named(inner)


def texts(value: Any) -> Iterator[str]:
    """All texts in it, keys too."""
    match value:
        case str():
            yield value
        case Mapping():
            for key, inner in value.items():
                yield from texts(key)
                yield from texts(inner)
        case list() | tuple():
            for inner in value:
                yield from texts(inner)
