"""What the locks pin, Python packages and those of npm that are bundled, and whether an SBOM says the same."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import ConfigDict

from release.artifact import LOCK, NPM_LOCK, Document, File, Statement, decode, lock_of
from release.errors import SlipwayError, Tampered

ALGORITHMS = {"pypi": "SHA-256", "npm": "SHA-512"}
HASH = re.compile(r"\s--hash=sha256:([0-9a-f]{64})(?=\s|$)")


@dataclass(frozen=True)
class Pin:
    """One requirement of a lock: a name in its normal form, one version, and the hashes (hex) of the files that may be installed."""

    name: str
    version: str
    hashes: frozenset[str]
    registry: Literal["pypi", "npm"] = "pypi"

    @property
    def purl(self) -> PackageURL:
        """https://github.com/package-url/purl-spec"""
        scope, _, name = self.name.rpartition("/")
        return PackageURL(type=self.registry, namespace=scope or None, name=name, version=self.version)

    @property
    def algorithm(self) -> str:
        """CycloneDX's name of it."""
        return ALGORITHMS[self.registry]


class Reader(Document):
    """Base of what is read back from an SBOM: only some fields of many."""

    model_config = ConfigDict(extra="ignore", alias_generator=None)


class Hash(Reader):
    alg: str
    content: str


class Component(Reader):
    group: str = ""
    name: str
    version: str
    purl: str
    hashes: tuple[Hash, ...] = ()


class Sbom(Reader):
    bomFormat: str  # noqa: N815 - the field's name in CycloneDX
    components: tuple[Component, ...] = ()


class NpmPackage(Reader):
    version: str = ""
    integrity: str = ""
    dev: bool = False
    devOptional: bool = False  # noqa: N815 - npm's name of it


class NpmLock(Reader):
    """https://docs.npmjs.com/cli/configuring-npm/package-lock-json"""

    packages: dict[str, NpmPackage]


def locked(files: Iterable[File], error: type[SlipwayError]) -> tuple[Pin, ...]:
    """What the locks among a release's files pin. Raises `error` as `pins` does."""
    files = tuple(files)
    npm_lock = next((file.data for file in files if file.path == NPM_LOCK), None)
    return (*pins(lock_of(files), error), *(npm_pins(npm_lock, error) if npm_lock is not None else ()))


def npm_pins(lock: bytes, error: type[SlipwayError]) -> tuple[Pin, ...]:
    """Those that the SPA is bundled from; `dev` are npm's marks of what builds and tests. Raises `error` where one is not pinned by version and SHA-512."""
    packages = decode(lock, NpmLock, NPM_LOCK, error).packages
    return tuple(_npm_pin(path, one, error) for path, one in packages.items() if path and not (one.dev or one.devOptional))


def _npm_pin(path: str, package: NpmPackage, error: type[SlipwayError]) -> Pin:
    name = path.rpartition("node_modules/")[2]
    algorithm, _, value = package.integrity.partition("-")
    try:
        hashed = base64.b64decode(value, validate=True).hex()
    except binascii.Error:
        hashed = ""
    if not package.version or algorithm != "sha512" or len(hashed) != 128:
        raise error(f"{NPM_LOCK}: {name} is not pinned by one version and its SHA-512.")
    return Pin(name, package.version, frozenset({hashed}), "npm")


def pins(lock: bytes, error: type[SlipwayError]) -> tuple[Pin, ...]:
    """Read a lock as uv and pip-compile write it. Raises `error` with the line of a requirement that is not pinned by version and hash."""
    return tuple(_pin(number, line, error) for number, line in _requirements(lock.decode(errors="replace")))


def check_sbom(found: Statement, wanted: Iterable[Pin], digest: str) -> None:
    """Raises Tampered unless the components are exactly what the locks pin, version by version and hash by hash."""
    name = f"The SBOM of {digest}"
    document = decode(json.dumps(dict(found.predicate)).encode(), Sbom, name)
    if document.bomFormat != "CycloneDX":
        raise Tampered(f"{name} is not CycloneDX but {document.bomFormat}.")
    listed = {_listed(component) for component in document.components}
    pinned = {(pin, pin.purl.to_string()) for pin in wanted}
    if listed != pinned:
        names = sorted({pin.name for pin, _ in listed ^ pinned})
        raise Tampered(f"{name} and its locks differ in {', '.join(names)}.")


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
    registry: Literal["pypi", "npm"] = "npm" if component.purl.startswith("pkg:npm/") else "pypi"
    hashes = frozenset(item.content for item in component.hashes if item.alg == ALGORITHMS[registry])
    return Pin("/".join(filter(None, (component.group, component.name))), component.version, hashes, registry), component.purl
