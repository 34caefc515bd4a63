"""The report: its fields, its sentences, its pictures."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from drill import batch
from drill.report import render
from drill.report.marks import marks
from drill.report.words import INDICATORS, evidence, seconds
from release import events as e
from release.errors import UsageError

pytestmark = pytest.mark.thorough

BASELINE = "sha256:" + "b" * 64
CANARY = "sha256:" + "c" * 64
FIELDS = {"scenario", "outcome", "runtime", "baseline", "canary", "times", "impact", "gate", "timeline", "checks"}  # DESIGN.md §6


def test_it_has_the_fields_that_are_promised(bad_story):
    report = bad_story.report()
    assert report.keys() >= FIELDS
    assert report["times"].keys() >= {"deploy_s", "detect_s", "revert_s", "mitigate_s", "recover_s"}
    assert report["impact"].keys() >= {"requests", "failed_requests", "users_harmed"}
    assert report["gate"].keys() >= {"samples", "verdict", "evidence"}
    assert all(event.keys() >= {"wall", "mono_s", "what"} for event in report["timeline"])
    assert all(check.keys() == {"name", "kind", "wanted", "measured", "held"} for check in report["checks"])


def test_harm_is_counted_once_per_user(bad_story):
    impact = bad_story.report()["impact"]
    assert (impact["failed_requests"], impact["users_harmed"], impact["canary_users"]) == (4, 3, 3)
    assert impact["lanes"]["canary"]["requests"] == 6
    assert impact["lanes"]["canary"]["errors"] == {"500": 4}


def test_the_timeline_is_in_order_and_has_both_views(bad_story):
    timeline = bad_story.report()["timeline"]
    assert [event["mono_s"] for event in timeline] == sorted(event["mono_s"] for event in timeline)
    names = [event["name"] for event in timeline]
    order = ["rollout_requested", "split_set", "impact_started", "gate_looked", "set_split", "split_set", "mitigated"]
    assert [name for name in names if name in order][-4:] == ["gate_looked", "set_split", "split_set", "mitigated"]
    assert names.index("impact_started") < names.index("gate_looked")
    assert [event["source"] for event in timeline if event["name"] == "mitigated"] == ["client"]


def test_moments_of_the_client_get_wall_time_from_the_ledger(bad_story):
    walls = {event["name"]: event["wall"] for event in bad_story.report()["timeline"]}
    assert walls["impact_started"] == "2026-11-23T13:00:13.000000Z"


def test_it_can_be_written_read_and_drawn_again(bad_story, tmp_path):
    report = bad_story.report()
    render.write(report, tmp_path)
    drawn = drawing(tmp_path)
    assert render.read(tmp_path) == json.loads(json.dumps(report))
    render.write(render.read(tmp_path), tmp_path)
    assert drawing(tmp_path) == drawn
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.md", "report.html"}


def drawing(folder):
    """Without the numbers that Vega gives to its clip paths: it goes on counting."""
    return re.sub(r"clip\d+", "clip", (folder / "report.html").read_text())


class Parts(HTMLParser):
    """Tags that are opened, and everything that would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href") and value]


def test_the_page_stands_alone(bad_story):
    """No script, no network: it can be mailed."""
    page = render.render(bad_story.report(), "report.html")
    parts = Parts()
    parts.feed(page)
    assert "script" not in parts.tags
    assert not parts.fetched
    assert not re.findall(r"url\((?!#)", page)
    assert parts.tags.count("svg") == 1
    assert "prefers-color-scheme: dark" in page


def test_charts_use_the_pages_colours_so_that_they_fit_light_and_dark(bad_story):
    page = render.render(bad_story.report(), "report.html")
    drawing = page[page.index("<svg") : page.index("</svg>")]
    fixed = set(re.findall(r"(?:fill|stroke)=\"(#[0-9a-f]+|black|white|rgb[^\"]*)\"", drawing))
    assert not fixed, "a fixed colour is unreadable in one of the two modes"
    for name in ("baseline", "canary", "bad", "ink", "faint", "grid", "accent"):
        assert f"var(--{name})" in drawing
        assert page.count(f"--{name}:") == 2, "one value for light, one for dark"


def test_text_from_outside_is_escaped(story):
    told = story("bad-release").begin().tell(20, e.RolloutEnded("r1", "aborted", "<script>alert(1)</script> | more"))
    report = told.answer(13, CANARY, status=500).report()
    assert "<script>" not in render.render(report, "report.html")
    assert "\\| more" in render.render(report, "report.md")


@pytest.mark.parametrize("name", ["bad-release", "crash-on-start", "healthy-release"])
def test_a_run_in_which_nothing_happened_has_a_report_too(story, name):
    report = story(name).report()
    for kind in ("report.md", "report.html"):
        assert "did not come to an end" in render.render(report, kind)


def test_an_invalid_drill_says_that_it_proves_nothing(bad_story):
    bad_story.responses = [response._replace(status=200) for response in bad_story.responses]
    text = render.render(bad_story.report(), "report.md")
    assert text.startswith("# Invalid")
    assert "proves nothing, because this did not hold: the fault shows to users" in text


def test_the_evidence_names_each_indicator_that_the_ledger_has(bad_story):
    report = bad_story.report()
    assert [line.split(":")[0] for line in evidence(report)[1:]] == list(INDICATORS.values())
    del report["gate"]["samples"]["client"]  # a ledger of before this indicator
    assert [line.split(":")[0] for line in evidence(report)[1:]] == list(INDICATORS.values())[:2]


def test_a_report_of_another_version_is_said(bad_story, tmp_path):
    render.write(bad_story.report(), tmp_path)
    (tmp_path / "report.json").write_text(json.dumps({key: value for key, value in render.read(tmp_path).items() if key != "machine"}))
    with pytest.raises(UsageError, match=r"another version: .*machine"):
        render.write(render.read(tmp_path), tmp_path)


def test_the_steps_of_a_promotion_are_marked_and_a_chance_failure_is_no_impact(story):
    told = story("healthy-release").begin()
    for at_s, weight_pct in ((20, 10), (30, 50)):
        told.tell(at_s, e.SplitSet(BASELINE, CANARY, weight_pct, "v", 0.01, at_s))
    told.tell(60, e.SplitSet(CANARY, None, 0, "v", 0.01, 60)).tell(60, e.RolloutEnded("r1", "promoted", "")).calm(5, 70)
    told.answer(45, CANARY, status=503)
    report = told.report()
    assert [mark["label"] for mark in marks(report, (-5.0, 60.0))] == ["first users", "10 %", "50 %", "100 %"]
    assert report["times"]["recover_s"] is None


def test_moments_close_together_share_a_mark(bad_story):
    labels = [mark["label"] for mark in marks(bad_story.report(), (-5.0, 30.0))]
    assert labels == ["first users", "impact starts", "verdict, mitigated, recovered"]


def test_labels_of_neighbours_stand_in_different_rows(bad_story):
    placed = marks(bad_story.report(), (-5.0, 30.0))
    assert placed[0]["row"] != placed[1]["row"]


@pytest.mark.parametrize(
    ("value", "said"), [(None, "–"), (0.0421, "42 ms"), (0.0004, "0 ms"), (1.0, "1.00 s"), (8.314, "8.31 s"), (214.4, "214 s")]
)
def test_seconds_for_people(value, said):
    assert seconds(value) == said


def test_several_runs_make_one_report(bad_story, tmp_path):
    first, second = bad_story.report(), bad_story.report()
    second["times"]["revert_s"], second["outcome"] = 0.4, "fail"
    report = batch.together("a-batch", bad_story.drill, [first, second])
    assert report["outcome"] == "fail"
    assert report["outcomes"] == {"pass": 1, "fail": 1}
    assert report["spread"]["revert_s"]["samples"] == pytest.approx((0.2, 0.4))
    assert report["spread"]["revert_s"]["median"] == pytest.approx(0.3)
    render.write(report, tmp_path)
    assert "../a-run/report.html" in (tmp_path / "report.html").read_text()
