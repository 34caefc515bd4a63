"""A scenario: hypothesis, fault, load, expectation, budgets. One YAML file each; a fork adds its own without Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from release.errors import BadScenario, UsageError
from release.yamlfile import Frozen, load

DEFAULT = "bad-release"

Seconds = Annotated[float, Field(gt=0, le=3600)]
Cure = Literal["kill_switch", "weight_0", "rollback", "redeploy"]
UsersSee = Literal["failures", "slow", "broken_pages", "health", "nothing"]


class ReleaseUnderTest(Frozen):
    """`patch` makes the release that is rolled out: this tree plus that patch. Without one it is this tree, built as a new release."""

    patch: str | None = None


class Flag(Frozen):
    """Turned on for `percentage` of the users, by the ops API: before the rollout, or, with a cure for what everyone has, after it."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    percentage: Annotated[int, Field(ge=1, le=100)]


class Deploy(Frozen):
    """A rollout that is not the one under test. Without `patch` it is this tree. `refused`: the error that must refuse it."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    patch: str | None = None
    refused: Literal["OutsideWindow", "BackfillUnfinished", "ApprovalsMissing"] | None = None


class Restore(Frozen):
    """Undo the contract step `after_s` later: `column` from the dump, `otherwise` for what was written since."""

    column: str
    otherwise: str
    after_s: Annotated[float, Field(ge=0, le=120)] = 5


class Step(Frozen):
    """One thing that is done before or after the rollout under test."""

    deploy: Deploy | None = None
    rollback: Annotated[str | None, Field(min_length=1, max_length=80)] = None  # which phase that rehearses
    backfill: Literal[True] | None = None
    turn_on: Flag | None = None
    approve: Annotated[int | None, Field(ge=1, le=2)] = None  # so many people
    dump: Literal[True] | None = None
    restore: Restore | None = None
    hold: Annotated[str | None, Field(pattern=r"^[a-z_]+$")] = None  # a table that somebody's report reads for long

    def only(self) -> tuple[str, object]:
        [(name, given)] = [(name, value) for name, value in self if value is not None]
        return name, given

    @model_validator(mode="after")
    def _one_thing(self) -> Step:
        if sum(value is not None for _, value in self) != 1:
            raise ValueError("one thing per step")
        return self


class Load(Frozen):
    """Open loop: arrivals come at fixed times, however slow the answers are. A rollout that takes longer than `max_s` is interrupted.

    `coupons_pct`: so many baskets have a coupon, known and unknown ones, typed this way and that. `client`: `api` sends the requests of the API, one per arrival; `pages` runs the SPA itself, one whole journey per arrival.
    """

    client: Literal["api", "pages"] = "api"
    rate_per_s: Annotated[float, Field(ge=1, le=1000)] = 120
    users: Annotated[int, Field(ge=1, le=9999)] = 2000
    seed: Annotated[int, Field(ge=0)] = 1
    coupons_pct: Annotated[int, Field(ge=0, le=100)] = 0
    warm_up_s: Annotated[float, Field(ge=0, le=600)] = 3
    max_s: Seconds = 150


class Expect(Frozen):
    """What must come out. `users_see`: failures, slow answers or broken pages of the new release; health (it answers, within the SLO); nothing (it never answers)."""

    outcome: Literal["promoted", "aborted", "refused", "rolled_back"]
    users_see: UsersSee
    verdict: Literal["PASS", "FAIL", "INCONCLUSIVE"] | None = None
    because: Literal["failures", "slow", "client"] | None = None
    weight_pct_max: Annotated[int, Field(ge=0, le=100)] = 100
    failed_requests_max: Annotated[int | None, Field(ge=0)] = None  # of all users, in all steps


class Budgets(Frozen):
    """Upper bounds, checked on each run; one that is left out is not checked."""

    build_s: Seconds | None = None
    deploy_s: Seconds | None = None
    detect_s: Seconds | None = None
    revert_s: Seconds | None = None
    mitigate_s: Seconds | None = None
    recover_s: Seconds | None = None
    verdict_canary_requests: Annotated[int, Field(ge=1)] | None = None
    users_harmed: Annotated[int, Field(ge=0)] | None = None


class Scenario(Frozen):
    title: Annotated[str, Field(min_length=1, max_length=120)]
    hypothesis: Annotated[str, Field(min_length=1)]
    takes_minutes: bool = False
    first: Literal["this_tree", "last_release"] = "this_tree"
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    release: ReleaseUnderTest = ReleaseUnderTest()
    policy: str | None = None
    flag: Flag | None = None
    cures: tuple[Cure, ...] = ()
    frozen: bool = False
    load: Load = Load()
    expect: Expect
    budgets: Budgets = Budgets()
    confirm_s: Seconds = 5

    @property
    def cure(self) -> Cure | None:
        """What the on-call engineer does to a release that everyone has. Weight 0 is the gate's own doing, during the rollout."""
        return self.cures[0] if self.cures and self.cures[0] != "weight_0" else None

    @model_validator(mode="after")
    def _a_cure_needs_a_flag(self) -> Scenario:
        if self.cures and self.flag is None:
            raise ValueError("cures: need a flag, which is turned on")
        if len(set(self.cures)) < len(self.cures):
            raise ValueError("cures: each once")
        if self.frozen and self.cures != ("kill_switch",):
            raise ValueError("frozen: only with `cures: [kill_switch]`")
        return self


@dataclass(frozen=True)
class Drill:
    """A scenario that was read, under the name that people use for it."""

    name: str
    path: Path
    scenario: Scenario
    patch: Path | None
    policy: Path | None = None  # instead of pipeline/policy.yaml

    def with_load(self, **changes: float | None) -> Drill:
        """The same drill with another seed or rate; None leaves a value as it is."""
        load = self.scenario.load.model_copy(update={name: value for name, value in changes.items() if value is not None})
        return replace(self, scenario=self.scenario.model_copy(update={"load": load}))

    def ways(self) -> list[Drill]:
        """One drill per cure."""
        return [replace(self, scenario=_with_cure(self.scenario, cure)) for cure in self.scenario.cures] or [self]


def _with_cure(scenario: Scenario, cure: Cure) -> Scenario:
    changes: dict[str, object] = {"cures": (cure,)}
    if cure == "weight_0":
        changes["expect"] = scenario.expect.model_copy(update={"outcome": "aborted", "verdict": "FAIL", "because": "failures"})
    return scenario.model_copy(update=changes)


def read(path: Path, root: Path) -> Drill:
    """Raises BadScenario with file, line, field and what is allowed."""
    scenario = load(path, Scenario, BadScenario)
    for step in (*scenario.before, *scenario.after):
        file_of("patch", step.deploy.patch if step.deploy else None, path, root)
    return Drill(
        name=path.stem,
        path=path,
        scenario=scenario,
        patch=file_of("release.patch", scenario.release.patch, path, root),
        policy=file_of("policy", scenario.policy, path, root),
    )


def find(name_or_path: str, root: Path) -> Drill:
    """By name among drills/scenarios, or by path. Raises UsageError that lists what there is, or BadScenario."""
    named = _folder(root) / f"{name_or_path}.yaml"
    for path in (named, Path(name_or_path)):
        if path.is_file():
            return read(path, root)
    there = ", ".join(path.stem for path in paths(root))
    raise UsageError(f"There is no scenario {name_or_path!r}.", remedy=f"Name one of these, or give the path of your own: {there}.")


def paths(root: Path) -> list[Path]:
    return sorted(_folder(root).glob("*.yaml"))


def every(root: Path) -> Iterator[Drill]:
    return (read(path, root) for path in paths(root))


def _folder(root: Path) -> Path:
    return root / "drills" / "scenarios"


def file_of(field: str, named: str | None, scenario: Path, root: Path) -> Path | None:
    """Below the repository, or beside the scenario. Raises BadScenario."""
    if named is None:
        return None
    for base in (root, scenario.parent):
        if (base / named).is_file():
            return (base / named).resolve()
    raise BadScenario(
        f"{scenario}:{_line_of(field, scenario)}: {field}: no such file, neither below {root} nor beside the scenario (got {named!r})"
    )


def _line_of(field: str, path: Path) -> int:
    """`release.patch` stands below `release:`, in braces or on a line of its own."""
    group, _, name = field.rpartition(".")
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    return next((number for number, line in lines if re.match(rf"\s*({group}:\s*\{{\s*)?{name}:", line)), 1)
