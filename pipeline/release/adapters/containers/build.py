"""Work tree -> signed image, the same for the same source. BuildKit builds it, syft lists what is in it, we sign."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from release.adapters import layer, source
from release.adapters.build import Built
from release.adapters.containers.docker import CommandFailed, run
from release.adapters.containers.images import Images
from release.adapters.keys import signing_key
from release.adapters.layout import Layout
from release.adapters.patch import patched
from release.adapters.pins import locked
from release.adapters.provenance import provenance
from release.adapters.sbom import cyclonedx, with_bundled
from release.adapters.signing import sign_statement
from release.artifact import (
    EMPTY,
    IMAGE_CONFIG_TYPE,
    OF_IMAGE,
    File,
    Index,
    Kind,
    Manifest,
    config,
    decode,
    digest_of,
    encode,
    referrer,
    statement,
)
from release.errors import BuildFailed, SlipwayError, Tampered
from release.home import Home

RECIPE = ("Dockerfile", ".dockerignore", "requirements/bootstrap.lock")
OUTPUT = "type=oci,dest={folder},tar=false,rewrite-timestamp=true,compression=zstd,force-compression=true"


def layout_of(home: Home) -> Layout:
    return Layout(home.images, IMAGE_CONFIG_TYPE)


def build(home: Home, patch: Path | None = None, commit: str | None = None, *, cached: bool = True) -> Built:
    """The image of the work tree, or of a commit, with a patch on top if one is named; not `cached`: from nothing. Raises BuildFailed, PatchDoesNotApply, MachineLacks."""
    started_s, started_at = time.monotonic(), datetime.now(UTC)
    tree = source.read(home.root, commit)
    if patch is not None:
        tree = patched(tree, patch)
    recipe = tuple(_recipe(home.root / name, name) for name in RECIPE)
    with tempfile.TemporaryDirectory(prefix="slipway-image-") as folder:
        manifest = _build(tree, recipe, Path(folder), cached)
        digest = digest_of(manifest)
        built = not _verifies(home, digest)
        if built:
            _keep(home, Path(folder), manifest, replace(tree, files=(*tree.files, *recipe)), started_at)
    layout_of(home).built_now(digest)
    return Built(digest, tree.revision, time.monotonic() - started_s, built)


def _recipe(path: Path, name: str) -> File:
    try:
        return File(name, path.read_bytes())
    except OSError as problem:
        raise BuildFailed(f"{name} can't be read: {problem.strerror}.", remedy=f"Restore it: `git checkout HEAD -- {name}`.") from problem


def _build(tree: source.Source, recipe: tuple[File, ...], folder: Path, cached: bool) -> bytes:
    """The image as an OCI layout in `folder`; its manifest. A function of the source: no clock, no key, no attestation of BuildKit's."""
    says = config(tree.files, tree.revision)
    argv = ["buildx", "build", "--quiet", "--provenance=false", "--sbom=false", "--build-arg", f"REVISION={says.revision}"]
    argv += [part for name, value in says.labels().items() for part in ("--label", f"{name}={value}")]
    argv += [] if cached else ["--no-cache"]
    argv += ["--output", OUTPUT.format(folder=folder), "-"]
    context = layer.pack((*tree.files, *recipe))
    try:
        run(argv, environ={"SOURCE_DATE_EPOCH": str(int(tree.committed_at.timestamp()))}, stdin=context)
    except CommandFailed as problem:
        raise BuildFailed(f"The image can't be built: {problem}", remedy="`docker compose build` shows the whole build.") from problem
    [only] = decode((folder / "index.json").read_bytes(), Index, "index.json", BuildFailed).manifests
    return Layout(folder).read(only, "The manifest")


def _keep(home: Home, folder: Path, manifest: bytes, tree: source.Source, started_at: datetime) -> None:
    digest, made, layout = digest_of(manifest), Layout(folder), layout_of(home)
    key = signing_key(home.keys)
    predicates: dict[Kind, dict[str, Any]] = {
        Kind.IMAGE_SIGNATURE: {},
        Kind.SBOM: _inventory(folder, tree, digest),
        Kind.PROVENANCE: provenance(tree, started_at, datetime.now(UTC)),
    }
    bundles = {kind: sign_statement(key, encode(statement(kind, digest, predicates[kind]))) for kind in OF_IMAGE}
    found = decode(manifest, Manifest, "The manifest")
    with layout.locked():
        for part in (found.config, *found.layers):
            layout.write(made.read(part, "A layer"))
        for blob in (*bundles.values(), EMPTY):
            layout.write(blob)
        layout.add([manifest, *(referrer(manifest, kind, bundle) for kind, bundle in bundles.items())], instead_of=_old(layout, digest))
    try:
        Images(layout, home.keys).verify(digest)
    except SlipwayError as problem:
        raise BuildFailed(f"The new image does not verify: {problem.what}", remedy=problem.remedy) from problem


def _inventory(folder: Path, tree: source.Source, digest: str) -> dict[str, Any]:
    """What syft finds in the image, and the npm packages that are bundled, which nobody can see there any more."""
    syft = Path(sys.executable).with_name("syft")
    try:
        said = subprocess.run(
            [syft, "scan", f"oci-dir:{folder}", "-o", "cyclonedx-json", "-q"], capture_output=True, timeout=300, check=True
        )
        seen = dict(json.loads(said.stdout))
    except (OSError, subprocess.SubprocessError, ValueError) as problem:
        raise BuildFailed(
            f"syft can't list what is in the image: {problem!r}", remedy="`make setup RUNTIME=compose` brings it in."
        ) from problem
    bundled = [pin for pin in locked(tree.files, BuildFailed) if pin.registry == "npm"]
    return with_bundled(seen, cyclonedx(bundled, digest, tree.revision, tree.committed_at))


def _verifies(home: Home, digest: str) -> bool:
    try:
        Images(layout_of(home), home.keys).verify(digest)
    except SlipwayError:
        return False
    return True


def _old(layout: Layout, digest: str) -> list[Manifest]:
    """Of an earlier build of this digest that no longer verifies: another key, or damage."""
    try:
        return layout.referrers(digest)[0]
    except Tampered:
        return []
