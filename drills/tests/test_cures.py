"""A bug behind a flag, and how it was cured: moments, checks and the table of several ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from drill import decisions, ways
from drill.checks import Facts, every, is_bad, outcome
from drill.cure import Cured, by_the_engine
from drill.lanes import lanes
from drill.oncall import Act
from drill.report import render
from drill.report.fold import Context, fold
from drill.samples import Response, parse
from drill.scenario import find, read
from drill.times import moments, times
from release import events as e
from release.errors import BadScenario
from release.home import Home, short

ROOT = Home.find(Path(__file__)).root
BASELINE, CANARY = "sha256:" + "b" * 64, "sha256:" + "c" * 64
SUSPECT = {"flag": "pricing-v2", "variant": "on", "to_one": 90.0, "words": "flag pricing-v2: bad with on"}


class Told:
    """The scenario's own expectations; everyone has the release from 20 s on, the flag is on from 25 s, bad answers from 26 s."""

    def __init__(self, story, name):
        self.scenario = find(name, ROOT)
        self.story = story("healthy-release")
        self.story.drill = self.scenario.ways()[0]

    def cured(self, cured, bad_until_s, on_until_s=None):
        story = self.story.begin(10.0).look(19, "PASS", 0.1, (900, 0))
        story.tell(20, e.SplitSet(CANARY, None, 0, "3", 0.01, 20)).tell(20, e.RolloutEnded("r1", "promoted", "every step passed"))
        story.calm(5, 20)
        for number in range(400):
            story.answer(20 + number / 10, CANARY)
        for number in range(round((bad_until_s - 26) * 5) + 1):
            story.answer(26 + number / 5, CANARY, status=500, op="quote", variants="pricing-v2=on")
        if on_until_s:
            story.answer(on_until_s + 0.01, CANARY, sent_s=on_until_s, variants="pricing-v2=on")
        return self.facts(cured)

    def facts(self, cured):
        story, scenario = self.story, self.story.drill.scenario
        came = sorted(story.responses, key=lambda response: response.done_s)
        what = decisions.fold(story.entries, CANARY)
        of = lanes(came, CANARY, [shift.at_s for shift in what.shifts])
        when = moments(what, came, of, lambda one: is_bad(scenario, story.slo, one), story.slo, scenario.confirm_s, cured)
        return Facts(scenario, story.slo, what, came, of, story.client, when, times(when, 2.0), None, cured)

    def report(self, facts):
        machine = {"cpus": 2, "cpu_busy_pct": 40.0, "load_1m_before": 0.5, "load_1m_after": 1.1, "system": "Linux", "python": "3.11"}
        context = Context("a-run", "embedded", BASELINE, CANARY, "0123abc", True, machine, 12.5, 40.0, self.story.entries, 100.0)
        return fold(self.story.drill, facts, context)


def broken(facts):
    return {check.name for check in every(facts) if not check.held}


REFUSED, KILLED = Act("try to change pricing-v2", 29.8, 29.9, 423), Act("kill pricing-v2", 30.0, 30.05, 200)
KILL = Cured("kill_switch", "on-call", 30.0, 30.05, (REFUSED, KILLED))


def test_times_run_from_the_first_bad_answer_and_the_engineers_word(story):
    facts = Told(story, "kill-switch").cured(KILL, bad_until_s=30.2)
    when = facts.moments
    assert (when.impact_started, when.detected, when.decided) == (26, 30.0, 30.0)
    assert when.mitigated == pytest.approx(30.2)
    assert facts.times.detect_s == 4
    assert facts.times.revert_s == pytest.approx(0.2)
    assert facts.times.recover_s == pytest.approx(4.2)
    assert outcome(every(facts)) == "pass", broken(facts)


def test_a_cure_after_which_nobody_is_harmed_took_no_time(story):
    assert Told(story, "kill-switch").cured(KILL, bad_until_s=29).times.revert_s == 0


def test_a_kill_that_does_not_reach_everyone_is_told(story):
    facts = Told(story, "kill-switch").cured(KILL, bad_until_s=30.2, on_until_s=33)
    assert broken(facts) == {"answers with pricing-v2=on, asked for 2 s after the kill"}


@pytest.mark.parametrize(("change", "kill"), [(200, 200), (423, 423)])
def test_a_freeze_must_refuse_a_change_and_nothing_else(story, change, kill):
    acts = (REFUSED.__class__(REFUSED.what, 29, 29, change), KILLED.__class__(KILLED.what, 30, 30, kill))
    facts = Told(story, "kill-switch").cured(Cured("kill_switch", "on-call", 30.0, 30.05, acts), bad_until_s=30.2)
    assert len(broken(facts)) == 1
    assert "while flags are frozen" in broken(facts).pop()


def test_a_fault_that_no_user_of_the_flag_met_proves_nothing(story):
    told = Told(story, "kill-switch")
    facts = told.cured(KILL, bad_until_s=25)
    assert outcome(every(facts)) == "invalid"


def rollout_with_a_kill(told):
    story = told.story.begin(10.0)
    story.tell(15, e.GateLooked(15, 10, "FAIL", ("failures: 4 of 60",), 170.0, {}, counts(60, 4), counts(60, 4), SUSPECT))
    story.tell(15.01, e.KillFlag("pricing-v2", "bad with on")).tell(15.1, e.FlagKilled("pricing-v2", "bad with on", 15.1))
    story.look(30, "PASS", 0.1, (900, 0)).tell(31, e.SplitSet(CANARY, None, 0, "3", 0.01, 31))
    story.tell(31, e.RolloutEnded("r1", "promoted", "every step passed")).calm(5, 40)
    for at_s in (13, 14, 14.5, 15.05):
        story.answer(at_s, CANARY, status=500, variants="pricing-v2=on")
    return story.answer(38, CANARY)


def counts(requests, bad):
    tally = {"canary": {"requests": requests, "bad": bad}, "baseline": {"requests": 900, "bad": 0}}
    return {"from_s": 0, "to_s": 15, "failures": tally, "slow": tally, "client": tally, "canary_active": 0}


def test_the_engines_kill_is_a_cure(story):
    told = Told(story, "flag-first")
    rollout_with_a_kill(told)
    cured = by_the_engine(told.story.entries)
    facts = told.facts(cured)
    assert cured is not None
    assert (cured.by, cured.asked_s) == ("engine", 15.01)
    assert (facts.moments.detected, facts.moments.mitigated) == (15, 15.05)
    assert outcome(every(facts)) == "pass", broken(facts)


def test_a_rollback_where_a_kill_was_expected_is_told(story):
    told = Told(story, "flag-first")
    rollout_with_a_kill(told)
    assert "the engine kills the flag, and only that" in broken(told.facts(None))


@pytest.mark.thorough
def test_reports_tell_who_did_what(story, tmp_path):
    told = Told(story, "kill-switch")
    render.write(told.report(told.cured(KILL, bad_until_s=30.2)), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "kill switch: the last bad answer came 200 ms later" in text
    assert "the engineer's word to the last bad answer" in text
    assert "on-call: kill switch" in text


def test_several_ways_stand_side_by_side(story, tmp_path):
    told = Told(story, "kill-switch")
    one = told.report(told.cured(KILL, bad_until_s=30.2))
    drill = find("ways-back", ROOT)
    report = ways.side_by_side("all", drill, [("kill_switch", [one]), ("redeploy", [{**one, "times": {**one["times"], "revert_s": 21.0}}])])
    render.write(report, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert re_row(text, "kill switch") == "200 ms"
    assert re_row(text, "redeploy of a fix") == "21.00 s"
    assert "</html>" in (tmp_path / "report.html").read_text()
    assert render.read(tmp_path)["outcome"] == "pass"


def re_row(text, cure):
    [row] = [line for line in text.splitlines() if line.startswith(f"| {cure} |")]
    return row.split("|")[2].strip()


def test_each_cure_is_a_drill_of_its_own():
    each = find("ways-back", ROOT).ways()
    assert [one.scenario.cures for one in each] == [("kill_switch",), ("weight_0",), ("rollback",), ("redeploy",)]
    assert [one.scenario.cure for one in each] == ["kill_switch", None, "rollback", "redeploy"]
    assert [one.scenario.expect.outcome for one in each] == ["promoted", "aborted", "promoted", "promoted"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("flag: {name: pricing-v2, percentage: 30}", "", "need a flag"),
        ("percentage: 30", "percentage: 130", "flag.percentage"),
        ("cures: [kill_switch]", "cures: [kill_switch, prayer]", "cures"),
        ("cures: [kill_switch]", "cures: [kill_switch, kill_switch]", "each once"),
        ("cures: [kill_switch]", "cures: [rollback]", "frozen"),
    ],
)
def test_mistakes_in_a_scenario_are_named(tmp_path, old, new, says):
    text = (ROOT / "drills" / "scenarios" / "kill-switch.yaml").read_text()
    assert old in text
    (tmp_path / "mine.yaml").write_text(text.replace(old, new))
    with pytest.raises(BadScenario, match=says):
        read(tmp_path / "mine.yaml", ROOT)


def test_samples_of_before_flags_can_be_read():
    old = Response(1, 1, 2, "u1", "list", 200, short(CANARY)).line().replace(', "variants": null', "").replace(',"variants":null', "")
    assert "variants" not in old
    assert not parse(old).used("pricing-v2=on")
