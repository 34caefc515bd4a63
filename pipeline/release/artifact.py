"""What a release is: one digest, where it came from, which schema it runs on; and the documents that say so.

An artifact is an OCI image manifest (its sha256 is the digest) with one configuration and one layer. What is attested
about it hangs on it as OCI 1.1 referrers: manifests whose `subject` it is and whose layer is one Sigstore bundle.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from release.errors import BuildFailed, NotADigest, SlipwayError, Tampered

MEDIA_TYPE = "application/vnd.slipway.release.v1+json"
CONFIG_TYPE = "application/vnd.slipway.release.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IMAGE_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"  # what makes a manifest that of a container image
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"  # OCI's word for "this manifest needs no configuration"

LOCK = "requirements/api.lock"
SCHEMA = "db/schema.json"
WEB, SPA = "web", "web/dist"  # sources of the SPA; what is built of them and ships in their place
PAGE, NPM_LOCK = f"{SPA}/index.html", f"{WEB}/package-lock.json"
ROOTS = ("api/app", "db", LOCK, WEB)  # all that a release is made of
NOT_OF_IT = re.compile(rf"(^|.*/)tests/.*|{SPA}/.*|{WEB}/(tools|src/test)/.*|{WEB}/README\.md|{WEB}/.*\.test\.tsx?")

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Release:
    """A verified artifact. `revision` is the git commit, with `+dirty` where the tree differed from it and `+patch-<hex8>` for a patch."""

    digest: str
    revision: str
    runs_on: tuple[str, ...]  # schema revisions, oldest first; release/window.py says what follows from them
    spa: bool = False  # does it carry an SPA?
    leads_to: str | None = None  # the schema revision that its own migrations lead to; None: the last one of runs_on
    floor: str | None = None  # of that revision; None: it is from before there were floors
    contracts: tuple[str, ...] = ()  # those of its migrations that remove something

    @property
    def head(self) -> str:
        return self.leads_to or self.runs_on[-1]


@dataclass(frozen=True)
class File:
    """One released file. `path` is relative to the checkout, with slashes."""

    path: str
    data: bytes
    executable: bool = False


class Kind(Enum):
    """What is attested about a release. The value is the word for people."""

    SIGNATURE = "signature"
    IMAGE_SIGNATURE = "signature of the image"
    SBOM = "SBOM"
    PROVENANCE = "provenance"

    @property
    def predicate_type(self) -> str | None:
        """The type of the in-toto statement; None for the signature, which is over the manifest itself."""
        return PREDICATE_TYPES.get(self)

    @property
    def annotations(self) -> dict[str, str]:
        """How a referrer says what it holds: a hint to find it by, never a proof."""
        if self.predicate_type is None:
            return {"dev.sigstore.bundle.content": "message-signature"}
        return {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": self.predicate_type}


PREDICATE_TYPES = {
    Kind.IMAGE_SIGNATURE: "https://sigstore.dev/cosign/sign/v1",  # cosign 3 looks for this one beside an image
    Kind.SBOM: "https://cyclonedx.org/bom",
    Kind.PROVENANCE: "https://slsa.dev/provenance/v1",
}
OF_FILES = (Kind.SIGNATURE, Kind.SBOM, Kind.PROVENANCE)
OF_IMAGE = (Kind.IMAGE_SIGNATURE, Kind.SBOM, Kind.PROVENANCE)


class Document(BaseModel):
    """Base of every JSON document of an artifact: exact types, unknown fields refused, camelCase outside."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True)


class Descriptor(Document):
    """A blob by digest and size. Other tools may annotate it, so their fields are kept."""

    model_config = ConfigDict(extra="allow")

    media_type: str
    digest: str = Field(pattern=f"^{DIGEST.pattern}$")
    size: int = Field(ge=0)
    artifact_type: str | None = None


class Manifest(Document):
    schema_version: Literal[2] = 2
    media_type: Literal["application/vnd.oci.image.manifest.v1+json"] = "application/vnd.oci.image.manifest.v1+json"
    artifact_type: str | None = None
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    annotations: Mapping[str, str] | None = None

    @property
    def type(self) -> str:
        """What it is a manifest of; an image says so by its configuration alone."""
        return self.artifact_type or self.config.media_type


class Index(Document):
    """Everything in the store: releases and what is attested about them."""

    model_config = ConfigDict(extra="allow")

    schema_version: Literal[2] = 2
    media_type: Literal["application/vnd.oci.image.index.v1+json"] = "application/vnd.oci.image.index.v1+json"
    manifests: tuple[Descriptor, ...]


class Config(Document):
    """The part of an artifact that the engine reads without unpacking it."""

    model_config = ConfigDict(alias_generator=None)

    revision: str = Field(min_length=1)
    runs_on: tuple[str, ...] = Field(min_length=1)
    spa: Literal[True] | None = None
    head: str | None = None
    floor: str | None = None
    contracts: tuple[str, ...] | None = None

    def release(self, digest: str) -> Release:
        return Release(digest, self.revision, self.runs_on, bool(self.spa), self.head, self.floor, self.contracts or ())

    def labels(self) -> dict[str, str]:
        """The same for an image."""
        said = {REVISION_LABEL: self.revision, RUNS_ON_LABEL: " ".join(self.runs_on)}
        window = {HEAD_LABEL: self.head, FLOOR_LABEL: self.floor, CONTRACTS_LABEL: " ".join(self.contracts or ())}
        return said | {name: text for name, text in window.items() if text}


class ImageSettings(Document):
    model_config = ConfigDict(extra="ignore", alias_generator=None)

    labels: Mapping[str, str] = Field(default={}, alias="Labels")


class ImageConfig(Document):
    """The part of an image's configuration that the engine reads: its labels say what `Config` says of other artifacts."""

    model_config = ConfigDict(extra="ignore", alias_generator=None)

    config: ImageSettings

    def as_config(self, name: str) -> Config:
        """Raises Tampered."""
        labels = self.config.labels
        window = {
            "head": labels.get(HEAD_LABEL),
            "floor": labels.get(FLOOR_LABEL),
            "contracts": labels.get(CONTRACTS_LABEL, "").split() or None,
        }
        fields = {"revision": labels.get(REVISION_LABEL, ""), "runs_on": labels.get(RUNS_ON_LABEL, "").split(), "spa": True, **window}
        return decode(json.dumps(fields).encode(), Config, name)


REVISION_LABEL, RUNS_ON_LABEL = "org.opencontainers.image.revision", "slipway.runs-on"
HEAD_LABEL, FLOOR_LABEL, CONTRACTS_LABEL = "slipway.schema-head", "slipway.schema-floor", "slipway.schema-contracts"


class SchemaWindow(Document):
    """db/schema.json: what this code's migrations lead to, the revisions that it runs on, oldest first, and what the removing ones are.

    `runs_on` may name a later revision than `head`: the release that stops to use a column runs with and without it. No `floor`: from
    before there were floors.
    """

    model_config = ConfigDict(alias_generator=None, extra="ignore")

    head: str = Field(min_length=1)
    runs_on: tuple[str, ...] = Field(min_length=1)
    floor: str | None = Field(default=None, min_length=1)
    contracts: tuple[str, ...] = ()

    def fault(self) -> str | None:
        if list(self.runs_on) != sorted(set(self.runs_on)):
            return "runs_on is not in order"
        if self.head not in self.runs_on:
            return f"its head is {self.head!r}, on which it does not run"
        if self.floor is None and self.head != self.runs_on[-1]:
            return f"it has no floor, but ends runs_on with {self.runs_on[-1]!r}, not its head {self.head!r}"
        if self.floor is not None and self.floor > self.runs_on[-1]:
            return f"its floor is {self.floor!r}, which is later than all it runs on"
        if self.contracts and max(self.contracts) > self.head:
            return f"contracts has {max(self.contracts)!r}, but its head is {self.head!r}"
        return None


class Subject(Document):
    name: str
    digest: Mapping[str, str]


class Statement(Document):
    """in-toto Statement v1: a predicate about a subject. https://in-toto.io/Statement/v1"""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(default="https://in-toto.io/Statement/v1", alias="_type")
    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]


Model = TypeVar("Model", bound=BaseModel)


def checked(digest: str) -> str:
    """The digest itself; raises NotADigest for anything else, tags and short forms above all."""
    if not DIGEST.fullmatch(digest):
        raise NotADigest(f"{digest!r} is not a digest.")
    return digest


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def encode(document: BaseModel) -> bytes:
    """The one way a document is written, so that the same document always has the same digest."""
    tree = document.model_dump(mode="json", by_alias=True, exclude_none=True)
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(data: bytes, model: type[Model], name: str, error: type[SlipwayError] = Tampered) -> Model:
    """Raises `error` naming the first field that is wrong."""
    try:
        return model.model_validate_json(data)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise error(f"{name} is not what it should be: {where}: {first['msg']}.") from problem


def is_released(path: str) -> bool:
    """Is a release made of this file? Tests are no part of it."""
    inside = any(path == root or path.startswith(f"{root}/") for root in ROOTS)
    return inside and not NOT_OF_IT.fullmatch(path)


def lock_of(files: Iterable[File]) -> bytes:
    """What the release's dependencies are pinned by; empty where it has no lock."""
    return next((file.data for file in files if file.path == LOCK), b"")


def config(files: Iterable[File], revision: str) -> Config:
    """Raises BuildFailed when the tree lacks its lock or its schema window."""
    shipped = {file.path: file.data for file in files}
    for needed in (LOCK, SCHEMA):
        if needed not in shipped:
            raise BuildFailed(f"{needed} is missing.", remedy=f"Restore it: `git checkout HEAD -- {needed}`.")
    window = decode(shipped[SCHEMA], SchemaWindow, SCHEMA, BuildFailed)
    if fault := window.fault():
        raise BuildFailed(f"{SCHEMA}: {fault}.", remedy="Mend it; runbooks/schema-window.md says what each field means.")
    spa: Literal[True] | None = True if PAGE in shipped else None
    if window.floor is None:
        return Config(revision=revision, runs_on=window.runs_on, spa=spa)
    return Config(
        revision=revision, runs_on=window.runs_on, spa=spa, head=window.head, floor=window.floor, contracts=window.contracts or None
    )


def descriptor(media_type: str, data: bytes, artifact_type: str | None = None) -> Descriptor:
    return Descriptor(media_type=media_type, digest=digest_of(data), size=len(data), artifact_type=artifact_type)


def manifest(config_data: bytes, layer: bytes) -> Manifest:
    return Manifest(artifact_type=MEDIA_TYPE, config=descriptor(CONFIG_TYPE, config_data), layers=(descriptor(LAYER_TYPE, layer),))


def referrer(subject: bytes, kind: Kind, bundle: bytes) -> Manifest:
    """The manifest that hangs a Sigstore bundle on the release whose manifest is `subject`."""
    return Manifest(
        artifact_type=BUNDLE_TYPE,
        config=descriptor(EMPTY_TYPE, EMPTY),
        layers=(descriptor(BUNDLE_TYPE, bundle),),
        subject=descriptor(MANIFEST_TYPE, subject),
        annotations=kind.annotations,
    )


def check_manifest(found: Manifest, name: str, artifact_type: str, config_type: str, layer_type: str) -> None:
    """Raises Tampered unless a manifest has exactly these types and exactly one layer."""
    types = (found.type, found.config.media_type, *(layer.media_type for layer in found.layers))
    if types != (artifact_type, config_type, layer_type):
        raise Tampered(f"{name} has the media types {', '.join(types)}; expected are {artifact_type}, {config_type}, {layer_type}.")


def statement(kind: Kind, digest: str, predicate: Mapping[str, Any]) -> Statement:
    subject = Subject(name="slipway", digest={"sha256": digest.removeprefix("sha256:")})
    return Statement(subject=(subject,), predicate_type=kind.predicate_type or "", predicate=predicate)


def check_statement(found: Statement, kind: Kind, digest: str) -> None:
    """Raises Tampered unless the statement is of this kind and about exactly this digest."""
    if found.predicate_type != kind.predicate_type:
        raise Tampered(f"The {kind.value} of {digest} has the predicate type {found.predicate_type}, not {kind.predicate_type}.")
    subjects = [f"{name}:{value}" for subject in found.subject for name, value in subject.digest.items()]
    if subjects != [digest]:
        raise Tampered(f"The {kind.value} of {digest} is about {', '.join(subjects) or 'nothing'}.")
