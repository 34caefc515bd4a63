"""Moments and durations, from stories written by hand."""

from __future__ import annotations

import pytest

from drill.samples import kind_of_error
from release import events as e

BASELINE = "sha256:" + "b" * 64
CANARY = "sha256:" + "c" * 64


def test_all_moments_of_a_bad_release(bad_story):
    moments = bad_story.facts().moments
    assert (moments.rollout_requested, moments.first_user, moments.impact_started) == (10, 12, 13)
    assert (moments.detected, moments.decided, moments.mitigated) == (20, 20.01, 20.2)
    assert moments.recovered == 20.2


def test_all_durations_of_a_bad_release(bad_story):
    times = bad_story.facts().times
    assert times.as_dict() == pytest.approx(
        {"build_s": 2, "deploy_s": 2, "detect_s": 7, "revert_s": 0.2, "mitigate_s": 7.2, "recover_s": 7.2}, abs=1e-5
    )


def test_mitigation_is_not_before_the_edge_acknowledged(story):
    """The lane's last answer may come before the verdict; users could still have been sent there until the acknowledgement."""
    told = story("bad-release").begin().look(20, "FAIL", 340.0).way_back(20.01, 20.05)
    told.answer(13, CANARY, status=500)
    facts = told.facts()
    assert facts.moments.mitigated == 20.05
    assert facts.times.revert_s == pytest.approx(0.05)


def test_a_straggler_delays_mitigation(bad_story):
    """A request that the bad lane got before the switch and answered three seconds after it."""
    bad_story.answer(23.5, CANARY, sent_s=19.99, intended_s=19.99, status=200)
    assert bad_story.facts().times.revert_s == pytest.approx(3.5)


def test_no_impact_leaves_its_durations_open(story):
    told = story("bad-release").begin().look(20, "FAIL", 340.0).way_back(20.01, 20.05).calm(5, 30).answer(13, CANARY)
    times = told.facts().times
    assert (times.detect_s, times.mitigate_s, times.recover_s) == (None, None, None)
    assert times.revert_s == pytest.approx(0.05)


def test_slow_answers_are_impact_only_where_slowness_is_the_subject(story):
    for name, impact in (("bad-release", None), ("slow-release", 14)):
        told = story(name).begin().answer(14, CANARY, intended_s=13.7, sent_s=13.7)
        assert told.facts().moments.impact_started == impact


def test_latency_counts_from_the_intended_time(story):
    """Sent late by the client, answered fast: the user waited."""
    told = story("slow-release").begin().answer(14, CANARY, intended_s=13.7, sent_s=13.99)
    assert told.facts().moments.impact_started == 14


def test_recovery_waits_for_a_whole_window_within_the_slo(bad_story):
    """Failures at 22 s: the first window that is calm to its end begins after them."""
    bad_story.answer(22, status=500).answer(22.1, status=503)
    assert bad_story.facts().moments.recovered == pytest.approx(22.0, abs=1e-5), "one failure in a hundred is within the SLO"
    bad_story.answer(22.2, status=503)
    assert bad_story.facts().moments.recovered == pytest.approx(22.1, abs=1e-5)


def test_a_window_that_was_not_measured_to_its_end_is_no_recovery(bad_story):
    bad_story.responses = [response for response in bad_story.responses if response.done_s < 24]
    assert bad_story.facts().moments.recovered is None


def test_silence_is_no_recovery(bad_story):
    bad_story.responses = [response for response in bad_story.responses if response.done_s < 21]
    bad_story.answer(60)
    assert bad_story.facts().moments.recovered is None


def test_late_answers_are_no_recovery(bad_story):
    slow = [response._replace(intended_s=response.done_s - 1) if response.done_s > 21 else response for response in bad_story.responses]
    bad_story.responses = slow
    assert bad_story.facts().moments.recovered is None


def test_a_release_that_never_got_users_has_no_times_but_its_build(story):
    told = (
        story("crash-on-start")
        .tell(10, e.RolloutRequested("r1", CANARY, "a drill", (), 2))
        .tell(12, e.StartFailed(CANARY, "NeverReady", "exit 1"))
    )
    told.tell(12.1, e.SetSplit(BASELINE)).tell(12.2, e.SplitSet(BASELINE, None, 0, "2", 0.01, 12.2))
    told.tell(13, e.RolloutEnded("r1", "aborted", "exit 1")).calm(5, 30)
    facts = told.facts()
    assert facts.times.as_dict() == {
        "build_s": 2,
        "deploy_s": None,
        "detect_s": None,
        "revert_s": None,
        "mitigate_s": None,
        "recover_s": None,
    }
    assert facts.moments.recovered == 13, "users are watched after the end, too"


def test_only_the_latest_rollout_of_this_digest_counts(bad_story):
    bad_story.begin(100.0)
    decisions = bad_story.facts().decisions
    assert decisions.requested_s == 100
    assert decisions.failed is None


def test_an_unnamed_answer_belongs_to_the_lane_that_served_its_user_between_the_same_changes(story):
    told = story("bad-release").begin()
    told.answer(13, CANARY, user="a").answer(14, None, user="a", status=504)
    told.answer(13, BASELINE, user="b").answer(14, None, user="b", status=0)
    told.answer(14, None, user="nobody-knows", status=0)
    told.answer(9, BASELINE, user="before").answer(14, None, user="before", status=0)
    facts = told.facts()
    lane_of = {response.user: lane for response, lane in zip(facts.responses, facts.lanes, strict=True) if response.failed}
    assert lane_of == {"a": "canary", "b": "baseline", "nobody-knows": "edge", "before": "edge"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": "/problems/overloaded", "status": 503}, "503 overloaded"),
        (None, "503"),
        (["no problem document"], "503"),
    ],
)
def test_an_error_is_named_as_the_store_names_it(body, kind):
    assert kind_of_error(503, body) == kind
