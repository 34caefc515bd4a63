"""What one machine gives to another: enough to verify and run a release there, and never what signs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from release import errors
from release.adapters.handover import Handover
from release.adapters.keys import key_id, rotate, signing_key, trusted_key
from release.adapters.oci import OciArtifacts
from release.cli import main
from release.home import Home

pytestmark = pytest.mark.thorough


def command(home: Home, *words: str, expect: int = 0) -> dict[str, Any]:
    done = CliRunner(env={"SLIPWAY_HOME": str(home.root)}).invoke(main, [*words, "--json"])
    assert done.exit_code == expect, done.output
    return {} if expect else dict(json.loads(done.stdout))


@pytest.fixture
def digest(store: Home) -> str:
    return OciArtifacts(store).list()[0]


@pytest.fixture
def folder(store: Home, digest: str, tmp_path: Path) -> Path:
    folder = tmp_path / "handed over"
    assert command(store, "handover", digest, str(folder)) == {"digest": digest, "folder": str(folder)}
    return folder


@pytest.fixture
def other(pristine: Path, tmp_path: Path) -> Home:
    """Another machine, with the same commit and nothing else."""
    return Home(Path(shutil.copytree(pristine, tmp_path / "other")))


def test_another_machine_verifies_what_it_received(store: Home, other: Home, digest: str, folder: Path) -> None:
    with pytest.raises(errors.UnknownDigest):
        OciArtifacts(other).verify(digest)
    answer = command(other, "receive", str(folder))
    assert answer == {"folder": str(folder), "trusted": key_id(trusted_key(store.keys))}
    assert OciArtifacts(other).verify(digest) == OciArtifacts(store).verify(digest)
    assert OciArtifacts(other).list() == (digest,), "that one release, and no other of the machine that built it"
    assert command(other, "receive", str(folder)) == answer
    assert OciArtifacts(other).list() == (digest,)


def test_its_manifest_is_the_digest_and_its_sbom_is_what_was_signed(store: Home, digest: str, folder: Path) -> None:
    assert "sha256:" + hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest() == digest
    assert json.loads((folder / "sbom.cdx.json").read_text()) == OciArtifacts(store).sbom(digest)


def test_the_private_key_stays(store: Home, other: Home, folder: Path) -> None:
    private = (store.keys / "release.key").read_bytes()
    secret = private.splitlines()[1]
    assert len(secret) > 40
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not any(secret in path.read_bytes() or b"PRIVATE" in path.read_bytes() for path in files)
    command(other, "receive", str(folder))
    assert not (other.keys / "release.key").exists(), "who only receives signs nothing"


def test_a_second_handover_takes_the_place_of_the_first(store: Home, digest: str, folder: Path, other: Home) -> None:
    second = OciArtifacts(store).list()[1]
    command(store, "handover", second, str(folder))
    command(other, "receive", str(folder))
    assert OciArtifacts(other).list() == (second,)
    assert [path.name for path in folder.parent.glob(".handed over*")] == [".handed over.lock"]


def test_what_is_signed_by_another_key_than_the_one_beside_it_is_refused(other: Home, digest: str, folder: Path, tmp_path: Path) -> None:
    signing_key(tmp_path / "theirs")
    shutil.copyfile(tmp_path / "theirs" / "release.pub", folder / "release.pub")
    command(other, "receive", str(folder))
    with pytest.raises(errors.WrongSignature):
        OciArtifacts(other).verify(digest)


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"X")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda folder, digest: damage(folder / "oci" / "blobs" / "sha256" / digest.removeprefix("sha256:")), errors.Tampered),
        (lambda folder, _: [damage(path) for path in (folder / "oci" / "blobs" / "sha256").iterdir()], errors.Tampered),
        (lambda folder, _: (folder / "oci" / "index.json").unlink(), errors.Tampered),
        (lambda folder, _: damage(folder / "oci" / "index.json"), errors.Tampered),
        (lambda folder, _: (folder / "release.pub").unlink(), errors.WrongSignature),
        (lambda folder, _: (folder / "release.pub").write_text("garbage"), errors.WrongSignature),
        (lambda folder, _: shutil.rmtree(folder), errors.UsageError),
    ],
    ids=["manifest", "each part", "no index", "index", "no key", "no such key", "no folder"],
)
def test_what_was_tampered_with_is_not_taken_over_and_nobody_new_is_trusted(
    other: Home, digest: str, folder: Path, change: Callable[[Path, str], object], error: type[errors.SlipwayError]
) -> None:
    change(folder, digest)
    command(other, "receive", str(folder), expect=error.exit_code)
    assert not (other.keys / "trusted").exists()
    assert OciArtifacts(other).list() == ()


@pytest.mark.parametrize(
    ("named", "error"), [("sha256:" + "0" * 64, errors.UnknownDigest), ("", errors.NotADigest), ("latest", errors.NotADigest)]
)
def test_only_what_verifies_is_handed_over(store: Home, tmp_path: Path, named: str, error: type[errors.SlipwayError]) -> None:
    command(store, "handover", named, str(tmp_path / "x"), expect=error.exit_code)
    assert not (tmp_path / "x").exists()


def test_a_release_that_is_tampered_with_is_not_handed_over(store: Home, digest: str, tmp_path: Path) -> None:
    damage(store.artifacts / "blobs" / "sha256" / digest.removeprefix("sha256:"))
    command(store, "handover", digest, str(tmp_path / "x"), expect=errors.Tampered.exit_code)
    assert not (tmp_path / "x").exists()


def test_an_image_comes_from_its_registry_so_only_what_names_it_is_handed_over(
    store: Home, other: Home, digest: str, tmp_path: Path
) -> None:
    layout = OciArtifacts(store)._layout
    Handover(tmp_path / "x").write(layout, digest, {}, store.keys, whole=False)
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["manifest.json", "release.pub", "sbom.cdx.json"]
    command(other, "receive", str(tmp_path / "x"))
    assert OciArtifacts(other).list() == ()


def test_after_a_rotation_the_key_that_signed_goes_along(store: Home, other: Home, digest: str, tmp_path: Path) -> None:
    """The release is signed by the old key alone; the receiver needs that one."""
    rotate(store.keys)
    command(store, "handover", digest, str(tmp_path / "x"))
    command(other, "receive", str(tmp_path / "x"))
    OciArtifacts(other).verify(digest)
