"""A layer holds plain files only, and unpacks whole or not at all."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release import errors
from release.adapters.layer import contents, pack, write
from release.adapters.layout import Layout
from release.adapters.oci import OciArtifacts
from release.artifact import File, Manifest, decode, digest_of
from release.home import Home

FILES = (File("api/app/x.py", b"x = 1\n"), File("db/run.sh", b"#!/bin/sh\n", executable=True), File("requirements/api.lock", b""))
NAMES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=150), min_size=1, max_size=3)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(st.dictionaries(NAMES.map("/".join), st.tuples(st.binary(max_size=2000), st.booleans()), max_size=6))
@pytest.mark.thorough
def test_what_goes_in_comes_out_and_order_does_not_matter(content: dict[str, tuple[bytes, bool]]) -> None:
    files = [File(path, *rest) for path, rest in content.items() if ".." not in path.split("/") and path not in {".", ""}]
    packed = pack(files)
    assert pack(reversed(files)) == packed
    assert contents(packed, "layer") == tuple(sorted(files, key=lambda file: file.path))


def test_other_tools_read_it(tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", "-"], input=pack(FILES), cwd=tmp_path, timeout=10, check=True)
    assert tree(tmp_path) == {file.path: file.data for file in FILES}
    assert [file.path for file in FILES if (tmp_path / file.path).stat().st_mode & 0o100] == ["db/run.sh"]
    assert {(tmp_path / file.path).stat().st_mtime for file in FILES} == {0}


def test_the_same_bits_on_every_version_of_python() -> None:
    assert digest_of(pack(FILES)) == "sha256:92f6821d9b3fe6ffa140d71e10d42ce9c7c64290e3504da97c6b61f1cd76cc4f"


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../evil")],
        [entry("a/../../evil")],
        [entry("/etc/evil")],
        [entry("link", tarfile.SYMTYPE, "/etc/passwd")],
        [entry("link", tarfile.LNKTYPE, "x")],
        [entry("device", tarfile.CHRTYPE)],
        [entry("pipe", tarfile.FIFOTYPE)],
        [entry("folder", tarfile.DIRTYPE)],
        [entry("twice"), entry("twice")],
    ],
)
def test_an_unsafe_entry(entries: list[tarfile.TarInfo]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for item in entries:
            tar.addfile(item)
    with pytest.raises(errors.Tampered, match="unsafe entry"):
        contents(buffer.getvalue(), "The layer")


@pytest.mark.parametrize("data", [b"x" * 600, pack(FILES)[:700], b"\x1f\x8b" + b"\0" * 600])
def test_not_a_tar(data: bytes) -> None:
    with pytest.raises(errors.Tampered):
        contents(data, "The layer")


def test_unpacks_whole_and_again_without_touching_it(store: Home) -> None:
    artifacts, into = OciArtifacts(store), store.release(OciArtifacts(store).list()[1])
    artifacts.unpack(artifacts.list()[1], into)
    assert b"// 0" in (into / "api/app/pricing.py").read_bytes()
    (into / "api/app/__pycache__").mkdir()
    (into / "api/app/__pycache__/pricing.pyc").write_bytes(b"compiled")
    before = {path: path.stat().st_ino for path in into.rglob("*")}
    artifacts.unpack(artifacts.list()[1], into)
    assert {path: path.stat().st_ino for path in into.rglob("*")} == before
    assert [path.name for path in into.parent.iterdir()] == [into.name]


@pytest.mark.parametrize("harm", ["edit", "remove", "add", "link", "half"])
def test_unpacks_anew_what_was_changed(store: Home, harm: str) -> None:
    artifacts = OciArtifacts(store)
    digest = artifacts.list()[0]
    into = store.release(digest)
    artifacts.unpack(digest, into)
    whole, pricing = tree(into), into / "api/app/pricing.py"
    if harm in ("remove", "link", "half"):
        pricing.unlink()
    changes: dict[str, Callable[[], object]] = {
        "edit": lambda: pricing.write_bytes(b"evil"),
        "remove": lambda: None,
        "add": lambda: (into / "api/sitecustomize.py").write_bytes(b"evil"),
        "link": lambda: pricing.symlink_to(store.root / "api/app/pricing.py"),  # the same bytes, for now
        "half": (into / "api/app/__init__.py").unlink,
    }
    changes[harm]()
    artifacts.unpack(digest, into)
    assert tree(into) == whole
    assert not pricing.is_symlink()


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "into").write_text("a file")
    write(FILES, tmp_path / "into")
    assert set(tree(tmp_path / "into")) == {file.path for file in FILES}
    assert [path.name for path in tmp_path.iterdir()] == ["into"]


def test_many_at_once_leave_one_whole_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: write(FILES, tmp_path / "into"), range(24)))
    assert tree(tmp_path / "into") == {file.path: file.data for file in FILES}
    assert [path.name for path in tmp_path.iterdir()] == ["into"]


def test_hashes_are_checked_again_while_unpacking(store: Home) -> None:
    artifacts, layout = OciArtifacts(store), Layout(store.artifacts)
    digest = artifacts.list()[0]
    artifacts.verify(digest)
    layer = decode(layout.path(digest).read_bytes(), Manifest, "manifest").layers[0]
    layout.path(layer.digest).write_bytes(pack(FILES))
    with pytest.raises(errors.Tampered):
        artifacts.unpack(digest, store.release(digest))
    assert not store.release(digest).exists()
