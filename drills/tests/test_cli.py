"""The command line: what it prints for a mistake, and that it needs no running store for that."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from drill import sandbox
from drill.cli import main
from drill.report import render
from release.home import Home


@pytest.fixture
def run(monkeypatch, tmp_path, root):
    """`run("list")` in a checkout of its own that has this one's scenarios and policy."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "policy.yaml").symlink_to(root / "pipeline" / "policy.yaml")
    (tmp_path / "drills").symlink_to(root / "drills")
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))

    def invoke(*words):
        monkeypatch.setattr("sys.argv", ["drill", *words])
        return CliRunner().invoke(main, list(words))

    return invoke


def test_list_names_every_scenario(run, root):
    done = run("list")
    assert done.exit_code == 0
    for name in ("bad-release", "bad-bundle", "slow-release", "crash-on-start", "healthy-release"):
        assert name in done.output
    assert "the default" in done.output


def test_list_as_json(run):
    names = [scenario["name"] for scenario in json.loads(run("list", "--json").stdout)["scenarios"]]
    assert "bad-release" in names


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "no-such"], 2, "There is no scenario 'no-such'"),
        (["run", "--keep", "--runs", "2"], 2, "--keep is for one run"),
        (["run", "--runs", "0"], 2, "--runs"),
        (["report"], 2, "There is no report yet"),
        (["traffic"], 35, "make up"),
        (["traffic", "--env", "../../etc"], 2, "letters, digits"),
    ],
)
def test_a_mistake_is_explained_without_a_traceback(run, words, code, said):
    done = run(*words)
    assert done.exit_code == code
    assert said in done.output
    assert "Traceback" not in done.output


def test_a_mistake_as_json(run):
    answer = json.loads(run("run", "no-such", "--json").stdout)
    assert (answer["error"], answer["exit_code"]) == ("UsageError", 2)
    assert "bad-release" in answer["remedy"]


@pytest.mark.thorough
def test_the_latest_report_is_printed_and_drawn_again(run, tmp_path, bad_story):
    for name in ("20260101-000000-old", "20260102-000000-new"):
        report = bad_story.report()
        report["run"] = name
        render.write(report, tmp_path / "reports" / name)
    (tmp_path / "reports" / "20260102-000000-new" / "report.html").unlink()
    assert json.loads(run("report", "--json").stdout)["run"] == "20260102-000000-new"
    assert (tmp_path / "reports" / "20260102-000000-new" / "report.html").exists()
    assert "Passed" in run("report", "20260101-000000-old").output
    assert run("report", "--markdown").stdout.startswith("# ")
    assert "The latest are: 20260101-000000-old, 20260102-000000-new" in run("report", "nothing").output


def test_nothing_to_clean_up(run):
    assert "Nothing to clean up" in run("clean").output


# Owners.


def test_a_living_drills_environment_is_nobodys_to_clean(tmp_path):
    home = Home(tmp_path)
    with sandbox.owned(home, "a", keep=False) as env:
        home.env(env).mkdir(parents=True)
        assert sandbox.left(home) == []
    assert [(one.env, one.kept) for one in sandbox.left(home)] == [("drill-a", False)], "it left without cleaning up"


def test_an_environment_that_was_kept_says_so(tmp_path):
    home = Home(tmp_path)
    with sandbox.owned(home, "a", keep=True) as env:
        home.env(env).mkdir(parents=True)
    assert [(one.env, one.kept) for one in sandbox.left(home)] == [("drill-a", True)]


@pytest.mark.parametrize("how", [None, KeyboardInterrupt])
def test_a_drill_that_cleaned_up_leaves_no_mark(tmp_path, how):
    home = Home(tmp_path)
    try:
        with sandbox.owned(home, "a", keep=False):
            if how:
                raise how
    except KeyboardInterrupt:
        pass
    assert sandbox.left(home) == []
