"""Which parts of a release are known to be vulnerable, or under a licence that is not wanted."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from release import errors
from release.adapters.advisories import fetch, read
from release.scan import Finding, Part, Rules, parts, scan


def advisory(name: str = "Jinja2", ecosystem: str = "PyPI", modified: str = "2026-11-20T00:00:00Z", **affected: Any) -> dict[str, Any]:
    return {
        "id": "OSV-1",
        "modified": modified,
        "summary": "escapes the sandbox",
        "affected": [{"package": {"name": name, "ecosystem": ecosystem}, **affected}],
    }


def ranged(*events: dict[str, str]) -> dict[str, Any]:
    return {"ranges": [{"type": "ECOSYSTEM", "events": list(events)}]}


def hits(version: str, **affected: Any) -> bool:
    return bool(scan([Part("PyPI", "jinja2", version, ())], [advisory(**affected)]).vulnerabilities)


@pytest.mark.parametrize(
    ("version", "hit"), [("2.9", False), ("2.10", True), ("2.11.2", True), ("2.11.3", False), ("3.0", False), ("not a version", True)]
)
def test_from_introduced_to_before_fixed(version: str, hit: bool) -> None:
    assert hits(version, **ranged({"introduced": "2.10"}, {"fixed": "2.11.3"})) is hit


@pytest.mark.parametrize(("version", "hit"), [("1.0", True), ("1.5", True), ("1.5.1", False)])
def test_from_the_beginning_to_the_last_that_is_affected(version: str, hit: bool) -> None:
    assert hits(version, **ranged({"introduced": "0"}, {"last_affected": "1.5"})) is hit


def test_introduced_again() -> None:
    twice = ranged({"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "2.0"})
    assert [hits(version, **twice) for version in ("0.9", "1.0", "1.9", "2.0", "3")] == [True, False, False, True, True]


def test_by_a_list_of_versions_and_never_by_another_package_or_when_withdrawn() -> None:
    assert hits("2.10", versions=["2.10"])
    assert not hits("2.10", name="Jinja3", versions=["2.10"])
    assert not hits("2.10", ecosystem="npm", versions=["2.10"])
    withdrawn = {**advisory(versions=["2.10"]), "withdrawn": "2026-11-21T00:00:00Z"}
    assert not scan([Part("PyPI", "jinja2", "2.10", ())], [withdrawn]).vulnerabilities


def test_what_an_sbom_lists() -> None:
    components = [
        {"name": "FastAPI", "version": "1", "purl": "pkg:pypi/fastapi@1", "licenses": [{"license": {"id": "MIT"}}]},
        {"name": "query", "version": "2", "purl": "pkg:npm/%40tanstack/query@2", "licenses": [{"expression": "AGPL-3.0-only"}]},
        {"name": "libc6", "version": "2.41-12", "purl": "pkg:deb/debian/libc6@2.41-12"},
        {"name": "trixie", "type": "operating-system"},
    ]
    found = parts({"components": components})
    assert [(one.ecosystem, one.name) for one in found] == [("PyPI", "fastapi"), ("npm", "@tanstack/query"), ("", "libc6")]
    said = scan(found, [], denied=["AGPL-*"])
    assert [(one.part, one.what) for one in said.licences] == [("@tanstack/query", "AGPL-3.0-only")]
    assert (said.parts, said.unasked, said.unlicensed) == (3, 1, 1)


def test_it_says_how_old_its_data_is() -> None:
    said = scan([], [advisory(modified="2026-11-20T00:00:00Z"), advisory(modified="2026-11-10T12:00:00.5Z")])
    assert said.age_days(datetime(2026, 11, 24, tzinfo=UTC)) == 4
    assert scan([], []).age_days(datetime(2026, 11, 24, tzinfo=UTC)) is None


def test_data_is_a_folder_of_archives_as_osv_exports_them(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "PyPI.zip", "w") as archive:
        archive.writestr("OSV-1.json", json.dumps(advisory()))
    (tmp_path / "mine.json").write_text(json.dumps(advisory()))
    assert len(list(read(tmp_path))) == 2


def test_data_that_is_missing_or_damaged_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="no advisories"):
        list(read(tmp_path))
    (tmp_path / "PyPI.zip").write_bytes(b"no archive")
    with pytest.raises(errors.UsageError, match=r"PyPI\.zip"):
        list(read(tmp_path))


@pytest.fixture
def export(tmp_path: Path) -> Iterator[str]:
    """A mirror of PyPI's advisories."""
    folder = tmp_path / "mirror" / "PyPI"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("OSV-1.json", json.dumps(advisory()))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder.parent))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{{ecosystem}}/all.zip"
        server.shutdown()
        thread.join()


def test_advisories_are_fetched_whole_or_left_as_they_are(export: str, tmp_path: Path) -> None:
    kept = tmp_path / "advisories"
    fetch(kept, ["PyPI"], export)
    assert [one["id"] for one in read(kept)] == ["OSV-1"]
    with pytest.raises(errors.MachineLacks, match="npm"):
        fetch(kept, ["npm"], export)
    assert [path.name for path in kept.iterdir()] == ["PyPI.zip"]


def test_what_was_accepted_counts_again_when_it_has_expired() -> None:
    rules = Rules.model_validate(
        {"licences_denied": [], "accepted": [{"id": "OSV-1", "reason": "we never call it", "expires": "2026-12-01"}]}
    )
    finding = Finding("jinja2", "2.10", "OSV-1", "")
    assert [rules.stands(finding, date(2026, 12, day)) for day in (1, 2)] == [False, True]
    assert rules.stands(Finding("jinja2", "2.10", "OSV-2", ""), date(2026, 12, 1))
