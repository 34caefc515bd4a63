"""What a person sees: a picture on a terminal, plain lines elsewhere, and the same numbers at the end."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from drill import batch, summary
from drill.gauges import evidence_bar, odds
from drill.live import LaneNow, Live, Now
from drill.samples import Response, Tail
from drill.view import view
from release import events as e
from release.ledger import Ledger

BASELINE = "sha256:" + "b" * 64
CANARY = "sha256:" + "c" * 64
NOW = Now(1, {"baseline": LaneNow(118.8, 0.0, 14.0), "canary": LaneNow(1.2, 1 / 3, 22.0)}, None)


@pytest.fixture
def console():
    """A file of a certain width, a terminal or not."""
    return lambda terminal: Console(file=io.StringIO(), force_terminal=terminal, width=100, height=40, highlight=False, soft_wrap=True)


def look(evidence, verdict="INCONCLUSIVE"):
    return e.GateLooked(1.0, 1, verdict, ("failures: 3 of 9",), evidence, {}, {}, {})


def test_without_a_terminal_there_are_lines_and_no_control_codes(console):
    out = console(False)
    with view(out, "a drill") as shown:
        shown.phase("roll out", usual_s=10)
        shown.say("canary gets 1 % of new requests")
        shown.show(NOW)
    text = out.file.getvalue()
    assert "\x1b" not in text
    assert [line.split("s  ", 1)[1] for line in text.splitlines()] == ["roll out", "  canary gets 1 % of new requests"]


def test_a_terminal_shows_both_lanes_and_the_evidence(console):
    out = console(True)
    with view(out, "a drill") as shown:
        shown.phase("set up", usual_s=1)
        shown.phase("roll out", usual_s=10)
        shown.show(Now(NOW.weight_pct, NOW.lanes, look(23.0)))
        shown.say("canary gets 1 % of new requests")
        drawing = console(False)
        drawing.print(shown._draw())
    text = drawing.file.getvalue()
    for part in ("✓  set up", "▸  roll out", "118.8", "33.3%", "22 ms", "99 %", "23 : 1", "canary gets 1 %"):
        assert part in text, part
    assert "✓" in out.file.getvalue(), "what was done stays on the screen"


def test_the_picture_is_taken_down_when_the_drill_breaks(console):
    out = console(True)

    def broken_drill():
        with view(out, "a drill") as shown:
            shown.phase("roll out", usual_s=10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_drill()
    assert out.file.getvalue().count("\x1b[?25l") == out.file.getvalue().count("\x1b[?25h"), "the cursor is back"
    assert "▸" in out.file.getvalue(), "and what was going on is not marked as done"


@pytest.mark.parametrize(("evidence", "share"), [(1, 0), (10, 0.5), (100, 1), (1e9, 1), (0.01, 0), (0.0, 0)])
def test_the_evidence_bar_is_logarithmic_and_bounded(evidence, share):
    bar = next(iter(evidence_bar(look(evidence)).columns[1].cells))
    assert bar.completed == pytest.approx(share)


@pytest.mark.parametrize(("evidence", "said"), [(0.52, "0.5 : 1"), (9.94, "9.9 : 1"), (23.4, "23 : 1"), (12345.0, "12,345 : 1")])
def test_odds_for_people(evidence, said):
    assert odds(evidence) == said


def test_the_summary_has_every_time_and_the_harm(console, bad_story):
    out = console(False)
    summary.one(out, bad_story.report(), Path("reports/a-run"), total_s=41.0)
    text = out.file.getvalue()
    for part in (
        "build",
        "deploy",
        "detect",
        "revert",
        "mitigate",
        "recover",
        "200 ms",
        "7.00 s",
        "3 users of",
        "4 failed requests of",
        "12.5 s",
    ):
        assert part in text, part


def test_the_summary_names_what_did_not_hold(console, bad_story):
    out = console(False)
    bad_story.answer(22, CANARY, sent_s=19.99)
    summary.one(out, bad_story.report(), Path("reports/a-run"))
    assert "not held: revert_s: wanted at most 1 s, measured 2.000 s" in out.file.getvalue()


def test_several_runs_are_summed_up(console, bad_story):
    out = console(False)
    summary.several(out, batch.together("a-batch", bad_story.drill, [bad_story.report()] * 3), Path("reports/a-batch"))
    assert "3 runs" in out.file.getvalue()
    assert "median" in out.file.getvalue()


# What it is told by.


def test_a_half_written_line_waits_for_its_end(tmp_path):
    path = tmp_path / "samples.jsonl"
    tail = Tail(path)
    assert tail.responses() == [], "no file yet"
    line = Response(1.0, 1.0, 1.01, "u0001", "list", 200).line() + "\n"
    path.write_text(line + line[:20])
    assert len(tail.responses()) == 1
    with path.open("a") as file:
        file.write(line[20:] + line)
    assert len(tail.responses()) == 2


def test_the_live_numbers_follow_both_files(tmp_path, monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    ledger, samples = Ledger(tmp_path / "ledger.jsonl"), tmp_path / "samples.jsonl"
    live = Live(ledger.path, samples)
    live.canary = CANARY
    answers = [Response(99, 99, 99.02, "u1", "list", 200, "b" * 12), Response(98, 98, 98.1, "u2", "list", 500, "c" * 12)]
    too_old = Response(90, 90, 90.02, "u1", "list", 500, "b" * 12)
    samples.write_text("".join(response.line() + "\n" for response in [too_old, *answers]))
    ledger.append(e.SplitSet(BASELINE, CANARY, 10, "1", 0.004, 99.0))
    ledger.append(look(3.0))
    told = live.poll()
    now = live.now()
    assert told == [f"canary {'c' * 12} gets 10 % of new requests (4 ms)"], "undecided looks are shown as a bar, not told"
    assert (now.weight_pct, now.look.evidence) == (10, 3.0)
    assert now.lanes["baseline"] == LaneNow(0.2, 0.0, pytest.approx(20))
    assert now.lanes["canary"] == LaneNow(0.2, 1.0, pytest.approx(100))
    assert live.poll() == []
