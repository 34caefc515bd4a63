"""Rotating keys: what signs is always trusted, what the old key signed stays trusted until it is retired, and never a moment longer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from release import errors
from release.adapters.build import build
from release.adapters.keys import hint, key_id, read_public, retire, rotate, signing_key, trust, trusted_key, trusted_keys
from release.adapters.memory import MemoryArtifacts, MemoryClock, MemoryEdge, MemoryRuntime, MemorySmoke
from release.adapters.oci import OciArtifacts
from release.cli import main
from release.engine import Engine, World
from release.home import Home
from release.housekeeping import hanging_on
from release.ledger import Ledger
from release.policy import read as read_policy

POLICY = Path(__file__).parents[1] / "policy.yaml"


def test_a_new_key_signs_and_the_old_one_stays_trusted(tmp_path: Path) -> None:
    first = signing_key(tmp_path).public_key()
    old, new = rotate(tmp_path)
    assert hint(old) == hint(first) != hint(new)
    assert hint(signing_key(tmp_path).public_key()) == hint(new) == hint(trusted_key(tmp_path))
    assert list(trusted_keys(tmp_path)) == [hint(new), hint(old)]
    assert (tmp_path / "release.key").stat().st_mode & 0o777 == 0o600
    rotate(tmp_path)
    assert len(trusted_keys(tmp_path)) == 3


@pytest.mark.parametrize("dies_at", range(5))
def test_killed_anywhere_what_signs_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int) -> None:
    """Each write of a key is a link or a rename; the process dies at one of them."""
    old = hint(signing_key(tmp_path).public_key())
    left = dies_at

    def dying(real: Callable[..., None]) -> Callable[..., None]:
        def call(*words: object) -> None:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            real(*words)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", dying(os.link))
        patched.setattr(os, "replace", dying(os.replace))
        if dies_at < 4:
            with pytest.raises(KeyboardInterrupt):
                rotate(tmp_path)
        else:
            rotate(tmp_path)
    trusted = trusted_keys(tmp_path)
    assert old in trusted
    assert hint(signing_key(tmp_path).public_key()) in trusted
    assert not list(tmp_path.glob("**/.new-*"))


def test_the_key_that_signs_is_not_retired_and_no_other_is_guessed(tmp_path: Path) -> None:
    own = signing_key(tmp_path).public_key()
    with pytest.raises(errors.UnknownKey, match="signs"):
        retire(tmp_path, key_id(own))
    with pytest.raises(errors.UnknownKey, match="nowhere"):
        retire(tmp_path, "nowhere")
    with pytest.raises(errors.UnknownKey):
        retire(tmp_path, "../release")
    assert list(trusted_keys(tmp_path)) == [hint(own)]


def test_a_key_of_another_machine(tmp_path: Path) -> None:
    theirs = signing_key(tmp_path / "theirs").public_key()
    named = trust(tmp_path / "ours", read_public(tmp_path / "theirs" / "release.pub"))
    assert trust(tmp_path / "ours", theirs) == named == key_id(theirs)
    assert list(trusted_keys(tmp_path / "ours")) == [hint(theirs)], "a machine that only receives needs no key of its own"


def test_an_unreadable_trusted_key_is_an_error_not_one_less(tmp_path: Path) -> None:
    signing_key(tmp_path)
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "x.pub").write_text("garbage")
    with pytest.raises(errors.WrongSignature, match=r"x\.pub"):
        trusted_keys(tmp_path)
    with pytest.raises(errors.WrongSignature):
        trusted_keys(tmp_path / "nothing")


@pytest.mark.thorough
def test_releases_follow_their_keys(checkout: Home) -> None:
    """The whole story, as runbooks/rotate-keys.md tells it."""
    before = build(checkout).digest
    old, _ = rotate(checkout.keys)
    OciArtifacts(checkout).verify(before)
    assert build(checkout).digest == before, "what is signed by a trusted key is not signed again"
    serving(checkout, before)
    assert hanging_on(checkout, key_id(old)) == (before,)
    run = CliRunner(env={"SLIPWAY_HOME": str(checkout.root)})
    refused = run.invoke(main, ["keys", "retire", key_id(old), "--json"])
    assert refused.exit_code == errors.KeyInUse.exit_code
    OciArtifacts(checkout).verify(before)
    done = run.invoke(main, ["keys", "retire", key_id(old), "--compromised", "--json"])
    assert json.loads(done.stdout) == {"retired": key_id(old), "refused": [before]}
    with pytest.raises(errors.WrongSignature):
        OciArtifacts(checkout).verify(before)
    assert build(checkout).digest == before, "the same source is the same release,"
    OciArtifacts(checkout).verify(before)  # under the new key
    assert hanging_on(checkout, key_id(old)) == ()


def test_what_a_foreign_key_signed_is_refused_though_several_are_trusted(checkout: Home) -> None:
    digest = build(checkout).digest
    rotate(checkout.keys)
    for path in (checkout.keys / "trusted").iterdir():
        path.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(errors.WrongSignature):
        OciArtifacts(checkout).verify(digest)


def serving(home: Home, digest: str) -> None:
    """An environment whose ledger says that it serves this release."""
    clock, artifacts = MemoryClock(), MemoryArtifacts()
    artifacts.add(digest)
    world = World(artifacts, MemoryRuntime(), MemoryEdge(clock), MemorySmoke(), clock)
    ledger = Ledger(home.env("local") / "ledger.jsonl")
    assert Engine(read_policy(POLICY), ledger, world).deploy(digest, "set the scene").outcome == "promoted"


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.thorough
def test_the_commands_say_which_key_signs_and_which_are_trusted(checkout: Home, tmp_path: Path) -> None:
    def asked(*words: str, expect: int = 0) -> str:
        done = CliRunner(env={"SLIPWAY_HOME": str(checkout.root)}).invoke(main, ["keys", *words])
        assert done.exit_code == expect, done.output
        return done.output

    theirs = signing_key(tmp_path / "theirs").public_key()
    assert asked("trust", str(tmp_path / "theirs" / "release.pub")) == f"{key_id(theirs)} is trusted.\n"
    first = key_id(signing_key(checkout.keys).public_key())
    assert asked("list").splitlines() == [f"{first}  signs, trusted", f"{key_id(theirs)}  trusted"]
    assert f"release keys retire {first}" in asked("rotate")
    now = key_id(trusted_key(checkout.keys))
    listed = json.loads(asked("list", "--json"))["keys"]
    assert listed[0] == {"id": now, "signs": True}
    assert {one["id"] for one in listed[1:]} == {first, key_id(theirs)}
    assert asked("retire", first) == f"{first} is no longer trusted.\n"
    asked("retire", first, expect=errors.UnknownKey.exit_code)
    asked("retire", now, expect=errors.UnknownKey.exit_code)
    asked("trust", str(tmp_path / "nowhere.pub"), expect=errors.WrongSignature.exit_code)
    asked("trust", str(tmp_path / "theirs" / "release.key"), expect=errors.WrongSignature.exit_code)
