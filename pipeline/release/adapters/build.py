"""Work tree -> signed artifact."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from release.adapters import layer, source
from release.adapters.keys import hint, signing_key, trusted_keys
from release.adapters.layout import Layout
from release.adapters.oci import OciArtifacts
from release.adapters.patch import patched
from release.adapters.pins import locked
from release.adapters.provenance import provenance
from release.adapters.signing import sign_message, sign_statement
from release.adapters.spa import with_spa
from release.artifact import EMPTY, File, Kind, Manifest, config, digest_of, encode, manifest, referrer, statement
from release.errors import BuildFailed, SlipwayError, Tampered
from release.home import Home


@dataclass(frozen=True)
class Built:
    """`built` is False where this very release was there already and verified."""

    digest: str
    revision: str
    took_s: float
    built: bool


def build(home: Home, patch: Path | None = None, commit: str | None = None) -> Built:
    """The release of the work tree, or of a commit, with a patch on top if one is named. Raises BuildFailed or PatchDoesNotApply."""
    try:
        return _build(home, patch, commit)
    except OSError as problem:
        raise BuildFailed(
            f"{problem.filename or home.var}: {problem.strerror}.", remedy=f"Is there space, and may you write to {home.var}?"
        ) from problem


def _build(home: Home, patch: Path | None, commit: str | None) -> Built:
    started_s, started_at = time.monotonic(), datetime.now(UTC)
    tree = source.read(home.root, commit)
    if patch is not None:
        tree = patched(tree, patch)
    made = _pack(tree, with_spa(tree.files, home))
    layout = Layout(home.artifacts)
    with layout.locked():
        built = not _verifies(home, made.digest)
        if built:
            bundles = _attest(home, made, tree, started_at)
            for blob in (*made.blobs, EMPTY):
                layout.write(blob)
            hung = [_hang(layout, made, kind, bundle) for kind, bundle in bundles.items()]
            layout.add([made.manifest, *hung], instead_of=_old_referrers(layout, made.digest))
            _verify(home, made.digest)
        layout.built_now(made.digest)
    return Built(made.digest, tree.revision, time.monotonic() - started_s, built)


@dataclass(frozen=True)
class Made:
    """A release without what is attested about it."""

    manifest: Manifest
    blobs: tuple[bytes, ...]

    @property
    def digest(self) -> str:
        return digest_of(encode(self.manifest))


def _pack(tree: source.Source, shipped: tuple[File, ...]) -> Made:
    """A function of the source alone: no clock, no machine, no key."""
    settings, packed = encode(config(shipped, tree.revision)), layer.pack(shipped)
    return Made(manifest(settings, packed), (settings, packed))


def _attest(home: Home, made: Made, tree: source.Source, started_at: datetime) -> dict[Kind, bytes]:
    """A signed bundle of each kind."""
    from release.adapters.sbom import cyclonedx  # slow to import, and not needed where the release is there already

    key = signing_key(home.keys)
    if hint(key.public_key()) not in trusted_keys(home.keys):
        raise BuildFailed(
            f"{home.keys} signs with one key and trusts another.",
            remedy="Put the right pair there, or remove both to begin with a new key.",
        )
    inventory = cyclonedx(locked(tree.files, BuildFailed), made.digest, tree.revision, tree.committed_at)
    origin = provenance(tree, started_at, datetime.now(UTC))
    return {
        Kind.SIGNATURE: sign_message(key, encode(made.manifest)),
        Kind.SBOM: sign_statement(key, encode(statement(Kind.SBOM, made.digest, inventory))),
        Kind.PROVENANCE: sign_statement(key, encode(statement(Kind.PROVENANCE, made.digest, origin))),
    }


def _hang(layout: Layout, made: Made, kind: Kind, bundle: bytes) -> Manifest:
    layout.write(bundle)
    return referrer(encode(made.manifest), kind, bundle)


def _old_referrers(layout: Layout, digest: str) -> list[Manifest]:
    """Of an earlier build of this digest that no longer verifies: another key, or damage."""
    try:
        return layout.referrers(digest)[0]
    except Tampered:
        return []


def _verifies(home: Home, digest: str) -> bool:
    try:
        OciArtifacts(home).verify(digest)
    except SlipwayError:
        return False
    return True


def _verify(home: Home, digest: str) -> None:
    """Never hand out a digest that would be refused."""
    try:
        OciArtifacts(home).verify(digest)
    except SlipwayError as problem:
        raise BuildFailed(f"The new release does not verify: {problem.what}", remedy=problem.remedy) from problem
