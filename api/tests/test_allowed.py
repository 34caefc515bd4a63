"""A breaking change passes only while someone stands up for exactly it."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import date
from pathlib import Path

import pytest
from contract import __main__ as command
from contract import files
from contract.allowed import NotUnderstood, complaints, parse

CHANGE = "GET /version: removed"
REASON = "Nobody has asked for it since level 2."
TODAY = date(2026, 11, 23)


def entries(*more: str) -> str:
    return "\n".join([f'- change: "{CHANGE}"', f"  reason: {REASON}", *(f"  {line}" for line in more)])


def test_an_entry_allows_its_change() -> None:
    assert list(complaints([CHANGE], parse(entries('ticket: "#31"')), TODAY)) == []
    assert list(complaints([CHANGE], parse(entries("expires: 2026-11-23")), TODAY)) == []


def test_what_nobody_allows_is_told() -> None:
    assert list(complaints([CHANGE], [], TODAY)) == [f"breaks clients of the last release: {CHANGE}"]
    other = list(complaints(["GET /livez: removed"], parse(entries('ticket: "#31"')), TODAY))
    assert other == ["breaks clients of the last release: GET /livez: removed", f"allowed, but no such change (any more): {CHANGE}"]


def test_an_entry_ends() -> None:
    assert list(complaints([CHANGE], parse(entries("expires: 2026-11-22")), TODAY)) == [f"was allowed until 2026-11-22: {CHANGE}"]


def test_an_entry_stands_alone() -> None:
    twice = entries('ticket: "#31"') + "\n" + entries('ticket: "#32"')
    assert list(complaints([CHANGE], parse(twice), TODAY)) == [f"allowed twice: {CHANGE}"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]"])
def test_nothing_is_allowed(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (entries(), "entry 1: Value error, needs a `ticket`, or a date at which it `expires`"),
        (f'- {{change: "{CHANGE}", ticket: "#1"}}', "entry 1.reason: Field required"),
        (
            f'- {{change: "{CHANGE}", reason: "   because it is     ", ticket: "#1"}}',
            "entry 1.reason: String should have at least 20 characters",
        ),
        (f'- {{change: " ", reason: "{REASON}", ticket: "#1"}}', "entry 1.change: String should have at least 1 character"),
        (entries('ticket: ""'), "entry 1.ticket: String should have at least 1 character"),
        (entries("expires: soon"), "entry 1.expires: "),
        (entries('ticket: "#1"', "why: not"), "entry 1.why: Extra inputs are not permitted"),
        ("change: x", "the file: Input should be a valid list"),
        ("- [", "it is not YAML: "),
    ],
)
def test_what_is_missing_is_named(text: str, told: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        parse(text)
    assert str(refused.value).startswith(told)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The four files, in a repository of their own: the newer document has lost an address."""
    for name in ("OPENAPI", "RELEASED", "COMMIT", "ALLOWED"):
        path = tmp_path / getattr(files, name).name
        path.write_bytes(getattr(files, name).read_bytes())
        monkeypatch.setattr(files, name, path)
    files.ALLOWED.write_text(files.without_entries(files.ALLOWED.read_text(encoding="utf-8")), encoding="utf-8")
    files.COMMIT.write_text("of the release before")
    monkeypatch.setattr(files, "HERE", tmp_path)
    for words in (["init", "-q"], ["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, timeout=30)
    document = json.loads(files.OPENAPI.read_bytes())
    files.RELEASED.write_bytes(files.OPENAPI.read_bytes())
    del document["paths"]["/version"]
    files.OPENAPI.write_text(json.dumps(document), encoding="utf-8")
    return tmp_path


@pytest.mark.thorough
def test_a_release_moves_the_document_forward(folder: Path) -> None:
    comments = files.ALLOWED.read_text(encoding="utf-8")
    assert command.release() == [f"breaks clients of the last release: {CHANGE}"]
    assert files.RELEASED.read_bytes() != files.OPENAPI.read_bytes()
    assert files.COMMIT.read_text() == "of the release before"
    files.ALLOWED.write_text(comments + entries('ticket: "#31"') + "\n", encoding="utf-8")
    assert command.release() == []
    assert files.RELEASED.read_bytes() == files.OPENAPI.read_bytes()
    assert re.fullmatch(r"[0-9a-f]{40}\n", files.COMMIT.read_text())
    assert files.ALLOWED.read_text(encoding="utf-8") == comments
    assert command.release() == []


@pytest.mark.thorough
def test_check_says_which_command_helps(folder: Path) -> None:
    stale, broken = command.check()
    assert "python -m contract write" in stale
    assert broken.endswith(CHANGE)
    files.ALLOWED.write_text("- 1", encoding="utf-8")
    assert command.check()[1].startswith("api/contract/allowed.yaml: entry 1: ")
    assert command.write() == []
    files.ALLOWED.write_text("", encoding="utf-8")
    assert command.check() == []
