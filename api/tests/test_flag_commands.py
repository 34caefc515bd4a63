"""`python -m app.flags.stale` and `python -m app.ops.tokens`, as people and the pipeline type them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.flags import stale
from app.flags.definitions import CODE_READS, faults
from app.ops import command, tokens
from app.role import ROLES, words_of

API = Path(__file__).parents[1]


def test_the_flags_that_ship_are_those_that_the_code_asks_for() -> None:
    shipped = json.loads(stale.SHIPPED.read_text())["flags"]
    assert shipped.keys() == CODE_READS.keys()
    assert [fault for key, flag in shipped.items() for fault in faults(key, flag)] == []


def test_a_stale_flag_is_named_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert stale.main(["--today", "2027-05-31"]) == 0
    assert capsys.readouterr().out == "None of 2 flags is stale.\n"
    assert stale.main(["--today", "2027-06-01"]) == 1
    assert capsys.readouterr().out == "pricing-v2: It expired on 2027-05-31.\n"
    assert stale.main(["--today", "2027-06-01", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["stale"] == {"pricing-v2": "It expired on 2027-05-31."}


@pytest.mark.parametrize("content", ["", "[]", '{"flags": []}', '{"flags": {"f": {}}}'])
def test_a_file_without_definitions_is_no_pass(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "flags.json"
    file.write_text(content)
    assert stale.main([str(file)]) == stale.EXIT_BAD
    assert stale.main([str(tmp_path / "none.json")]) == stale.EXIT_BAD
    assert str(file) in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["make"],
        ["create", "--name", "n", "--scope", "flags:all", "--expires-days", "1"],
        ["create", "--name", "n", "--expires-days", "1"],
        ["create", "--name", "n", "--scope", "flags:read", "--expires-days", "0"],
        ["create", "--name", "n", "--scope", "flags:read", "--expires-days", "367"],
        ["create", "--name", "a\nb", "--scope", "flags:read", "--expires-days", "1"],
    ],
)
def test_a_wrong_word_is_one_line_and_points_at_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    said = capsys.readouterr().err
    assert ended.value.code == command.EXIT_USAGE
    assert said.count("\n") == 1
    assert "--help" in said


def test_without_an_address_it_says_which(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIPWAY_DATABASE_URL", raising=False)
    assert command.main(["list"]) == command.EXIT_CONFIG
    monkeypatch.setenv("SLIPWAY_DATABASE_URL", "secret, and no address")
    assert command.main(["list"]) == command.EXIT_CONFIG
    monkeypatch.setenv("SLIPWAY_DATABASE_URL", "postgresql+asyncpg://nobody@127.0.0.1:9/none")
    assert command.main(["list"]) == command.EXIT_AWAY
    said = capsys.readouterr().err
    assert "SLIPWAY_DATABASE_URL" in said
    assert "runbooks/database.md" in said
    assert "secret" not in said


def test_the_role_of_a_container_passes_its_words_on() -> None:
    assert words_of(["token", "list", "--json"]) == (*ROLES["token"], "list", "--json")
    assert words_of(["api"]) == ROLES["api"]
    assert words_of(["api", "web"]) is None
    assert words_of([]) is None


@pytest.mark.real
def test_a_token_from_its_making_to_its_end(database: Any) -> None:
    environment = {**os.environ, "SLIPWAY_DATABASE_URL": database.url}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "app.ops.tokens", *words]
        return subprocess.run(argv, cwd=API, env=environment, check=False, capture_output=True, text=True, timeout=60)

    assert run("list").stdout == "There are no tokens.\n"
    made = run("create", "--name", "on-call", "--scope", "flags:read", "--scope", "flags:kill", "--expires-days", "30")
    assert (made.returncode, made.stderr) == (0, "")
    parts = tokens.FORM.fullmatch(made.stdout.strip())
    assert parts is not None
    (listed,) = json.loads(run("list", "--json").stdout)
    assert (listed["id"], listed["name"], listed["scopes"], listed["state"]) == (parts[1], "on-call", ["flags:kill", "flags:read"], "good")
    assert parts[2] not in run("list").stdout
    assert run("revoke", parts[1]).returncode == 0
    assert json.loads(run("list", "--json").stdout)[0]["state"] == "revoked"
    gone = run("revoke", "0" * 16)
    assert (gone.returncode, gone.stdout) == (command.EXIT_NONE, "")
    assert gone.stderr.count("\n") == 1
