"""A drill's bug is a patch on top of the tree, and makes another release. The tree itself is not touched."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from release.adapters import source
from release.adapters.build import build
from release.adapters.oci import OciArtifacts
from release.adapters.patch import patched
from release.errors import PatchDoesNotApply
from release.home import Home

HUNK = "@@ -1,2 +1,2 @@\n def gross(net_cents: int) -> int:\n-    return net_cents + net_cents // 5\n+    return 0\n"


def header(path: str) -> str:
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"


def refused(home: Home, tmp_path: Path, text: str | bytes) -> str:
    patch = tmp_path / "it.patch"
    patch.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PatchDoesNotApply) as caught:
        build(home, patch)
    assert not home.artifacts.exists()
    assert caught.value.remedy
    return caught.value.what


def test_a_patch_makes_another_release_of_the_same_commit(checkout: Home, bug: Path) -> None:
    before = (checkout.root / "api/app/pricing.py").read_text()
    plain, buggy = build(checkout), build(checkout, bug)
    mark = hashlib.sha256(bug.read_bytes()).hexdigest()
    assert buggy.revision == f"{plain.revision}+patch-{mark[:8]}"
    assert buggy.digest != plain.digest
    assert (checkout.root / "api/app/pricing.py").read_text() == before
    said = OciArtifacts(checkout).provenance(buggy.digest).build_definition
    assert {"sha256": mark} in [dict(item.digest) for item in said.resolved_dependencies]
    assert build(checkout, bug).digest == buggy.digest


def test_the_patched_file_is_what_git_says(checkout: Home, bug: Path) -> None:
    files = {file.path: file.data for file in patched(source.read(checkout.root), bug).files}
    assert files["api/app/pricing.py"] == b"def gross(net_cents: int) -> int:\n    return net_cents // 0\n"


def test_a_patch_may_add_and_remove_files(checkout: Home, tmp_path: Path) -> None:
    patch = tmp_path / "it.patch"
    patch.write_text(
        "diff --git a/db/env.py b/db/env.py\ndeleted file mode 100644\n--- a/db/env.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-print('migrate')\n"
        "diff --git a/db/two.py b/db/two.py\nnew file mode 100755\n--- /dev/null\n+++ b/db/two.py\n@@ -0,0 +1 @@\n+x = 2\n"
    )
    files = {file.path: file.executable for file in patched(source.read(checkout.root), patch).files}
    assert "db/env.py" not in files
    assert files["db/two.py"] is True


def test_the_repository_around_the_temporary_folder_does_not_matter(checkout: Home, bug: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = checkout.root / "api" / "scratch"
    inside.mkdir()
    elsewhere = build(checkout, bug)
    monkeypatch.setattr("tempfile.tempdir", str(inside))
    assert build(checkout, bug).digest == elsewhere.digest


def test_a_hunk_that_does_not_fit_is_named(checkout: Home, tmp_path: Path) -> None:
    said = refused(checkout, tmp_path, header("api/app/pricing.py") + HUNK.replace("// 5", "// 7"))
    assert "api/app/pricing.py:1" in said


def test_a_file_that_is_not_there(checkout: Home, tmp_path: Path) -> None:
    assert "api/app/prices.py" in refused(checkout, tmp_path, header("api/app/prices.py") + HUNK)


@pytest.mark.parametrize(
    "path", ["README.md", "pipeline/policy.yaml", "api/tests/test_store.py", "db/tests/test_db.py", "../outside.py", "/etc/passwd"]
)
def test_a_patch_that_reaches_outside_the_release(checkout: Home, tmp_path: Path, path: str) -> None:
    said = refused(checkout, tmp_path, header("api/app/pricing.py") + HUNK + header(path) + HUNK)
    assert path.removeprefix("/") in said


def test_a_rename_out_of_the_release(checkout: Home, tmp_path: Path) -> None:
    text = "diff --git a/db/env.py b/env.py\nsimilarity index 100%\nrename from db/env.py\nrename to env.py\n"
    assert "env.py, which is not part of a release" in refused(checkout, tmp_path, text)


def test_a_link_out_of_the_release(checkout: Home, tmp_path: Path) -> None:
    text = (
        "diff --git a/db/x.py b/db/x.py\nnew file mode 120000\n--- /dev/null\n+++ b/db/x.py\n@@ -0,0 +1 @@\n"
        "+/etc/passwd\n\\ No newline at end of file\n"
    )
    assert "db/x.py a link" in refused(checkout, tmp_path, text)


@pytest.mark.parametrize("text", ["", "not a patch\n", b"\x00\xff" * 500, header("db/env.py") + "@@ -1 +1 @@\n"])
def test_what_is_not_a_patch(checkout: Home, tmp_path: Path, text: str | bytes) -> None:
    assert "is not a patch: " in refused(checkout, tmp_path, text)


def test_a_patch_that_changes_nothing(checkout: Home, tmp_path: Path) -> None:
    text = "diff --git a/db/env.py b/db/env.py\nold mode 100755\nnew mode 100644\n"
    assert "changes nothing" in refused(checkout, tmp_path, text)


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_no_such_file(checkout: Home, tmp_path: Path, kind: str) -> None:
    patch = tmp_path if kind == "folder" else tmp_path / "missing.patch"
    with pytest.raises(PatchDoesNotApply, match="is not a file"):
        build(checkout, patch)
