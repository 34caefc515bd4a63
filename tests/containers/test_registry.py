"""An image in a real registry: nothing runs unless what is attested about exactly its digest is there, whole and by the trusted key."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from containers.conftest import ROOT, run
from release import errors
from release.adapters.containers.build import build, layout_of
from release.adapters.containers.images import Images, RegistryImages
from release.adapters.containers.registry import Registry
from release.adapters.keys import signing_key
from release.adapters.signing import sign_statement
from release.artifact import OF_IMAGE, Kind, Manifest, Statement, decode, encode, referrer, statement
from release.home import Home

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]
HOME = Home(ROOT)


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    name = f"slipway-test-{uuid.uuid4().hex[:8]}"
    run("docker", "run", "--detach", "--rm", "--name", name, "--publish", "127.0.0.1:0:5000", "registry:2")
    yield run("docker", "port", name, "5000").strip()
    subprocess.run(["docker", "rm", "--force", "--volumes", name], check=False, capture_output=True)


@pytest.fixture(scope="module")
def good() -> str:
    return build(HOME).digest


@pytest.fixture
def registry(host: str) -> Registry:
    """A repository of its own."""
    return Registry(f"{host}/{uuid.uuid4().hex}")


@pytest.fixture
def there(registry: Registry, tmp_path: Path) -> RegistryImages:
    """As a machine sees it that has built nothing and trusts the key."""
    return RegistryImages(tmp_path / "kept", HOME.keys, lambda: registry)


def push(registry: Registry, digest: str, bundles: dict[Kind, bytes]) -> None:
    """The image with exactly these attestations."""
    layout = layout_of(HOME)
    manifest = layout.path(digest).read_bytes()
    found = decode(manifest, Manifest, "manifest")
    registry.push(manifest, [(part.digest, layout.path(part.digest)) for part in (found.config, *found.layers)])
    for kind, bundle in bundles.items():
        hung = referrer(manifest, kind, bundle)
        layout.write(bundle)
        registry.push(encode(hung), [(part.digest, layout.path(part.digest)) for part in (hung.config, *hung.layers)])


def ours(digest: str) -> dict[Kind, bytes]:
    """The bundles that the build made."""
    layout = layout_of(HOME)
    about = layout.referrers(digest)[0]
    return {
        kind: layout.path(one.layers[0].digest).read_bytes() for kind in OF_IMAGE for one in about if one.annotations == kind.annotations
    }


def said(bundle: bytes) -> Statement:
    return decode(base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"]), Statement, "statement")


def test_what_was_built_here_verifies_elsewhere(registry: Registry, there: RegistryImages, good: str) -> None:
    Images(layout_of(HOME), HOME.keys).publish(good, registry)
    release = there.verify(good)
    assert (release.digest, release.spa) == (good, True)
    assert release.runs_on
    assert len(registry.referrers(good)) == len(OF_IMAGE)
    Images(layout_of(HOME), HOME.keys).publish(good, registry)  # again: nothing is added
    assert len(registry.referrers(good)) == len(OF_IMAGE)


def test_its_sbom_lists_the_system_python_and_what_is_bundled(good: str) -> None:
    components = said(ours(good)[Kind.SBOM]).predicate["components"]
    kinds = {str(one.get("purl", "")).partition("/")[0] for one in components}
    assert {"pkg:deb", "pkg:pypi", "pkg:npm"} <= kinds
    assert {"fastapi", "react"} <= {one["name"] for one in components}


@pytest.mark.parametrize("kind", OF_IMAGE)
def test_an_attestation_that_is_missing(registry: Registry, there: RegistryImages, good: str, kind: Kind) -> None:
    push(registry, good, {one: bundle for one, bundle in ours(good).items() if one is not kind})
    with pytest.raises(errors.Unsigned, match=kind.value):
        there.verify(good)


@pytest.mark.parametrize("kind", OF_IMAGE)
def test_an_attestation_by_another_key(registry: Registry, there: RegistryImages, good: str, kind: Kind, tmp_path: Path) -> None:
    stranger = sign_statement(signing_key(tmp_path / "stranger"), encode(said(ours(good)[kind])))
    push(registry, good, {**ours(good), kind: stranger})
    with pytest.raises(errors.WrongSignature, match="another key"):
        there.verify(good)


@pytest.mark.parametrize("kind", OF_IMAGE)
def test_an_attestation_of_another_digest(registry: Registry, there: RegistryImages, good: str, kind: Kind) -> None:
    other = sign_statement(signing_key(HOME.keys), encode(statement(kind, "sha256:" + "1" * 64, said(ours(good)[kind]).predicate)))
    push(registry, good, {**ours(good), kind: other})
    with pytest.raises(errors.Tampered, match="is about sha256:1111"):
        there.verify(good)


def test_a_tampered_sbom(registry: Registry, there: RegistryImages, good: str) -> None:
    bundle: dict[str, Any] = json.loads(ours(good)[Kind.SBOM])
    changed = said(ours(good)[Kind.SBOM]).model_copy()
    fewer = changed.model_copy(update={"predicate": {**changed.predicate, "components": changed.predicate["components"][1:]}})
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(encode(fewer)).decode()
    push(registry, good, {**ours(good), Kind.SBOM: json.dumps(bundle).encode()})
    with pytest.raises(errors.WrongSignature):
        there.verify(good)


def test_an_sbom_of_ours_that_names_another_image(registry: Registry, there: RegistryImages, good: str) -> None:
    document = dict(said(ours(good)[Kind.SBOM]).predicate)
    document["metadata"] = {**document["metadata"], "component": {**document["metadata"]["component"], "bom-ref": "another"}}
    push(registry, good, {**ours(good), Kind.SBOM: sign_statement(signing_key(HOME.keys), encode(statement(Kind.SBOM, good, document)))})
    with pytest.raises(errors.Tampered, match="another"):
        there.verify(good)


def test_a_good_one_added_later_is_found(registry: Registry, there: RegistryImages, good: str) -> None:
    push(registry, good, {})
    with pytest.raises(errors.Unsigned):
        there.verify(good)
    push(registry, good, ours(good))
    there.verify(good)


def test_a_digest_that_is_not_there_and_a_tag(registry: Registry, there: RegistryImages) -> None:
    with pytest.raises(errors.UnknownDigest):
        there.verify("sha256:" + "0" * 64)
    for name in ("latest", "sha256:short"):
        with pytest.raises(errors.NotADigest):
            there.verify(name)


def test_what_was_verified_once_needs_no_registry(registry: Registry, there: RegistryImages, good: str, tmp_path: Path) -> None:
    push(registry, good, ours(good))
    there.verify(good)
    away = RegistryImages(tmp_path / "kept", HOME.keys, lambda: Registry("127.0.0.1:1/slipway"))
    assert away.verify(good).digest == good
    with pytest.raises(errors.RegistryAway):
        RegistryImages(tmp_path / "new", HOME.keys, lambda: Registry("127.0.0.1:1/slipway")).verify(good)


@pytest.mark.cosign
def test_cosign_accepts_it_and_refuses_what_we_refuse(registry: Registry, good: str, tmp_path: Path) -> None:
    if shutil.which("cosign") is None:
        if os.environ.get("SLIPWAY_REQUIRE_COSIGN"):
            pytest.fail("cosign is required here")
        pytest.skip("cosign is not installed")
    push(registry, good, ours(good))
    image = f"{registry.name}@{good}"
    key = ("--key", str(HOME.keys / "release.pub"), "--insecure-ignore-tlog")
    assert good in run("cosign", "verify", *key, image)
    for word in ("cyclonedx", "slsaprovenance1"):
        run("cosign", "verify-attestation", *key, "--type", word, image)
    bare = replace(registry, name=f"{registry.name}-bare")
    push(bare, good, {})
    assert subprocess.run(["cosign", "verify", *key, f"{bare.name}@{good}"], check=False, capture_output=True).returncode != 0
    wrong = replace(registry, name=f"{registry.name}-wrong")
    push(wrong, good, {Kind.IMAGE_SIGNATURE: sign_statement(signing_key(tmp_path / "s"), encode(said(ours(good)[Kind.IMAGE_SIGNATURE])))})
    assert subprocess.run(["cosign", "verify", *key, f"{wrong.name}@{good}"], check=False, capture_output=True).returncode != 0


def test_public_images_are_named_by_what_the_registry_says_their_tags_mean(host: str, tmp_path: Path) -> None:
    image = f"{host}/python:3.13-slim"
    run("docker", "tag", "python:3.13-slim", image)
    try:
        pushed = run("docker", "push", "--quiet", image)
    finally:
        run("docker", "image", "rm", image)
    (tmp_path / "Dockerfile").write_text(f"FROM {image} AS packages\n")
    (tmp_path / "docker-compose.yml").write_text(f"image: ${{POSTGRES_IMAGE:-{image}}}\n")
    command = (str(ROOT / ".venv/bin/release"), "base-images", "--in", str(tmp_path), "--json")
    answer = json.loads(run(*command))
    digest = answer["images"][image]
    assert answer["changed"] == ["Dockerfile", "docker-compose.yml"]
    assert digest in run("docker", "buildx", "imagetools", "inspect", f"{image}@{digest}"), pushed
    assert (tmp_path / "Dockerfile").read_text() == f"FROM {image}@{digest} AS packages\n"
    assert (tmp_path / "docker-compose.yml").read_text() == f"image: ${{POSTGRES_IMAGE:-{image}@{digest}}}\n"
    assert json.loads(run(*command))["changed"] == []
    (tmp_path / "Dockerfile").write_text(f"FROM {host}/nobody:1\n")
    refused = subprocess.run(command, check=False, capture_output=True, text=True)
    assert refused.returncode == errors.RegistryAway.exit_code
    assert f"{digest}}}" in (tmp_path / "docker-compose.yml").read_text(), "all files are written, or none"
