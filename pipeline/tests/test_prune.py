"""Old releases go; nothing that somebody needs does, whoever is killed when, and whatever begins meanwhile."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from release import errors
from release import events as e
from release.adapters import prune as pruning
from release.adapters.build import build
from release.adapters.layout import Layout
from release.adapters.oci import OciArtifacts
from release.adapters.processes import Processes
from release.adapters.prune import Pruned
from release.adapters.venvs import name_for
from release.artifact import EMPTY, IMAGE_CONFIG_TYPE, LAYER_TYPE, Kind, Manifest, descriptor, digest_of, encode, referrer
from release.cli import main
from release.home import Home, short
from release.housekeeping import prune
from release.ledger import Ledger
from release.runtime import Program, instance_name

pytestmark = pytest.mark.thorough

MUTATIONS = ("replace", "rename", "unlink", "rmdir")


class Killed(BaseException):
    """kill -9: nothing after it runs."""


def change(home: Home, number: int) -> str:
    """One more release, with its files and logs, as if it had run; every second one has other dependencies."""
    (home.root / "api/app/version.py").write_text(f"VERSION = {number}\n")
    lock = home.root / "requirements/api.lock"
    if number % 2:
        lock.write_text(lock.read_text().replace("anyio==4.", "anyio==4.1"))
    digest = build(home).digest
    os.utime(OciArtifacts(home).manifest_path(digest), (number, number))  # the same second is as likely as not
    ran(home, digest)
    return digest


def ran(home: Home, digest: str) -> None:
    OciArtifacts(home).unpack(digest, home.release(digest))
    (venv_of(home, digest) / "bin").mkdir(parents=True, exist_ok=True)
    (venv_of(home, digest) / "bin" / "python").touch()
    log = home.env("local") / "logs" / f"{instance_name(digest, 0)}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()


def venv_of(home: Home, digest: str) -> Path:
    return home.venvs / name_for(OciArtifacts(home).lock(digest))


@pytest.fixture(scope="module")
def five(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, ...]]:
    root = Path(shutil.copytree(pristine, tmp_path_factory.mktemp("five") / "checkout"))
    return root, tuple(change(Home(root), number) for number in range(1, 6))


@pytest.fixture
def home(five: tuple[Path, tuple[str, ...]], tmp_path: Path) -> Home:
    """A fresh checkout with five releases that once ran."""
    return Home(Path(shutil.copytree(five[0], tmp_path / "checkout")))


@pytest.fixture
def digests(five: tuple[Path, tuple[str, ...]]) -> tuple[str, ...]:
    """Oldest first."""
    return five[1]


def note(home: Home, *facts: e.Event, env: str = "local") -> None:
    for fact in facts:
        Ledger(home.env(env) / "ledger.jsonl", actor="test").append(fact)


def serves(digest: str) -> e.Event:
    return e.SplitSet(digest, None, 0, "1", 0.0, 0.0)


def whole(home: Home, kept: set[str]) -> None:
    """All that is kept verifies and could run at once."""
    for digest in kept:
        OciArtifacts(home).verify(digest)
        assert (home.release(digest) / "requirements/api.lock").read_bytes() == OciArtifacts(home).lock(digest)
        assert (home.release(digest) / "api/app/version.py").exists()
        assert (venv_of(home, digest) / "bin" / "python").exists()


def only(home: Home, kept: set[str]) -> None:
    """Nothing of another release is left."""
    whole(home, kept)
    assert set(OciArtifacts(home).list()) == kept
    assert {path.name for path in home.releases.iterdir()} == {short(digest) for digest in kept}
    assert {path.name for path in home.venvs.iterdir()} == {venv_of(home, digest).name for digest in kept}
    assert {path.name[8:20] for path in home.env("local").glob("logs/release-*")} == {short(digest) for digest in kept}
    layout = Layout(home.artifacts)
    assert len(layout.index().manifests) == 4 * len(kept)
    assert not layout.sweep()
    assert not [*home.artifacts.rglob(".new-*"), *home.releases.glob(".*"), *home.venvs.glob(".*")]


def test_the_newest_stay(home: Home, digests: tuple[str, ...]) -> None:
    gone = prune(home, 2)
    assert gone.releases == digests[:3]
    assert gone.kept == 2
    assert set(gone.folders) == {short(digest) for digest in digests[:3]}
    assert len(gone.venvs) == 1, "the second and third share one with the fourth, or are gone with the first"
    only(home, set(digests[3:]))
    assert prune(home, 2) == Pruned((), 2, 0, (), (), ())


def test_nothing_at_all_may_stay(home: Home) -> None:
    prune(home, 0)
    only(home, set())


def test_what_an_environment_needs_stays(home: Home, digests: tuple[str, ...]) -> None:
    note(home, serves(digests[0]))
    note(home, e.Quarantined(digests[1], "bad"), env="other")
    note(home, serves(digests[2]), e.ReleaseStopped(digests[2]), env="other")
    assert prune(home, 1).releases == (digests[2], digests[3])
    only(home, {digests[0], digests[1], digests[4]})


@pytest.mark.real
def test_what_runs_stays_with_the_venv_that_it_runs_from(home: Home, digests: tuple[str, ...]) -> None:
    processes = Processes(home.env("no-ledger"))
    python = home.venvs / "0123456789ab" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/sleep")
    try:
        processes.start(Program("stray", (str(python), "600"), home.root), digest=digests[0])
        prune(home, 0)
        whole(home, {digests[0]})
        assert OciArtifacts(home).list() == digests[:1]
        assert python.exists()
    finally:
        processes.sweep(1)
    prune(home, 0)
    only(home, set())


def test_what_is_built_again_is_as_new_as_what_is_new(home: Home, digests: tuple[str, ...]) -> None:
    assert not build(home).built  # the fifth
    os.utime(OciArtifacts(home).manifest_path(digests[4]), (0, 0))
    assert build(home).digest == digests[4]
    prune(home, 1)
    only(home, {digests[4]})


def test_a_damaged_ledger_keeps_everything(home: Home, digests: tuple[str, ...]) -> None:
    note(home, serves(digests[0]))
    note(home, serves(digests[1]), env="other")
    ledger = home.env("other") / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-9])
    with pytest.raises(errors.LedgerDamaged):
        prune(home, 0)
    only(home, set(digests))


def test_a_damaged_index_keeps_everything(home: Home, digests: tuple[str, ...]) -> None:
    index = home.artifacts / "index.json"
    good = index.read_text()
    index.write_text(good[:-9])
    with pytest.raises(errors.Tampered):
        prune(home, 0)
    index.write_text(good)
    only(home, set(digests))


def test_an_attestation_that_is_damaged_stays_and_harms_nobody(home: Home, digests: tuple[str, ...]) -> None:
    layout = Layout(home.artifacts)
    damaged = next(item for item in layout.index().manifests if item.artifact_type and "sigstore" in item.artifact_type)
    layout.path(damaged.digest).write_bytes(b"damaged")
    prune(home, 1)
    whole(home, {digests[4]})
    assert damaged in layout.index().manifests


def test_a_disk_that_gives_nothing_out_keeps_everything(home: Home, digests: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the same as damage: tomorrow it may be there again."""
    blob = OciArtifacts(home).manifest_path(digests[0])
    really = Path.open

    def broken(path: Path, *how: Any, **more: Any) -> Any:
        if path == blob:
            raise OSError(5, "Input/output error")
        return really(path, *how, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", broken)
        with pytest.raises(errors.Tampered, match="Input/output"):
            prune(home, 5)
    only(home, set(digests))


def test_a_rollout_that_begins_meanwhile_keeps_its_release(home: Home, digests: tuple[str, ...]) -> None:
    """It had verified its release before that went from the index; so its ledger names it when we look again."""
    asked: list[tuple[str, ...]] = []

    def choose(built: tuple[str, ...]) -> frozenset[str]:
        asked.append(OciArtifacts(home).list())
        return frozenset(built[-1:] if len(asked) == 1 else {*built[-1:], built[0]})

    assert pruning.prune(home, choose).releases == digests[1:4]  # type: ignore[arg-type]
    assert asked == [digests, digests[4:]], "nobody can begin with a release that may go, between the last question and its end"
    only(home, {digests[0], digests[4]})


def test_a_rollout_that_ends_meanwhile_takes_nothing_away(home: Home, digests: tuple[str, ...]) -> None:
    answers = iter([frozenset(digests[:2]), frozenset(digests[:1])])
    pruning.prune(home, lambda _: next(answers))
    only(home, set(digests[:2]))


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """The `step`-th change of the disk, and each one after it, does not happen."""
    left = step

    def counted(really: Callable[..., object]) -> Callable[..., object]:
        def act(*words: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return really(*words, **more)

        return act

    with pytest.MonkeyPatch.context() as patch:
        for name in MUTATIONS:
            patch.setattr(os, name, counted(getattr(os, name)))
        yield


def test_killed_at_any_step(five: tuple[Path, tuple[str, ...]], tmp_path: Path) -> None:
    """What is kept is whole at once, and the next prune leaves nothing of the others."""
    first, _, middle, _, last = five[1]
    kept = {first, last}
    venv_of_middle = name_for(OciArtifacts(Home(five[0])).lock(middle))
    three = Home(Path(shutil.copytree(five[0], tmp_path / "three")))
    pruning.prune(three, lambda _: frozenset({first, middle, last}))
    note(three, serves(first))
    (three.releases / f".{short(last)}.being-unpacked").mkdir()
    (three.releases / f".{short(middle)}.was-killed").mkdir()
    for step in range(1000):
        home = Home(Path(shutil.copytree(three.var, tmp_path / str(step) / "var")).parent)
        try:
            with killed_at(step):
                prune(home, 1)
            break
        except Killed:
            whole(home, kept)
            assert set(OciArtifacts(home).list()) in ({*kept, middle}, kept), "the index is the old or the new one"
            for folder, last_file in ((home.release(middle), "requirements/api.lock"), (home.venvs / venv_of_middle, "bin/python")):
                assert not folder.exists() or (folder / last_file).exists(), "a part of a folder never has its name"
        finally:
            prune(home, 1)
            (home.releases / f".{short(last)}.being-unpacked").rmdir()  # somebody may be at work there
            only(home, kept)
    assert step > 20


def test_the_command(home: Home, digests: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(home.root))
    answer = json.loads(CliRunner().invoke(main, ["prune", "--keep", "3", "--json"]).stdout)
    assert answer["releases"] == [*digests[:2]]
    assert answer["kept"] == 3
    again = CliRunner().invoke(main, ["prune"])
    assert (again.exit_code, again.stdout) == (0, "")


def test_a_build_of_something_new_lets_the_oldest_go(home: Home, digests: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(home.root))
    monkeypatch.setattr(prune, "__defaults__", (3, frozenset()))
    note(home, serves(digests[0]))

    def build_by_command() -> str:
        return str(json.loads(CliRunner().invoke(main, ["build", "--json"]).stdout)["digest"])

    assert build_by_command() == digests[4]
    assert len(OciArtifacts(home).list()) == 5, "nothing new"
    (home.root / "api/app/version.py").write_text("VERSION = 6\n")
    new = build_by_command()
    assert set(OciArtifacts(home).list()) == {digests[0], *digests[2:], new}


def test_a_new_release_is_there_whatever_the_clock_says_and_whatever_hinders_the_prune(
    home: Home, digests: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(home.root))
    ledger = home.env("other") / "ledger.jsonl"
    ledger.parent.mkdir(parents=True)
    ledger.write_text("damaged")
    (home.root / "api/app/version.py").write_text("VERSION = 6\n")
    built = CliRunner().invoke(main, ["build", "--json"])
    assert built.exit_code == 0
    new = json.loads(built.stdout)["digest"]
    assert "No older release was removed" in built.stderr
    ledger.unlink()
    os.utime(OciArtifacts(home).manifest_path(new), (0, 0))
    prune(home, 1, also={new})
    assert set(OciArtifacts(home).list()) == {digests[4], new}


def image(home: Home, number: int) -> str:
    """One that was built here: its manifest, a layer, and a signature that hangs on it."""
    layout = Layout(home.images, IMAGE_CONFIG_TYPE)
    settings, layer, bundle = (f"{what} {number}".encode() for what in ("settings", "layer", "bundle"))
    built = encode(Manifest(config=descriptor(IMAGE_CONFIG_TYPE, settings), layers=(descriptor(LAYER_TYPE, layer),)))
    with layout.locked():
        for blob in (settings, layer, bundle, EMPTY):
            layout.write(blob)
        layout.add([built, referrer(built, Kind.IMAGE_SIGNATURE, bundle)])
    os.utime(layout.path(digest_of(built)), (number, number))
    return digest_of(built)


def test_old_images_go_with_what_is_attested_about_them(home: Home, digests: tuple[str, ...]) -> None:
    images = [image(home, number) for number in range(1, 5)]
    gone = prune(home, newest=2)
    layout = Layout(home.images, IMAGE_CONFIG_TYPE)
    assert set(images) & set(gone.releases) == set(images[:2])
    assert [one.digest for one in layout.releases()] == images[2:]
    assert len(layout.index().manifests) == 4  # two images, a signature each
    assert len(list(layout.path("").iterdir())) == 2 * 5 + 1  # manifest, settings, layer, its signature's manifest and bundle; one empty
    assert prune(home, newest=2).releases == ()


def test_a_machine_that_has_only_images_has_nothing_else_to_remove(tmp_path: Path) -> None:
    assert prune(Home(tmp_path)) == Pruned((), kept=0, blobs=0, folders=(), venvs=(), logs=())
