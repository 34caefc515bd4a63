"""Stages: in which order, behind which gates, and that there is no way around one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from release import errors, stages
from release.stages import Done, Outcome, Stage, Stages

ROOT = Path(__file__).parents[2]
OURS = ROOT / "pipeline" / "stages.yaml"
PASSED, FAILED = Done(Outcome.PASSED, 0, 1), Done(Outcome.FAILED, 0, 1)


def of(**needs: str) -> Stages:
    """`of(a="", b="a")`: b needs a. Whatever begins with `p` touches users."""
    return Stages(
        stages=tuple(
            Stage(name=n, part="production" if n[0] == "p" else "test", run=n, what=n, needs=tuple(w.split())) for n, w in needs.items()
        )
    )


def names(found: tuple[Stage, ...]) -> list[str]:
    return [stage.name for stage in found]


def test_ours_are_read_and_each_is_a_make_target() -> None:
    targets = {line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if ":" in line}
    assert {stage.run for stage in stages.read(OURS).stages} <= targets


def test_production_is_behind_every_gate() -> None:
    ours = stages.read(OURS)
    before = {stage.name for stage in ours.stages if stage.part != "production"}
    assert before == ours.behind("approval")
    assert ours.behind("production") == before | {"approval", "approvals"}


@pytest.mark.parametrize("gate", [stage.name for stage in stages.read(OURS).stages if stage.part != "production"])
def test_a_gate_that_nothing_needs_any_more_is_an_error(gate: str, tmp_path: Path) -> None:
    value = yaml.safe_load(OURS.read_text())
    for stage in value["stages"]:
        stage["needs"] = [need for need in stage.get("needs", []) if need != gate]
    with pytest.raises(errors.BadStages, match="can be reached around"):
        stages.read(_written(tmp_path, value))


def test_a_need_stands_above_and_a_name_stands_once(tmp_path: Path) -> None:
    one = {"name": "a", "part": "test", "run": "a", "what": "a"}
    for entries, said in (([{**one, "needs": ["b"]}, {**one, "name": "b"}], "does not stand above"), ([one, one], "twice")):
        with pytest.raises(errors.BadStages, match=said):
            stages.read(_written(tmp_path, {"stages": entries}))


def _written(folder: Path, value: dict[str, Any]) -> Path:
    path = folder / "stages.yaml"
    path.write_text(yaml.safe_dump(value))
    return path


def test_a_part_of_it_leaves_no_gate_out() -> None:
    some = of(a="", b="a", c="", p="a b c")
    assert names(stages.until(some, "b")) == ["a", "b"]
    assert names(stages.before_users(some)) == ["a", "b", "c"]
    assert names(stages.until(some, "p")) == ["a", "b", "c", "p"]
    with pytest.raises(errors.UsageError, match="no stage 'x'"):
        stages.until(some, "x")


def test_what_begins_next() -> None:
    wanted = of(a="", b="", c="a", d="a b").stages
    assert names(stages.ready(wanted, {}, (), slots=2)) == ["a", "b"]
    assert names(stages.ready(wanted, {}, (), slots=1)) == ["a"]
    assert names(stages.ready(wanted, {"a": PASSED}, ("b",), slots=2)) == ["c"]
    assert names(stages.ready(wanted, {"a": PASSED, "b": PASSED}, (), slots=1)) == ["c"]
    assert names(stages.ready(wanted, {"a": PASSED, "b": PASSED}, ("c", "d"), slots=3)) == []
    assert names(stages.ready(wanted, {"a": PASSED, "b": FAILED}, (), slots=3)) == []
