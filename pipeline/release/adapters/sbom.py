"""The SBOM: every requirement that the locks pin, as CycloneDX 1.6. https://cyclonedx.org/docs/1.6/json/"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6

from release.adapters.pins import Pin


def cyclonedx(pins: Iterable[Pin], digest: str, revision: str, made_at: datetime) -> dict[str, Any]:
    """The document, the same for the same release: its serial number follows from the digest, its time is the commit's."""
    release = Component(name="slipway", version=revision, type=ComponentType.APPLICATION, bom_ref=digest)
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, digest), metadata=BomMetaData(component=release))
    bom.metadata.timestamp = made_at
    parts = [_component(pin) for pin in pins]
    bom.components.update(parts)
    bom.register_dependency(release, parts)
    return dict(json.loads(JsonV1Dot6(bom).output_as_string()))


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
