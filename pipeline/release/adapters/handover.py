"""What one machine gives to another so that it can run a release: the artifact, what is attested about it, and the public key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.adapters.attestations import Attestations
from release.adapters.files import alone, make
from release.adapters.keys import PUBLIC, file_of, read_public, trust
from release.adapters.layout import Layout
from release.artifact import Manifest, decode
from release.errors import Tampered, UsageError

MANIFEST, SBOM, LAYOUT = "manifest.json", "sbom.cdx.json", "oci"
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Handover:
    folder: Path

    def write(self, layout: Layout, digest: str, sbom: Mapping[str, Any], keys: Path, *, whole: bool) -> None:
        """The manifest as a file of its own, so that its SHA-256 is the digest, and the key that signed it: after a rotation that is not the one that signs now.

        `whole`: with the artifact; an image comes from its registry. Raises Tampered, WrongSignature.
        """
        public = file_of(keys, Attestations(layout, keys).signers(digest))

        def build(folder: Path) -> None:
            folder.mkdir(parents=True)
            shutil.copyfile(layout.path(digest), folder / MANIFEST)
            (folder / SBOM).write_text(json.dumps(sbom), encoding="utf-8")
            shutil.copyfile(public, folder / PUBLIC)
            if whole:
                _copy(layout, Layout(folder / LAYOUT), digest)

        with alone(self.folder, PATIENCE_S):
            make(self.folder, build)

    def receive(self, into: Path, keys: Path) -> str:
        """Take its artifacts over, and then trust its key: whoever calls this has made sure of that. The key's id. Raises UsageError, WrongSignature, Tampered."""
        if not self.folder.is_dir():
            raise UsageError(f"{self.folder} is no folder.", remedy="Name the folder that `release handover` wrote.")
        key, source = read_public(self.folder / PUBLIC), Layout(self.folder / LAYOUT)
        for item in source.releases():
            _copy(source, Layout(into), item.digest)
        return trust(keys, key)


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
