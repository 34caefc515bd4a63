"""From facts to an outcome: each promise can be broken, and then it shows."""

from __future__ import annotations

import pytest

from drill.checks import every, outcome
from drill.orders import OrderCheck, Stored, compare, stored
from drill.samples import ClientTotals
from release import events as e

BASELINE = "sha256:" + "b" * 64
CANARY = "sha256:" + "c" * 64


def broken(story):
    return {check.name for check in every(story.facts()) if not check.held}


def verdict(story):
    return outcome(every(story.facts()))


def test_a_rollout_as_expected_passes(bad_story):
    assert broken(bad_story) == set()
    assert verdict(bad_story) == "pass"


def test_a_fault_that_no_user_met_is_invalid_never_a_pass(bad_story):
    bad_story.responses = [response._replace(status=200) for response in bad_story.responses]
    assert "the fault shows to users" in broken(bad_story)
    assert verdict(bad_story) == "invalid"


def test_a_fault_below_the_slo_is_invalid(bad_story):
    """One chance failure among hundreds is not the fault."""
    bad_story.responses = [response._replace(status=200) for response in bad_story.responses]
    for number in range(300):
        bad_story.answer(15 + number / 100, CANARY)
    bad_story.answer(18, CANARY, status=500)
    assert verdict(bad_story) == "invalid"


@pytest.mark.parametrize("lost", [{"dropped": 1}, {"unfinished": 1}, {"late_ms_p99": 1500.0}])
def test_a_client_that_could_not_keep_up_is_invalid(bad_story, lost):
    bad_story.client = ClientTotals(**{**vars(bad_story.client), **lost})
    assert verdict(bad_story) == "invalid"


def test_a_client_that_was_killed_is_invalid(bad_story):
    bad_story.client = None
    assert verdict(bad_story) == "invalid"


def test_a_failure_of_the_baseline_during_the_switch_fails_the_drill(bad_story):
    bad_story.answer(20.1, BASELINE, status=503)
    assert broken(bad_story) == {"requests of healthy lanes that the switch failed"}


def test_an_answer_of_nobody_during_the_switch_fails_the_drill(bad_story):
    bad_story.answer(20.1, None, status=0, user="nobody-knows")
    assert "requests of healthy lanes that the switch failed" in broken(bad_story)


def test_a_failure_long_before_the_switch_is_not_the_switchs(bad_story):
    bad_story.answer(11, BASELINE, status=503)
    assert verdict(bad_story) == "pass"


def test_a_request_that_reaches_the_bad_lane_after_the_switch_fails_the_drill(bad_story):
    bad_story.answer(20.3, CANARY, sent_s=20.06)
    assert "requests sent to the bad lane after the switch" in broken(bad_story)


def test_a_slow_revert_breaks_its_budgets(bad_story):
    bad_story.answer(22, CANARY, sent_s=19.99)
    assert broken(bad_story) == {"revert_s"}
    assert verdict(bad_story) == "fail"


def test_a_verdict_that_came_too_late_breaks_its_budget(bad_story):
    for entry in bad_story.entries:
        if entry.name == "gate_looked":
            entry.data["totals"]["failures"]["canary"]["requests"] = 500
    assert broken(bad_story) == {"verdict_canary_requests"}


def test_the_wrong_indicator_is_noticed(bad_story):
    for entry in bad_story.entries:
        if entry.name == "gate_looked":
            entry.data["reasons"] = ["slow: 4 of 9 canary requests bad"]
    assert broken(bad_story) == {"the verdict is because of"}


def test_too_many_users_is_noticed(bad_story):
    bad_story.entries.insert(6, bad_story.tell(17, e.SplitSet(BASELINE, CANARY, 10, "9", 0.01, 17)).entries.pop())
    assert broken(bad_story) == {"largest share of users"}


def test_a_release_that_is_not_taken_away_is_noticed(bad_story):
    bad_story.entries = [entry for entry in bad_story.entries if entry.name != "quarantined"]
    assert broken(bad_story) == {"the release is taken away"}


def test_a_promoted_bad_release_fails_and_names_what_did_not_happen(story):
    told = story("bad-release").begin().answer(13, CANARY, status=500).tell(30, e.RolloutEnded("r1", "promoted", ""))
    measured = {check.name: check.measured for check in every(told.facts()) if not check.held}
    assert measured["the rollout ends"] == "promoted"
    assert measured["detect_s"] == "did not happen"


def test_crash_on_start_fails_when_one_user_sees_it(story):
    told = story("crash-on-start").tell(10, e.RolloutRequested("r1", CANARY, "a drill", (), 2)).calm(5, 30)
    told.tell(12, e.RolloutEnded("r1", "aborted", "exit 1"))
    assert "answers of the new release to users" not in broken(told)
    told.answer(13, CANARY)
    assert "answers of the new release to users" in broken(told)


# Orders.


def order(story, key, status=201, number="1", user="u0001", at_s=15.0):
    return story.answer(at_s, op="order", key=key, status=status, order=number if status < 300 else None, user=user)


def test_a_lost_order_fails_the_drill(bad_story):
    order(bad_story, "k1", number="1"), order(bad_story, "k2", number="2")
    check = compare(bad_story.responses, [Stored("u0001", "k1", "1")])
    assert check.lost == ("k2",)
    bad_story.orders = check
    assert broken(bad_story) == {"acknowledged orders"}


def test_a_doubled_order_fails_the_drill(bad_story):
    order(bad_story, "k1", number="1")
    check = compare(bad_story.responses, [Stored("u0001", "k1", "1"), Stored("u0001", "k1", "2")])
    assert check.doubled == ("k1",)
    bad_story.orders = check
    assert broken(bad_story) == {"acknowledged orders"}


def test_an_order_under_another_id_is_lost(bad_story):
    order(bad_story, "k1", number="1")
    assert compare(bad_story.responses, [Stored("u0001", "k1", "7")]).lost == ("k1",)


def test_the_same_key_of_two_users_is_two_orders(bad_story):
    order(bad_story, "k1", number="1"), order(bad_story, "k1", number="2", user="u0002")
    check = compare(bad_story.responses, [Stored("u0001", "k1", "1"), Stored("u0002", "k1", "2")])
    assert check.held


def test_an_order_without_an_answer_may_or_may_not_exist(bad_story):
    order(bad_story, "k1", status=0), order(bad_story, "k2", status=500), order(bad_story, "k3", status=422)
    for table in ([], [Stored("u0001", "k1", "1")]):
        assert compare(bad_story.responses, table) == OrderCheck(acknowledged=0, stored=len(table), lost=(), doubled=(), in_doubt=2)


def test_a_replayed_order_counts_as_acknowledged(bad_story):
    order(bad_story, "k1", status=200, number="1")
    assert compare(bad_story.responses, []).lost == ("k1",)


def test_rows_of_the_table():
    assert stored([{"client_id": "u0001", "idempotency_key": "k", "id": "1"}]) == [Stored("u0001", "k", "1")]
