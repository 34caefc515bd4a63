"""Releases as images in a registry. What is attested about one is fetched once, checked, and kept: the way back needs no registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.adapters.attestations import Attestations
from release.adapters.containers.registry import Registry
from release.adapters.layout import Layout
from release.adapters.provenance import check_provenance
from release.adapters.sbom import check_image_sbom
from release.artifact import (
    BUNDLE_TYPE,
    IMAGE_CONFIG_TYPE,
    Config,
    ImageConfig,
    Kind,
    Manifest,
    Release,
    checked,
    decode,
    digest_of,
)
from release.errors import SlipwayError, Tampered, UnknownDigest


@dataclass(frozen=True)
class Images:
    """Those of one layout, with the key that is trusted. Layers are the engine's to check: it pulls by digest."""

    layout: Layout
    keys: Path

    def verify(self, digest: str) -> Release:
        """Raises NotADigest, UnknownDigest, Tampered, Unsigned or WrongSignature."""
        config = self._config(digest)
        about = Attestations(self.layout, self.keys)
        about.statement(digest, Kind.IMAGE_SIGNATURE)
        check_image_sbom(about.statement(digest, Kind.SBOM), digest)
        check_provenance(about.statement(digest, Kind.PROVENANCE), config, None, digest)
        return config.release(digest)

    def sbom(self, digest: str) -> Mapping[str, Any]:
        """Its CycloneDX document. The caller has verified it."""
        return Attestations(self.layout, self.keys).statement(checked(digest), Kind.SBOM).predicate

    def publish(self, digest: str, registry: Registry) -> None:
        """The image, then what is attested about it. Raises RegistryAway, and what `verify` does."""
        self.verify(digest)
        for manifest in (self._manifest(digest)[0], *self._about(digest)):
            found = decode(manifest, Manifest, "A manifest")
            registry.push(manifest, [(part.digest, self.layout.path(part.digest)) for part in (found.config, *found.layers)])

    def _about(self, digest: str) -> list[bytes]:
        listed = [item for item in self.layout.index().manifests if item.artifact_type == BUNDLE_TYPE]
        read = [self.layout.read(item, "an attestation's manifest") for item in listed]
        return [data for data in read if (subject := decode(data, Manifest, "A manifest").subject) and subject.digest == digest]

    def _config(self, digest: str) -> Config:
        name = f"The configuration of {digest}"
        return decode(self.layout.read(self._manifest(digest)[1].config, name), ImageConfig, name).as_config(name)

    def _manifest(self, digest: str) -> tuple[bytes, Manifest]:
        listed = next((item for item in self.layout.releases() if item.digest == checked(digest)), None)
        if listed is None:
            raise UnknownDigest(f"There is no image {digest} here.")
        data = self.layout.read(listed, "The manifest")
        return data, decode(data, Manifest, f"The manifest {digest}")


class RegistryImages:
    """The port `Artifacts` over a registry. `kept`: a layout of this environment, for manifests and attestations without layers."""

    def __init__(self, kept: Path, keys: Path, registry: Callable[[], Registry]) -> None:
        self.registry = registry
        self.images = Images(Layout(kept, IMAGE_CONFIG_TYPE), keys)

    def verify(self, digest: str) -> Release:
        """What was verified here before needs no registry. Raises RegistryAway, and what `Images.verify` does."""
        try:
            return self.images.verify(digest)
        except SlipwayError:
            self._fetch(checked(digest))
        return self.images.verify(digest)

    def sbom(self, digest: str) -> Mapping[str, Any]:
        """Its CycloneDX document. The caller has verified it."""
        return self.images.sbom(digest)

    def unpack(self, digest: str, into: Path) -> None:
        raise NotImplementedError("an image is the engine's to unpack")

    def reference(self, digest: str) -> str:
        """Raises RegistryAway."""
        return f"{self.registry().name}@{digest}"

    def _fetch(self, digest: str) -> None:
        registry, layout = self.registry(), self.images.layout
        manifest = registry.manifest(digest)
        if manifest is None:
            raise UnknownDigest(
                f"There is no image {digest} in {registry.name}.", remedy="`release publish DIGEST` sends one that was built here."
            )
        if digest_of(manifest) != digest:
            raise Tampered(f"{registry.name} gave another manifest than {digest}.")
        config = registry.blob(decode(manifest, Manifest, f"The manifest {digest}").config, "The configuration")
        about = [item for item in registry.referrers(digest) if item.artifact_type == BUNDLE_TYPE]
        with layout.locked():
            layout.write(config)
            fetched = [self._fetch_one(registry, item.digest) for item in about]
            layout.add([manifest, *fetched], instead_of=self._old(digest))

    def _fetch_one(self, registry: Registry, digest: str) -> bytes:
        data = registry.manifest(digest)
        if data is None or digest_of(data) != digest:
            raise Tampered(f"The attestation {digest} is not in the registry, or is another.")
        found = decode(data, Manifest, "An attestation's manifest")
        for part in (found.config, *found.layers):
            self.images.layout.write(registry.blob(part, "An attestation"))
        return data

    def _old(self, digest: str) -> list[Manifest]:
        try:
            return self.images.layout.referrers(digest)[0]
        except Tampered:
            return []
