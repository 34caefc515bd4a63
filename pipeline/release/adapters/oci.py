"""Built releases with all that is attested about them. Nothing is run that does not verify here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from release.adapters import layer
from release.adapters.keys import trusted_key
from release.adapters.layout import Layout
from release.adapters.pins import check_sbom, locked
from release.adapters.provenance import Provenance, check_provenance, read
from release.adapters.signing import verify_message, verify_statement
from release.artifact import (
    BUNDLE_TYPE,
    CONFIG_TYPE,
    EMPTY_TYPE,
    LAYER_TYPE,
    MEDIA_TYPE,
    Config,
    File,
    Kind,
    Manifest,
    Release,
    Statement,
    check_manifest,
    check_statement,
    checked,
    decode,
    lock_of,
)
from release.errors import SlipwayError, Tampered, UnknownDigest, Unsigned, WrongSignature
from release.home import Home

T = TypeVar("T")


@dataclass(frozen=True)
class Content:
    """What the digest alone vouches for."""

    manifest: bytes
    config: Config
    files: tuple[File, ...]

    @property
    def lock(self) -> bytes:
        return lock_of(self.files)


class OciArtifacts:
    """The port `Artifacts` over the OCI layout in var/oci."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._layout = Layout(home.artifacts)

    def list(self) -> tuple[str, ...]:
        """All digests, oldest build first. None of them is verified."""
        return tuple(item.digest for item in self._layout.releases())

    def verify(self, digest: str) -> Release:
        """Check every blob, the signature, SBOM and provenance for exactly this digest.

        Raises NotADigest, UnknownDigest, Tampered, Unsigned or WrongSignature.
        """
        content = self._content(digest)
        self._signed(digest, Kind.SIGNATURE, content.manifest)
        check_sbom(self._statement(digest, Kind.SBOM), locked(content.files, Tampered), digest)
        check_provenance(self._statement(digest, Kind.PROVENANCE), content.config, content.lock, digest)
        return Release(digest, content.config.revision, content.config.runs_on, bool(content.config.spa))

    def lock(self, digest: str) -> bytes:
        """What pins its dependencies. Raises UnknownDigest or Tampered."""
        return self._content(digest).lock

    def unpack(self, digest: str, into: Path) -> None:
        """Have the artifact's files, and no others, below `into`; hashes are checked again. The caller has verified it. Idempotent."""
        layer.write(self._content(digest).files, into)

    def provenance(self, digest: str) -> Provenance:
        """What a release was built from. Raises as `verify` does, for the provenance alone."""
        self._content(digest)
        return read(self._statement(digest, Kind.PROVENANCE), digest)

    def bundle(self, digest: str, kind: Kind) -> Path:
        """The file to give to `cosign verify-blob --bundle` (or `verify-blob-attestation`), with the blob of `manifest_path`."""
        return self._layout.path(self._bundles(digest, kind)[0].layers[0].digest)

    def manifest_path(self, digest: str) -> Path:
        return self._layout.path(checked(digest))

    def _content(self, digest: str) -> Content:
        wanted = checked(digest)
        listed = next((item for item in self._layout.releases() if item.digest == wanted), None)
        if listed is None:
            raise UnknownDigest(f"There is no release {digest} here.")
        data = self._layout.read(listed, "The manifest")
        manifest = decode(data, Manifest, f"The manifest {digest}")
        check_manifest(manifest, f"The manifest {digest}", MEDIA_TYPE, CONFIG_TYPE, LAYER_TYPE)
        config = decode(self._layout.read(manifest.config, "The configuration"), Config, f"The configuration of {digest}")
        return Content(data, config, layer.contents(self._layout.read(manifest.layers[0], "The layer"), f"The layer of {digest}"))

    def _bundles(self, digest: str, kind: Kind) -> tuple[Manifest, ...]:
        """Those that say that they are of this kind. Raises Unsigned for none, Tampered where one may have been among the unreadable."""
        found, damaged = self._layout.referrers(digest)
        fitting = tuple(item for item in found if item.annotations == kind.annotations)
        if fitting:
            return fitting
        if damaged:
            raise Tampered(f"No {kind.value} of {digest} can be found, and there is damage: {damaged[0].what}")
        raise Unsigned(f"{digest} has no {kind.value}.")

    def _signed(self, digest: str, kind: Kind, message: bytes) -> None:
        key = trusted_key(self._home.keys)
        self._one_good(digest, kind, lambda bundle, name: verify_message(key, bundle, message, name))

    def _statement(self, digest: str, kind: Kind) -> Statement:
        key = trusted_key(self._home.keys)

        def check(bundle: bytes, name: str) -> Statement:
            statement = decode(verify_statement(key, bundle, name), Statement, name)
            check_statement(statement, kind, digest)
            return statement

        return self._one_good(digest, kind, check)

    def _one_good(self, digest: str, kind: Kind, check: Callable[[bytes, str], T]) -> T:
        """The first bundle that passes. A second one, by a key that is gone or never was trusted, can neither help nor harm."""
        problem: SlipwayError | None = None
        for manifest in self._bundles(digest, kind):
            try:
                name = f"The {kind.value} of {digest}"
                check_manifest(manifest, name, BUNDLE_TYPE, EMPTY_TYPE, BUNDLE_TYPE)
                self._layout.read(manifest.config, name)
                return check(self._layout.read(manifest.layers[0], name), name)
            except (Tampered, WrongSignature) as found:
                problem = problem or found
        raise problem or Unsigned(f"{digest} has no {kind.value}.")
