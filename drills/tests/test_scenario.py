"""Scenarios: what is accepted, and what a mistake is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drill.scenario import DEFAULT, Drill, every, find, paths, read
from release import policy
from release.errors import BadScenario, UsageError

ROOT = Path(__file__).parents[2]

GOOD = """\
title: Mine
hypothesis: It is taken back.
release:
  patch: my.patch
expect:
  outcome: aborted
  users_see: failures
"""


@pytest.fixture
def mine(tmp_path):
    """Writes a scenario beside its patch, in a folder that is no checkout."""
    (tmp_path / "my.patch").write_text("diff")

    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write


def test_a_short_scenario_gets_sensible_defaults(mine, tmp_path):
    drill = read(mine(GOOD), tmp_path)
    assert (drill.name, drill.scenario.load.rate_per_s, drill.scenario.load.users) == ("mine", 120, 2000)
    assert drill.patch == tmp_path / "my.patch"


def test_a_patch_is_found_from_the_repository_or_beside_the_scenario(mine, tmp_path):
    path = mine(GOOD.replace("my.patch", "faults/mine.patch"))
    root = tmp_path / "checkout"
    (root / "faults").mkdir(parents=True)
    (root / "faults" / "mine.patch").write_text("diff")
    assert read(path, root).patch == root / "faults" / "mine.patch"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("outcome: aborted", "outcome: maybe", r"mine\.yaml:6: expect\.outcome: .*'promoted', 'aborted'.*got 'maybe'"),
        ("title: Mine\n", "", r"mine\.yaml:1: title: Field required"),
        ("title: Mine", "titel: Mine", r"mine\.yaml:1: titel: no such field"),
        ("release:", "load:\n  rate_per_s: 0\nrelease:", r"mine\.yaml:4: load\.rate_per_s: .*greater than or equal to 1.*got 0"),
        ("release:", "budgets: {revert_s: -1}\nrelease:", r"mine\.yaml:3: budgets\.revert_s: .*greater than 0"),
        ("my.patch", "other.patch", r"mine\.yaml:4: release\.patch: no such file"),
        ("hypothesis: It", "hypothesis: {It", r"mine\.yaml:\d+: not YAML"),
    ],
)
def test_a_mistake_is_named_with_file_line_field_and_what_is_allowed(mine, tmp_path, old, new, said):
    with pytest.raises(BadScenario, match=said):
        read(mine(GOOD.replace(old, new)), tmp_path)


def test_an_unknown_name_lists_what_there_is(root):
    with pytest.raises(UsageError) as caught:
        find("bad-relase", root)
    assert all(path.stem in caught.value.remedy for path in paths(root))


def test_a_scenario_is_found_by_path_from_anywhere(mine, tmp_path, root):
    assert find(str(mine(GOOD)), root).name == "mine"


def test_every_scenario_of_this_repository_is_good(root):
    drills = {drill.name: drill for drill in every(root)}
    assert DEFAULT in drills
    assert all(isinstance(drill, Drill) for drill in drills.values())
    assert drills[DEFAULT].scenario.budgets.revert_s == 1.0, "the promise of this project"


def test_a_policy_is_found_like_a_patch_and_missed_like_one(mine, tmp_path):
    assert read(mine(GOOD), tmp_path).policy is None
    (tmp_path / "few.yaml").write_text("")
    assert read(mine(GOOD + "policy: few.yaml\n"), tmp_path).policy == tmp_path / "few.yaml"
    with pytest.raises(BadScenario, match=r"mine\.yaml:8: policy: no such file"):
        read(mine(GOOD + "policy: none.yaml\n"), tmp_path)


def test_few_users_have_the_stores_own_policy_but_for_the_steps():
    ours, few = (policy.read(ROOT / name) for name in ("pipeline/policy.yaml", "drills/policies/few-users.yaml"))
    assert few.steps == ours.steps[1:]
    assert few.model_copy(update={"steps": ours.steps}) == ours


def test_every_scenario_is_run_by_ci(root):
    """As a test of its own, or by .ci/run."""
    ci = (ROOT / ".ci" / "run").read_text()
    (loop,) = re.findall(r"^for scenario in (.+); do make drill S=\$scenario; done$", ci, re.M)
    tests = re.findall(r'report_of\(drill\("([a-z-]+)", "--json"\)\)', (ROOT / "drills/tests/test_drills.py").read_text())
    assert sorted([*loop.split(), *tests]) == sorted(path.stem for path in paths(ROOT))
