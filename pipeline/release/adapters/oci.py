"""Built releases with all that is attested about them. Nothing is run that does not verify here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.adapters import layer
from release.adapters.attestations import Attestations
from release.adapters.layout import Layout
from release.adapters.pins import check_sbom, locked
from release.adapters.provenance import Provenance, check_provenance, read
from release.artifact import (
    CONFIG_TYPE,
    LAYER_TYPE,
    MEDIA_TYPE,
    Config,
    File,
    Kind,
    Manifest,
    Release,
    check_manifest,
    checked,
    decode,
    lock_of,
)
from release.errors import Tampered, UnknownDigest
from release.home import Home


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
        self._layout = Layout(home.artifacts)
        self._attestations = Attestations(self._layout, home.keys)

    def list(self) -> tuple[str, ...]:
        """All digests, oldest build first. None of them is verified."""
        return tuple(item.digest for item in self._layout.releases())

    def verify(self, digest: str) -> Release:
        """Check every blob, the signature, SBOM and provenance for exactly this digest.

        Raises NotADigest, UnknownDigest, Tampered, Unsigned or WrongSignature.
        """
        content = self._content(digest)
        self._attestations.signed(digest, Kind.SIGNATURE, content.manifest)
        check_sbom(self._attestations.statement(digest, Kind.SBOM), locked(content.files, Tampered), digest)
        check_provenance(self._attestations.statement(digest, Kind.PROVENANCE), content.config, content.lock, digest)
        return content.config.release(digest)

    def lock(self, digest: str) -> bytes:
        """What pins its dependencies. Raises UnknownDigest or Tampered."""
        return self._content(digest).lock

    def sbom(self, digest: str) -> Mapping[str, Any]:
        """Its CycloneDX document. Raises as `verify` does."""
        return self._attestations.statement(checked(digest), Kind.SBOM).predicate

    def unpack(self, digest: str, into: Path) -> None:
        """Have the artifact's files, and no others, below `into`; hashes are checked again. The caller has verified it. Idempotent."""
        layer.write(self._content(digest).files, into)

    def provenance(self, digest: str) -> Provenance:
        """What a release was built from. Raises as `verify` does, for the provenance alone."""
        self._content(digest)
        return read(self._attestations.statement(digest, Kind.PROVENANCE), digest)

    def bundle(self, digest: str, kind: Kind) -> Path:
        """The file to give to `cosign verify-blob --bundle` (or `verify-blob-attestation`), with the blob of `manifest_path`."""
        return self._layout.path(self._attestations.bundles(digest, kind)[0].layers[0].digest)

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
