"""Flags as an on-call engineer meets them: the commands, the freeze, a database that is away."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.real
ROOT = Path(__file__).resolve().parent.parent
FLAG = "pricing-v2"


@pytest.fixture
def flags(store: Any) -> Iterator[Any]:
    """`pricing-v2` is enabled and off for everybody."""
    store.run("flag unfreeze", "--reason", "the next test")
    store.run("flag set", FLAG, "--enable", "--default", "off", "--percentage", "0", "--reason", "the next test")
    return store


def state(store: Any) -> dict[str, Any]:
    [flag] = [one for one in store.run("flag list")["flags"] if one["key"] == FLAG]
    return dict(flag)


def test_set_and_kill_and_who_did_it(flags: Any) -> None:
    flags.run("flag set", FLAG, "--percentage", "10", "--reason", "a tenth")
    assert state(flags)["in_words"] == "on for 10 %, off for 90 %"
    flags.run("flag kill", FLAG, "--reason", "wrong totals")
    flags.run("flag kill", FLAG, "--reason", "killed twice is killed")
    assert state(flags)["killed"]
    status = flags.run("status")["flags"]
    assert [(one["action"], one["reason"]) for one in status["changes"][:2]] == [("flag_killed", "wrong totals"), ("flag_set", "a tenth")]
    assert status["changes"][0]["old"]["state"] == "ENABLED"
    assert status["changes"][0]["new"]["state"] == "DISABLED"
    assert status["changes"][0]["actor"] == f"engine of {flags.name}"
    assert flags.names()[-3:] == ["flag_set", "flag_killed", "flag_killed"]


def test_a_freeze_covers_rollouts_and_flags_and_so_does_its_end(flags: Any) -> None:
    assert flags.run("freeze", "--reason", "incident 7")["flags"] == "flags_frozen"
    answer = flags.run("flag set", FLAG, "--percentage", "10", "--reason", "x", expect=36)
    assert answer["error"] == "FlagsFrozen"
    assert "incident 7" in answer["what"]
    flags.run("flag kill", FLAG, "--reason", "is allowed")
    assert flags.run("unfreeze", "--reason", "found")["flags"] == "flags_unfrozen"
    flags.run("flag set", FLAG, "--enable", "--reason", "may be changed again")
    assert flags.run("status")["frozen"] is None


def test_a_rollback_freezes_flags_a_change_is_refused_a_kill_is_not(flags: Any) -> None:
    old, new = flags.serves(), flags.build("healthy-release")
    with flags.traffic():
        flags.run("deploy", new, "--reason", "test")
    since = len(flags.names())
    assert flags.run("rollback", "--reason", "orders fail")["outcome"] == "rolled_back"
    assert flags.serves() == old
    names = flags.names()[since:]
    assert names.index("flags_frozen") > names.index("split_set"), "after everyone is back"
    assert "orders fail" in flags.run("flag set", FLAG, "--percentage", "10", "--reason", "x", expect=36)["what"]
    flags.run("flag kill", FLAG, "--reason", "is allowed")


def test_with_the_database_away_a_kill_says_what_to_do_and_a_rollback_goes_on(flags: Any) -> None:
    old, new = flags.serves(), flags.build("healthy-release")
    with flags.traffic():
        flags.run("deploy", new, "--reason", "test")
    record = json.loads((flags.home.env(flags.name) / "processes" / "postgres.json").read_text())
    psutil.Process(record["pid"]).kill()
    answer = flags.run("flag kill", FLAG, "--reason", "x", expect=39)
    assert (answer["error"], answer["runbook"]) == ("FlagsAway", "runbooks/kill-switch.md")
    assert "release rollback" in answer["remedy"]
    assert flags.run("rollback", "--reason", "all is on fire")["outcome"] == "rolled_back"
    assert flags.serves() == old
    assert "flag_freeze_failed" in flags.names()
    flags.run("up")


def test_tokens_have_scopes_names_and_an_end(flags: Any) -> None:
    made = flags.run("token create", "--name", "reader", "--scope", "flags:read", "--expires-days", "1")
    mine = {"SLIPWAY_OPS_TOKEN": made["token"]}
    assert flags.run("flag list", **mine)["frozen"] is None
    assert "flags:kill" in flags.run("flag kill", FLAG, "--reason", "x", expect=38, **mine)["what"]
    flags.run("token revoke", made["id"])
    assert flags.run("flag list", expect=38, **mine)["error"] == "TokenRefused"
    assert {one["name"]: one["state"] for one in flags.run("token list")["tokens"]}["reader"] == "revoked"
    assert flags.run("flag list", expect=38, SLIPWAY_OPS_TOKEN="nonsense")["error"] == "TokenRefused"
    assert (flags.home.env(flags.name) / "ops-token").stat().st_mode & 0o777 == 0o600


def test_bad_input_changes_nothing(flags: Any, tmp_path: Path) -> None:
    before = flags.run("flag list")["version"]
    assert flags.run("flag kill", "no-such-flag", "--reason", "x", expect=37)["error"] == "FlagRefused"
    assert flags.run("flag set", FLAG, "--reason", "x", expect=2)["error"] == "UsageError"
    assert flags.run("flag set", FLAG, "--percentage", "5", "--variant", "maybe", "--reason", "x", expect=37)["error"] == "FlagRefused"
    good = state(flags)["definition"]
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"flags": {"another": good, FLAG: {"state": "MAYBE"}}}))
    assert "pricing-v2.state" in flags.run("flag import", str(file), "--reason", "x", expect=37)["what"]
    file.write_text("[]")
    assert flags.run("flag import", str(file), "--reason", "x", expect=2)["error"] == "UsageError"
    assert flags.run("flag list")["version"] == before


def test_definitions_go_out_and_come_back_in_flagds_form(flags: Any, tmp_path: Path) -> None:
    file = tmp_path / "flags.json"
    argv = [str(Path(sys.executable).with_name("release")), "flag", "export", str(file), "--env", flags.name]
    subprocess.run(argv, check=True, capture_output=True, cwd=ROOT, env=flags.environ())
    before = json.loads(file.read_text())["flags"][FLAG]
    flags.run("flag kill", FLAG, "--reason", "x")
    assert flags.run("flag import", str(file), "--reason", "as it was")["changed"] == [FLAG]
    assert state(flags)["definition"] == before
