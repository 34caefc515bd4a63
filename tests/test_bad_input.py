"""What bad input gets: its own exit code, the next step, and nothing changed."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real
UNKNOWN = "sha256:" + "0" * 64


def test_what_may_not_be_deployed_is_refused_before_anything_starts(store: Any) -> None:
    before = store.names()
    assert store.run("deploy", "store:latest", "--reason", "x", expect=11)["error"] == "NotADigest"
    assert store.run("deploy", UNKNOWN, "--reason", "x", expect=10)["error"] == "UnknownDigest"
    assert store.run("verify", UNKNOWN[:20], expect=11)["error"] == "NotADigest"
    assert store.names() == before


def test_quarantine_and_freeze_refuse_until_lifted_with_a_cause(store: Any) -> None:
    new = store.build("healthy-release")
    store.run("quarantine", new, "--reason", "known bad")
    assert store.run("deploy", new, "--reason", "x", expect=15)["error"] == "Quarantined"
    assert store.run("quarantine", "--lift", new, expect=2)["error"] == "UsageError"
    store.run("quarantine", "--lift", new, "--cause", "found")
    store.run("freeze", "--reason", "incident 12")
    assert "incident 12" in store.run("deploy", new, "--reason", "x", expect=32)["what"]


def test_rollback_and_abort_with_nothing_to_do_say_so(new_store: Any) -> None:
    store = new_store()
    assert store.run("abort", "--reason", "x", expect=31)["error"] == "NoRollout"
    assert store.run("hold", "--reason", "x", expect=31)["error"] == "NoRollout"
    assert store.run("rollback", "--reason", "x", expect=34)["error"] == "NothingToRollBackTo"


def test_a_damaged_ledger_refuses_says_where_and_how_to_go_on(store: Any) -> None:
    raw = store.ledger.read_bytes()
    serves = store.serves()
    for damage, line in ((raw[:-20], raw.count(b"\n")), (raw.replace(b"first release", b"worst release", 1), 1)):
        store.ledger.write_bytes(damage)
        answer = store.run("deploy", UNKNOWN, "--reason", "x", expect=50)
        assert f"ledger.jsonl:{line}:" in answer["what"]
        assert store.run("status", expect=50)["runbook"] == "runbooks/ledger.md"
        assert store.ledger.read_bytes() == damage
    store.ledger.write_bytes(raw[:-20])
    assert store.run("ledger repair", "--reason", "disk full") == {"env": store.name, "repaired": True, "line": raw.count(b"\n")}
    assert list(store.ledger.parent.glob("ledger.jsonl.damaged-*"))
    assert store.serves() == serves


def test_a_taken_port_is_named(new_store: Any) -> None:
    store = new_store()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in store.run("up", "--port", str(port), expect=40)["what"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("slow_ms: 250", "slow_ms: soon", "gate.slow_ms"),
        ("block_s:", "blok_s:", "gate.blok_s: no such field"),
        ("weight_pct: 10,", "weight_pct: 1,", "weights must grow"),
        ("hold_max_s: 900", "hold_max_s: 1", "must be longer than bake_s"),
        ("capital: 0.6 ", "capital: 0.5 ", "must sum to 1"),
        ("steps:", "steps: [", "not YAML"),
    ],
)
def test_a_malformed_policy_names_file_line_field_and_what_is_allowed(
    new_store: Any, tmp_path: Path, old: str, new: str, says: str
) -> None:
    text = (Path(__file__).resolve().parent.parent / "pipeline" / "policy.yaml").read_text()
    path = tmp_path / "policy.yaml"
    path.write_text(text.replace(old, new, 1))
    answer = new_store().run("policy", expect=20, SLIPWAY_POLICY=str(path))
    assert says in answer["what"]
    assert f"{path}:" in answer["what"]
    line = int(answer["what"].split(f"{path}:")[1].split(":")[0])
    assert 1 <= line <= len(text.splitlines()) + 1


@pytest.mark.parametrize(
    ("content", "error"), [("not a patch", 16), ("--- a/api/app/pricing.py\n+++ b/api/app/pricing.py\n@@ -1 +1 @@\n-x\n+y\n", 16)]
)
def test_a_patch_that_does_not_apply_is_named(new_store: Any, tmp_path: Path, content: str, error: int) -> None:
    patch = tmp_path / "mine.patch"
    patch.write_text(content)
    answer = new_store().run("build", "--patch", str(patch), expect=error)
    assert "mine.patch" in answer["what"] or "pricing.py" in answer["what"]


def test_the_lock_is_not_left_behind(store: Any) -> None:
    store.run("status")
    text = (store.home.env(store.name) / "lock").read_text()
    assert text == "" or json.loads(text)
