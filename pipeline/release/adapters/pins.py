"""What the lock pins, and whether an SBOM says the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import ConfigDict

from release.artifact import LOCK, Document, Statement, decode
from release.errors import SlipwayError, Tampered

HASH = re.compile(r"\s--hash=sha256:([0-9a-f]{64})(?=\s|$)")


@dataclass(frozen=True)
class Pin:
    """One requirement of the lock: a name in its normal form, one version, and the hashes of the files that may be installed."""

    name: str
    version: str
    sha256: frozenset[str]

    @property
    def purl(self) -> PackageURL:
        """https://github.com/package-url/purl-spec"""
        return PackageURL(type="pypi", name=self.name, version=self.version)


class Reader(Document):
    """Base of what is read back from an SBOM: only some fields of many."""

    model_config = ConfigDict(extra="ignore", alias_generator=None)


class Hash(Reader):
    alg: str
    content: str


class Component(Reader):
    name: str
    version: str
    purl: str
    hashes: tuple[Hash, ...] = ()


class Sbom(Reader):
    bomFormat: str  # noqa: N815 - the field's name in CycloneDX
    components: tuple[Component, ...] = ()


def pins(lock: bytes, error: type[SlipwayError]) -> tuple[Pin, ...]:
    """Read a lock as uv and pip-compile write it. Raises `error` with the line of a requirement that is not pinned by version and hash."""
    return tuple(_pin(number, line, error) for number, line in _requirements(lock.decode(errors="replace")))


def check_sbom(found: Statement, lock: bytes, digest: str) -> None:
    """Raises Tampered unless the components are exactly the lock's pins, version by version and hash by hash."""
    name = f"The SBOM of {digest}"
    document = decode(json.dumps(dict(found.predicate)).encode(), Sbom, name)
    if document.bomFormat != "CycloneDX":
        raise Tampered(f"{name} is not CycloneDX but {document.bomFormat}.")
    listed = {_listed(component) for component in document.components}
    locked = {(pin, pin.purl.to_string()) for pin in pins(lock, Tampered)}
    if listed != locked:
        names = sorted({pin.name for pin, _ in listed ^ locked})
        raise Tampered(f"{name} and its {LOCK} differ in {', '.join(names)}.")


def _requirements(text: str) -> Iterator[tuple[int, str]]:
    """(line number, requirement with its options on one line), without comments."""
    joined, first = "", 0
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        bare = re.sub(r"(^|\s)#.*", "", line).rstrip()
        first = first if joined else number
        joined += bare.removesuffix("\\")
        if bare.endswith("\\"):
            continue
        if joined.strip():
            yield first, joined.strip()
        joined = ""


def _pin(number: int, line: str, error: type[SlipwayError]) -> Pin:
    try:
        requirement = Requirement(HASH.sub("", line).strip())
    except InvalidRequirement as problem:
        raise error(f"{LOCK}:{number}: not a requirement: {line.split(maxsplit=1)[0]}") from problem
    versions = [spec.version for spec in requirement.specifier if spec.operator in ("==", "===")]
    hashes = frozenset(HASH.findall(line))
    if len(versions) != 1 or len(requirement.specifier) != 1 or "*" in versions[0] or not hashes:
        raise error(f"{LOCK}:{number}: {requirement.name} is not pinned by one version and its hashes.")
    return Pin(canonicalize_name(requirement.name), versions[0], hashes)


def _listed(component: Component) -> tuple[Pin, str]:
    hashes = frozenset(item.content for item in component.hashes if item.alg == "SHA-256")
    return Pin(component.name, component.version, hashes), component.purl
