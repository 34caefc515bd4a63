"""What one machine gives to another so that it can run a release: the artifact, what is attested about it, and the public key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.adapters.files import make
from release.adapters.keys import PUBLIC, read_public, trust
from release.adapters.layout import Layout
from release.artifact import Manifest, decode
from release.errors import Tampered

MANIFEST, SBOM, LAYOUT = "manifest.json", "sbom.cdx.json", "oci"


@dataclass(frozen=True)
class Handover:
    folder: Path

    def write(self, layout: Layout, digest: str, sbom: Mapping[str, Any], keys: Path, *, whole: bool) -> None:
        """The manifest as a file of its own, so that its SHA-256 is the digest. `whole`: with the artifact; an image comes from its registry. Raises Tampered."""

        def build(folder: Path) -> None:
            folder.mkdir(parents=True)
            shutil.copyfile(layout.path(digest), folder / MANIFEST)
            (folder / SBOM).write_text(json.dumps(sbom), encoding="utf-8")
            shutil.copyfile(keys / PUBLIC, folder / PUBLIC)
            if whole:
                _copy(layout, Layout(folder / LAYOUT), digest)

        self.folder.parent.mkdir(parents=True, exist_ok=True)
        make(self.folder, build)

    def receive(self, into: Path, keys: Path) -> str:
        """Trust its key, and take its artifacts over. Whoever calls this has made sure of the key. The key's id. Raises WrongSignature, Tampered."""
        named = trust(keys, read_public(self.folder / PUBLIC))
        source = Layout(self.folder / LAYOUT)
        for item in source.releases():
            _copy(source, Layout(into), item.digest)
        return named


def _copy(source: Layout, target: Layout, digest: str) -> None:
    """A release and all that is about it, byte by byte; each is checked on the way."""
    listed = source.about(source.index(), {digest}).manifests
    if digest not in {item.digest for item in listed}:
        raise Tampered(f"{digest} is not in {source.root}.")
    with target.locked():
        manifests = [source.read(item, "A manifest") for item in listed]
        for data in manifests:
            found = decode(data, Manifest, "A manifest")
            for part in (found.config, *found.layers):
                target.write(source.read(part, "A part of it"))
        target.add(manifests)
