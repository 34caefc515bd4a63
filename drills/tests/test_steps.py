"""Steps before and after the rollout: what a scenario may say, what a report makes of them, and the people who approve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drill.checks import Took, every, outcome
from drill.load.schedule import Arrival
from drill.load.shop import COUPONS, Shop
from drill.report import render
from drill.scenario import Step, find
from drill.signers import Signers
from release.adapters.approvers import SshApprovers
from release.errors import BadApproval, BadScenario

HELD = Took("roll back from expand", "rolled_back, schema 0004", "rolled_back, schema 0004, after 1.01 s", held=True, took_s=3.5)
BROKEN = Took("roll out contract", "refused: ApprovalsMissing", "promoted", held=False, took_s=20.0)


def test_one_thing_per_step():
    assert Step.model_validate({"backfill": True}).only() == ("backfill", True)
    for value in ({}, {"backfill": True, "dump": True}, {"backfill": False}, {"hold": "orders; DROP TABLE orders"}, {"approve": 3}):
        with pytest.raises(ValueError, match=r"step|Input|match|less"):
            Step.model_validate(value)


def test_a_steps_patch_that_is_not_there_is_named_before_anything_starts(tmp_path, root):
    text = (root / "drills" / "scenarios" / "restore-column.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("patch: drills/changes/stop-coupon.patch", "patch: none.patch"))
    with pytest.raises(BadScenario, match=r"mine\.yaml:\d+: patch: no such file"):
        find(str(tmp_path / "mine.yaml"), root)


def test_the_story_rolls_back_once_in_each_phase(root):
    steps = [*find("expand-migrate-contract", root).scenario.before, *find("expand-migrate-contract", root).scenario.after]
    assert [step.rollback for step in steps if step.rollback] == [
        "from expand", "from migrate", "from the release that does without the column", "from contract"
    ]  # fmt: skip


@pytest.mark.parametrize(("steps", "wanted"), [((HELD,), "pass"), ((HELD, BROKEN), "fail")])
def test_a_step_that_went_wrong_fails_the_drill_and_is_named(bad_story, steps, wanted):
    bad_story.steps = steps
    assert outcome(every(bad_story.facts())) == wanted
    text = render.render(bad_story.report(), "report.md")
    assert ("**not held** | roll out contract | refused: ApprovalsMissing | promoted | 20.00 s" in text) == (wanted == "fail")
    assert text.count("roll back from expand") == 1
    assert ("1 of 2 steps" if wanted == "fail" else "1 step around it went as wanted") in text
    assert "roll back from expand" in render.render(bad_story.report(), "report.html")


@pytest.mark.parametrize(("allowed", "wanted"), [(None, "pass"), (4, "pass"), (3, "fail")])
def test_failed_requests_are_counted_over_everything(bad_story, allowed, wanted):
    expect = bad_story.drill.scenario.expect.model_copy(update={"failed_requests_max": allowed})
    bad_story.drill = replace(bad_story.drill, scenario=bad_story.drill.scenario.model_copy(update={"expect": expect}))
    assert outcome(every(bad_story.facts())) == wanted


def test_coupons_come_in_the_share_that_was_asked_for_and_every_way_they_are_typed():
    baskets = [Shop([1, 2], coupons_pct=40).request(Arrival(0.0, "u0001", "quote", number / 9973, "k")).body for number in range(9973)]
    typed = [basket["coupon"] for basket in baskets if basket and "coupon" in basket]
    assert 0.35 < len(typed) / len(baskets) < 0.45
    assert set(typed) == set(COUPONS)
    assert "coupon" not in (Shop([1]).request(Arrival(0.0, "u0001", "quote", 0.5, "k")).body or {})


def test_what_they_sign_is_what_ssh_would(tmp_path):
    signers = Signers.new(tmp_path / "people")
    approvers = SshApprovers(signers.file, "production")
    signed = {name: path.read_text() for name, path in signers.signatures("contract 0005 of sha256:1", "production")}
    assert {approvers.verify("contract 0005 of sha256:1", text).people for text in signed.values()} == {("ada",), ("grace",)}
    for change, where in (("contract 0005 of sha256:2", "production"), ("contract 0005 of sha256:1", "staging")):
        with pytest.raises(BadApproval):
            SshApprovers(signers.file, where).verify(change, signed["ada"])
