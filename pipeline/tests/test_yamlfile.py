"""A file that extends another has its sections, but for its own; and each fault is told where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from release import policy
from release.errors import BadPolicy

ROOT = Path(__file__).parents[2]
OURS = ROOT / "pipeline" / "policy.yaml"


def test_staging_has_the_stores_own_policy_but_for_the_steps() -> None:
    ours, staging = policy.read(OURS), policy.read(ROOT / "pipeline" / "staging.yaml")
    assert [step.weight_pct for step in staging.steps] == [50, 100]
    assert staging.model_copy(update={"steps": ours.steps}) == ours


def extending(folder: Path, text: str) -> Path:
    (folder / "base.yaml").write_text(OURS.read_text())
    path = folder / "mine.yaml"
    path.write_text(f"# mine\n\nextends: base.yaml  # beside it\n{text}")
    return path


def test_nothing_of_its_own_is_the_other_file(tmp_path: Path) -> None:
    assert policy.read(extending(tmp_path, "")) == policy.read(OURS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps:\n  - {weight_pct: 50, bake_s: 1, hold_max_s: 2}\n", r"mine\.yaml:1: \(the whole file\): .* the last weight must be 100"),
        ("stepps: []\n", r"mine\.yaml:4: stepps: no such field"),
        ("limits: {drain_s: x}\n", r"mine\.yaml:4: limits\.drain_s: "),
    ],
)
def test_a_fault_of_its_own_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadPolicy, match=said):
        policy.read(extending(tmp_path, text))


def test_a_fault_of_the_other_file_is_told_there(tmp_path: Path) -> None:
    path = extending(tmp_path, "")
    (tmp_path / "base.yaml").write_text("gate: {}\n")
    with pytest.raises(BadPolicy, match=r"base\.yaml:1: gate\."):
        policy.read(path)
    (tmp_path / "base.yaml").unlink()
    with pytest.raises(BadPolicy, match=r"base\.yaml: can't be read"):
        policy.read(path)


def test_a_file_that_extends_itself_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: mine.yaml\n")
    with pytest.raises(BadPolicy, match="extends"):
        policy.read(path)
