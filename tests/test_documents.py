"""The documents are true: each command parses, each link leads somewhere, each error has its page, each word is in use."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
from pages import commands

import drill.cli
import release.cli
from release import errors

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("runbooks/*.md")])
PROGRAMS: dict[str, click.Command] = {"release": release.cli.main, "drill": drill.cli.main}
DIGEST = "sha256:" + "0" * 64


def classes(base: type[errors.SlipwayError] = errors.SlipwayError) -> list[type[errors.SlipwayError]]:
    return [sub for kind in base.__subclasses__() if kind.__module__ == errors.__name__ for sub in (kind, *classes(kind))]


def parses(argv: list[str]) -> None:
    """Walk groups, then let click parse the rest: unknown commands, options and missing arguments raise."""
    command: click.Command = PROGRAMS[argv[0]]
    rest = [DIGEST if word == "DIGEST" else word for word in argv[1:]]
    with click.Context(command, info_name=argv[0]) as context:
        while isinstance(command, click.Group):
            name, found, rest = command.resolve_command(context, rest)
            assert found is not None, name
            command = found
        command.make_context(argv[0], rest, resilient_parsing=False).close()


ALL = [(page, line) for page in PAGES for line in commands(page)]


def test_there_are_commands_to_check() -> None:
    assert len(ALL) > 20


@pytest.mark.parametrize(("page", "line"), ALL, ids=lambda value: value.name if isinstance(value, Path) else value)
def test_every_command_in_a_page_parses(page: Path, line: str) -> None:
    for part in line.split("&&"):
        argv = shlex.split(part, comments=True)
        if argv[0] == "make":
            targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
            assert {word for word in argv[1:] if "=" not in word} <= targets
        elif argv[0].removeprefix(".venv/bin/") in PROGRAMS:
            parses([argv[0].removeprefix(".venv/bin/"), *argv[1:]])
        else:
            assert argv[0] in {"git", "cd"}, f"{page.name}: nobody checks {line}"


def test_make_targets_named_in_prose_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)[^`]*`", page.read_text()))
        assert named <= targets, page.name


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_test_named_in_a_page_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"`((?:[a-z]+/)?tests/[a-z_]+\.py)`", page.read_text())}
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_every_error_has_a_page_and_an_exit_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in classes()]
    assert len(set(codes)) == len(codes)
    for kind in classes():
        assert (ROOT / "runbooks" / kind.runbook).is_file(), kind.__name__
        assert re.search(rf"\b{kind.__name__} +{kind.exit_code}\b", errors.__doc__ or ""), f"{kind.__name__} is not in the tree at the top"


def test_every_remedy_names_commands_that_exist() -> None:
    for kind in classes():
        for line in re.findall(r"`((?:release|drill) [^`]+)`", kind.remedy):
            words = [word if word not in ("TEXT", "PATCH") else "x" for word in shlex.split(line)]
            if len(words) > 2:
                parses(words)
            else:
                assert words[1] == "--help" or words[1] in PROGRAMS[words[0]].commands, line  # type: ignore[attr-defined]


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "runbooks" / "README.md").read_text()
    for page in (ROOT / "runbooks").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, page.name


def test_every_word_of_the_glossary_is_in_use() -> None:
    terms = [
        term.strip()
        for cell in re.findall(r"^\| (\*\*.+?) \|", (ROOT / "GLOSSARY.md").read_text(), re.M)
        for term in re.findall(r"\*\*(.+?)\*\*", cell)
    ]
    assert len(terms) > 30
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    text = "\n".join(
        (ROOT / name).read_text()
        for name in tracked
        if name.endswith((".py", ".yaml", ".md", ".j2")) and name != "GLOSSARY.md" and (ROOT / name).exists()
    ).lower()
    for term in terms:
        for word in term.split(", "):
            assert re.search(rf"\b{re.escape(word.lower())}", text), word
