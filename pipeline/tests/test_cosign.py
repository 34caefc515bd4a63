"""The real cosign accepts what we sign and refuses what we refuse."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from release.adapters.keys import signing_key
from release.adapters.oci import OciArtifacts
from release.artifact import OF_FILES, Kind
from release.home import Home

pytestmark = pytest.mark.cosign
TYPES = {Kind.SBOM: "cyclonedx", Kind.PROVENANCE: "slsaprovenance1"}
NO_ROOTS = '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'


@dataclass(frozen=True)
class Cosign:
    program: str
    home: Path

    @property
    def is_old(self) -> bool:
        """Version 2: the bundle's form and a list of roots that it need not fetch must be named."""
        return "--new-bundle-format" in self.run("verify-blob", "--help").stdout

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        return subprocess.run([self.program, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)

    def verifies(self, kind: Kind, key: Path, bundle: Path, blob: Path) -> bool:
        command = ["verify-blob-attestation", "--type", TYPES[kind]] if kind in TYPES else ["verify-blob"]
        (self.home / "roots.json").write_text(NO_ROOTS)
        old = ["--new-bundle-format", "--trusted-root", str(self.home / "roots.json")] if self.is_old else []
        done = self.run(*command, "--key", str(key), "--bundle", str(bundle), "--insecure-ignore-tlog", *old, str(blob))
        assert "unknown flag" not in done.stderr, done.stderr
        assert ("Verified OK" in done.stderr) == (done.returncode == 0), done.stderr
        return done.returncode == 0


@pytest.fixture
def cosign(tmp_path: Path) -> Cosign:
    program = shutil.which("cosign")
    if program is None:
        if os.environ.get("SLIPWAY_REQUIRE_COSIGN"):
            pytest.fail("SLIPWAY_REQUIRE_COSIGN is set, but there is no cosign on the PATH.")
        pytest.skip("There is no cosign on the PATH.")
    home = tmp_path / "cosign-home"
    home.mkdir()
    return Cosign(program, home)


@pytest.mark.parametrize("kind", OF_FILES)
def test_accepts_what_we_sign_and_refuses_another_blob_key_or_bundle(store: Home, cosign: Cosign, kind: Kind, tmp_path: Path) -> None:
    artifacts = OciArtifacts(store)
    digest, other = artifacts.list()
    key, bundle, blob = store.keys / "release.pub", artifacts.bundle(digest, kind), artifacts.manifest_path(digest)
    assert cosign.verifies(kind, key, bundle, blob)

    tampered = tmp_path / "tampered"
    tampered.write_bytes(blob.read_bytes().replace(b'"schemaVersion":2', b'"schemaVersion":3'))
    signing_key(tmp_path / "stranger")
    assert not cosign.verifies(kind, key, bundle, tampered)
    assert not cosign.verifies(kind, tmp_path / "stranger" / "release.pub", bundle, blob)
    assert not cosign.verifies(kind, key, artifacts.bundle(other, kind), blob)


def test_refuses_one_kind_in_the_place_of_another(store: Home, cosign: Cosign) -> None:
    if cosign.is_old:
        pytest.skip("cosign 2 does not look at the type of what it verifies; we do, as cosign 3 does.")
    artifacts = OciArtifacts(store)
    digest = artifacts.list()[0]
    key, blob = store.keys / "release.pub", artifacts.manifest_path(digest)
    for kind, wrong in ((Kind.SBOM, Kind.PROVENANCE), (Kind.PROVENANCE, Kind.SBOM), (Kind.SBOM, Kind.SIGNATURE)):
        assert not cosign.verifies(kind, key, artifacts.bundle(digest, wrong), blob)
