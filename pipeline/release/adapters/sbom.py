"""The SBOM: every requirement that the locks pin, as CycloneDX 1.6. https://cyclonedx.org/docs/1.6/json/"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6

from release.adapters.pins import Pin
from release.artifact import Statement
from release.errors import Tampered


def cyclonedx(pins: Iterable[Pin], digest: str, revision: str, made_at: datetime) -> dict[str, Any]:
    """The document, the same for the same release: its serial number follows from the digest, its time is the commit's."""
    release = Component(name="slipway", version=revision, type=ComponentType.APPLICATION, bom_ref=digest)
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, digest), metadata=BomMetaData(component=release))
    bom.metadata.timestamp = made_at
    parts = [_component(pin) for pin in pins]
    bom.components.update(parts)
    bom.register_dependency(release, parts)
    return dict(json.loads(JsonV1Dot6(bom).output_as_string()))


def with_bundled(seen: Mapping[str, Any], bundled: Mapping[str, Any]) -> dict[str, Any]:
    """What a scanner saw in an image, under the release's own name and time, and what it can't see because it was bundled."""
    metadata = {**bundled["metadata"], "tools": seen["metadata"]["tools"]}
    parts = [*seen["components"], *bundled.get("components", [])]
    return {**seen, "serialNumber": bundled["serialNumber"], "metadata": metadata, "components": parts}


def check_image_sbom(found: Statement, digest: str) -> None:
    """Raises Tampered unless it is CycloneDX, names exactly this image and lists something. Its signature is checked before."""
    document = dict(found.predicate)
    try:
        says = (document["bomFormat"], document["metadata"]["component"]["bom-ref"], bool(document["components"]))
    except (KeyError, TypeError) as problem:
        raise Tampered(f"The SBOM of {digest} lacks {problem}.") from problem
    if says != ("CycloneDX", digest, True):
        raise Tampered(f"The SBOM of {digest} is of {says[0]} {says[1]}, {'with' if says[2] else 'without'} components.")


def _component(pin: Pin) -> Component:
    purl = pin.purl
    return Component(
        group=purl.namespace,
        name=purl.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=purl.to_string(),
        hashes=[HashType(alg=HashAlgorithm(pin.algorithm), content=value) for value in sorted(pin.hashes)],
    )
