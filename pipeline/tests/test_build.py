"""Same source, same digest; and what can't be built says why."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from release import errors
from release.adapters import build as building
from release.adapters.build import build
from release.adapters.layer import contents
from release.adapters.layout import Layout
from release.adapters.oci import OciArtifacts
from release.adapters.signing import sign_statement
from release.artifact import OF_FILES, File, Kind, Manifest, decode
from release.home import Home

BUILD = "import sys; from pathlib import Path; from release.adapters.build import build; from release.home import Home; print(build(Home(Path(sys.argv[1])), *map(Path, sys.argv[2:])).digest)"


def files_of(home: Home, digest: str) -> tuple[File, ...]:
    layout = Layout(home.artifacts)
    manifest = decode(layout.path(digest).read_bytes(), Manifest, "manifest")
    return contents(layout.path(manifest.layers[0].digest).read_bytes(), "layer")


def blobs(home: Home, digest: str) -> tuple[bytes, ...]:
    """What the digest stands for, to the last bit."""
    layout = Layout(home.artifacts)
    manifest = decode(layout.path(digest).read_bytes(), Manifest, "manifest")
    return tuple(layout.path(name).read_bytes() for name in (digest, manifest.config.digest, manifest.layers[0].digest))


def build_elsewhere(root: Path, **env: str) -> str:
    """In another process, started in another folder, with another environment."""
    umask = env.pop("UMASK", "022")
    command = ["sh", "-c", f'umask {umask}; exec "$0" "$@"', sys.executable, "-c", BUILD, str(root)]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, env={**clean, **env}, cwd="/", capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_holds_what_ships_and_no_tests(checkout: Home) -> None:
    (checkout.root / "api/app/new.py").write_text("x = 1\n")  # not tracked yet
    (checkout.root / "api/app/debug.log").write_text("ignored")
    (checkout.root / "db/env.py").unlink()  # tracked, but gone
    built = build(checkout)
    names = [file.path for file in files_of(checkout, built.digest)]
    assert names == ["api/app/__init__.py", "api/app/new.py", "api/app/pricing.py", "db/schema.json", "requirements/api.lock"]


def test_a_clean_tree_has_its_commit_as_revision(checkout: Home, git: Callable[..., str]) -> None:
    built = build(checkout)
    release = OciArtifacts(checkout).verify(built.digest)
    assert release.revision == built.revision == git(checkout.root, "rev-parse", "HEAD").strip()
    assert release.runs_on == ("0001", "0002")


def test_a_commit_is_built_again_with_the_same_digest_whatever_the_tree_is_now(checkout: Home, git: Callable[..., str]) -> None:
    (checkout.root / "api/app/pricing.py").chmod(0o755)
    git(checkout.root, "commit", "-qam", "a file that runs")
    before = build(checkout)
    (checkout.root / "api/app/pricing.py").write_text("PRICE = 3\n")
    git(checkout.root, "commit", "-qam", "another price")
    (checkout.root / "api/app/pricing.py").write_text("PRICE = 4\n")
    assert build(checkout, commit="HEAD~1").digest == before.digest
    assert build(checkout, commit="HEAD").revision == git(checkout.root, "rev-parse", "HEAD").strip()
    with pytest.raises(errors.BuildFailed, match="no commit nowhere"):
        build(checkout, commit="nowhere")
    with pytest.raises(errors.BuildFailed, match="no commit --all"):
        build(checkout, commit="--all")


@pytest.mark.parametrize("change", ["edit", "new", "delete", "mode"])
def test_a_tree_that_differs_from_its_commit_is_dirty(checkout: Home, change: str) -> None:
    clean = build(checkout)
    pricing = checkout.root / "api/app/pricing.py"
    changes: dict[str, Callable[[], object]] = {
        "edit": lambda: pricing.write_text("changed = True\n"),
        "new": lambda: (pricing.parent / "new.py").write_text(""),
        "delete": pricing.unlink,
        "mode": lambda: pricing.chmod(0o700),
    }
    changes[change]()
    dirty = build(checkout)
    assert dirty.revision == f"{clean.revision}+dirty"
    assert dirty.digest != clean.digest


def test_files_that_do_not_ship_do_not_make_it_dirty(checkout: Home) -> None:
    clean = build(checkout)
    (checkout.root / "README.md").write_text("Changed.\n")
    (checkout.root / "db/tests/test_db.py").write_text("changed = True\n")
    again = build(checkout)
    assert (again.digest, again.revision, again.built) == (clean.digest, clean.revision, False)


def test_same_source_same_digest_on_every_day_and_machine(checkout: Home, git: Callable[..., str]) -> None:
    assert git(checkout.root, "rev-parse", "HEAD").strip() == "915d4b37eaef679baa28259ef0ac1705b9c9c179"  # pragma: allowlist secret
    assert build(checkout).digest == "sha256:569b93a586265cf9ca1033128becaa6a82be7e4524ba974cb8c3a8f1b81f1196"


def test_building_it_again_changes_nothing(checkout: Home) -> None:
    first = build(checkout)
    before = {path: path.stat().st_ino for path in checkout.artifacts.rglob("*") if path.is_file()}  # what is written is another file
    again = build(checkout)
    after = {path: path.stat().st_ino for path in checkout.artifacts.rglob("*") if path.is_file()}
    assert (first.built, again.built) == (True, False)
    assert before == after


@pytest.mark.real
def test_same_source_same_bits_in_another_clone_and_environment(checkout: Home, tmp_path: Path, git: Callable[..., str]) -> None:
    here = build(checkout)
    clone = Home(tmp_path / "a clone with spaces" / "deep")
    clone.root.parent.mkdir()
    git(tmp_path, "clone", "-q", str(checkout.root), str(clone.root))
    for number, path in enumerate(sorted(clone.root.rglob("*.*"))):
        os.utime(path, (number * 1e6, number * 1e6))
        if path.is_file():
            path.chmod(0o600)
    hostile = {
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONHASHSEED": "7",
        "UMASK": "077",
        "GIT_DIR": str(tmp_path / "nowhere"),
        "GIT_INDEX_FILE": str(tmp_path / "no-index"),
        "SOURCE_DATE_EPOCH": "1",
    }
    there = build_elsewhere(clone.root, **hostile)
    assert there == here.digest
    assert blobs(clone, there) == blobs(checkout, here.digest)


@pytest.mark.real
def test_same_source_same_bits_with_a_non_ascii_name_in_another_locale(checkout: Home) -> None:
    (checkout.root / "db" / os.fsdecode("größe.sql".encode())).write_text("select 1")
    twin = Home(Path(shutil.copytree(checkout.root, checkout.root.parent / "twin")))
    assert build_elsewhere(twin.root, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0") == build(checkout).digest


def test_sbom_is_the_same_for_the_same_release_and_provenance_is_dated(checkout: Home) -> None:
    digest = build(checkout).digest
    sbom = OciArtifacts(checkout).bundle(digest, Kind.SBOM).read_bytes()
    payload = json.loads(sbom)["dsseEnvelope"]["payload"]
    shutil.rmtree(checkout.artifacts)
    build(checkout)
    again = json.loads(OciArtifacts(checkout).bundle(digest, Kind.SBOM).read_bytes())["dsseEnvelope"]["payload"]
    assert again == payload
    times = OciArtifacts(checkout).provenance(digest).run_details.metadata
    assert times.started_on <= times.finished_on


def test_nothing_in_a_release_names_this_machine(checkout: Home) -> None:
    build(checkout)
    telling = {str(checkout.root), str(Path.home()), os.uname().nodename}
    for path in checkout.artifacts.rglob("*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            assert not [word for word in telling if len(word) > 3 and word in text], path


@pytest.mark.real
def test_builds_at_once_give_whole_releases_and_lose_none(checkout: Home, bug: Path) -> None:
    command = [sys.executable, "-c", BUILD, str(checkout.root)]
    commands = [command, [*command, str(bug)]] * 2
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) for argv in commands]
    digests = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert len(digests) == 2
    assert set(OciArtifacts(checkout).list()) == digests
    for digest in digests:
        OciArtifacts(checkout).verify(digest)


def test_a_release_that_no_longer_verifies_is_attested_anew(store: Home) -> None:
    digest, other = OciArtifacts(store).list()
    shutil.rmtree(store.keys)  # the key is lost
    assert build(store).built
    OciArtifacts(store).verify(digest)
    assert len(Layout(store.artifacts).referrers(digest)[0]) == len(OF_FILES)  # the new ones have replaced the old
    with pytest.raises(errors.WrongSignature):
        OciArtifacts(store).verify(other)


@pytest.mark.parametrize("harm", ["truncate", "remove"])
def test_build_recovers_from_a_lost_index(store: Home, harm: str) -> None:
    digests = OciArtifacts(store).list()
    index = store.artifacts / "index.json"
    index.write_text(index.read_text()[:50]) if harm == "truncate" else index.unlink()
    assert build(store).digest == digests[0]
    assert set(OciArtifacts(store).list()) == set(digests)
    for digest in digests:
        OciArtifacts(store).verify(digest)


def test_a_build_that_was_killed_leaves_nothing_that_is_listed(checkout: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(layout: Layout, *manifests: object, **more: object) -> None:
        (layout.root / "blobs/sha256/.new-x").touch()  # as far as it had come
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Layout, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            build(checkout)
    assert OciArtifacts(checkout).list() == ()
    OciArtifacts(checkout).verify(build(checkout).digest)
    assert not list(checkout.artifacts.rglob(".new-*"))


def test_build_mends_a_damaged_layer(store: Home) -> None:
    digest, _ = OciArtifacts(store).list()
    layer = decode(OciArtifacts(store).manifest_path(digest).read_bytes(), Manifest, "manifest").layers[0]
    Layout(store.artifacts).path(layer.digest).write_bytes(b"damaged")
    assert build(store).built
    OciArtifacts(store).verify(digest)


def test_no_repository(checkout: Home) -> None:
    shutil.rmtree(checkout.root / ".git")
    with pytest.raises(errors.BuildFailed, match="git repository") as caught:
        build(checkout)
    assert "git init" in caught.value.remedy


def test_a_repository_of_somebody_else(checkout: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    with pytest.raises(errors.BuildFailed, match="dubious ownership") as caught:
        build(checkout)
    assert "safe.directory" in caught.value.remedy


def test_no_commit(checkout: Home, git: Callable[..., str]) -> None:
    shutil.rmtree(checkout.root / ".git")
    git(checkout.root, "init", "-q")
    with pytest.raises(errors.BuildFailed, match="no commit") as caught:
        build(checkout)
    assert "git commit" in caught.value.remedy


def test_no_git(checkout: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout.root))
    with pytest.raises(errors.BuildFailed, match="git is not installed"):
        build(checkout)


@pytest.mark.parametrize("name", ["requirements/api.lock", "db/schema.json"])
def test_what_a_release_needs_is_missing(checkout: Home, name: str) -> None:
    (checkout.root / name).unlink()
    with pytest.raises(errors.BuildFailed, match=f"{name} is missing"):
        build(checkout)


def test_a_link_does_not_ship(checkout: Home) -> None:
    (checkout.root / "db/link.py").symlink_to("/etc/passwd")
    with pytest.raises(errors.BuildFailed, match=r"db/link\.py is not a plain file"):
        build(checkout)


def test_unpinned_requirement(checkout: Home) -> None:
    (checkout.root / "requirements/api.lock").write_text("anyio==4.1\n")
    with pytest.raises(errors.BuildFailed, match=r"api\.lock:1: anyio is not pinned"):
        build(checkout)
    assert OciArtifacts(checkout).list() == ()


def test_keys_that_are_no_pair(checkout: Home, store: Home) -> None:
    checkout.keys.mkdir(parents=True)
    shutil.copy(store.keys / "release.pub", checkout.keys)
    with pytest.raises(errors.BuildFailed, match="signs with one key and trusts another"):
        build(checkout)


def test_no_space_or_no_right_to_write(checkout: Home) -> None:
    checkout.var.write_text("a file where a folder should be")
    with pytest.raises(errors.BuildFailed, match=r"File exists|Not a directory"):
        build(checkout)


def test_a_release_that_would_be_refused_is_never_handed_out(checkout: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "sign_message", sign_statement)
    with pytest.raises(errors.BuildFailed, match="does not verify"):
        build(checkout)
