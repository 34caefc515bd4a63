"""SLSA provenance: what a release was built from, by what, and when. https://slsa.dev/spec/v1.2/build-provenance"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ConfigDict

from release.adapters.source import Source
from release.artifact import LOCK, NPM_LOCK, Config, Document, Statement, decode, digest_of, encode, lock_of
from release.errors import Tampered

BUILD_TYPE = "urn:slipway:build:v1"  # the files of a work tree, packed as they are, and the SPA that its own locked tools build
BUILDER = "urn:slipway:builder:work-tree"  # `release build`; it says nothing of the machine


class ExternalParameters(Document):
    model_config = ConfigDict(alias_generator=None)

    revision: str
    patch_sha256: str | None = None


class Resource(Document):
    name: str
    digest: Mapping[str, str]


class BuildDefinition(Document):
    build_type: str
    external_parameters: ExternalParameters
    resolved_dependencies: tuple[Resource, ...]


class Builder(Document):
    id: str


class BuildMetadata(Document):
    started_on: str
    finished_on: str


class RunDetails(Document):
    builder: Builder
    metadata: BuildMetadata


class Provenance(Document):
    build_definition: BuildDefinition
    run_details: RunDetails


def provenance(source: Source, started_at: datetime, finished_at: datetime) -> dict[str, Any]:
    definition = BuildDefinition(
        build_type=BUILD_TYPE,
        external_parameters=ExternalParameters(revision=source.revision, patch_sha256=source.patch_sha256),
        resolved_dependencies=(
            Resource(name="source", digest={"gitCommit": source.commit}),
            Resource(name=LOCK, digest=_sha256(digest_of(lock_of(source.files)))),
            *_inputs(source),
            *([Resource(name="patch", digest={"sha256": source.patch_sha256})] if source.patch_sha256 else []),
        ),
    )
    times = BuildMetadata(started_on=_utc(started_at), finished_on=_utc(finished_at))
    return dict(
        json.loads(encode(Provenance(build_definition=definition, run_details=RunDetails(builder=Builder(id=BUILDER), metadata=times))))
    )


def _inputs(source: Source) -> list[Resource]:
    """Files that say what else goes into it; a Dockerfile is part of an image's source alone."""
    return [
        Resource(name=file.path, digest=_sha256(digest_of(file.data))) for file in source.files if file.path in (NPM_LOCK, "Dockerfile")
    ]


def read(found: Statement, digest: str) -> Provenance:
    return decode(json.dumps(dict(found.predicate)).encode(), Provenance, f"The provenance of {digest}")


def check_provenance(found: Statement, config: Config, lock: bytes | None, digest: str) -> None:
    """Raises Tampered unless our builder made it from the revision, and the lock where that can be read, that the release carries."""
    said = read(found, digest)
    definition = said.build_definition
    wanted: dict[str, tuple[object, object]] = {
        "builder": (said.run_details.builder.id, BUILDER),
        "build type": (definition.build_type, BUILD_TYPE),
        "revision": (definition.external_parameters.revision, config.revision),
    }
    if lock is not None:
        wanted[LOCK] = ([dict(item.digest) for item in definition.resolved_dependencies if item.name == LOCK], [_sha256(digest_of(lock))])
    for what, (says, carries) in wanted.items():
        if says != carries:
            raise Tampered(f"The provenance of {digest} says {what} {says}; it should be {carries}.")


def _sha256(digest: str) -> dict[str, str]:
    return {"sha256": digest.removeprefix("sha256:")}


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
