"""What an SBOM's parts are known for: advisories in the OSV format, and licences. Pure; the data comes from a file, so no network is asked.

OSV: https://ossf.github.io/osv-schema/. Versions are compared as their ecosystem does, where that is PyPI or npm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any

from packageurl import PackageURL
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import Field

from release.yamlfile import Frozen

ECOSYSTEMS = {"pypi": "PyPI", "npm": "npm"}


class Accepted(Frozen):
    """A finding that does no harm here, for a while."""

    id: str
    reason: Annotated[str, Field(min_length=10)]
    expires: date


class Rules(Frozen):
    licences_denied: tuple[str, ...]
    accepted: tuple[Accepted, ...]

    def stands(self, finding: Finding, today: date) -> bool:
        return not any(one.id == finding.what and today <= one.expires for one in self.accepted)


@dataclass(frozen=True)
class Part:
    ecosystem: str  # of OSV; empty where its versions can't be compared here
    name: str
    version: str
    licences: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    part: str
    version: str
    what: str  # the advisory's id, or the licence
    summary: str


@dataclass(frozen=True)
class Scan:
    """`newest`: when the youngest advisory was last changed, None without data. `unasked`: parts that no advisory here could name."""

    vulnerabilities: tuple[Finding, ...]
    licences: tuple[Finding, ...]
    parts: int
    unasked: int
    unlicensed: int
    advisories: int
    newest: datetime | None

    def age_days(self, now: datetime) -> float | None:
        return None if self.newest is None else (now - self.newest).total_seconds() / 86_400


def parts(sbom: Mapping[str, Any]) -> list[Part]:
    """The libraries of a CycloneDX document."""
    return [_part(one) for one in sbom["components"] if one.get("purl")]


def _part(component: Mapping[str, Any]) -> Part:
    purl = PackageURL.from_string(component["purl"])
    name = f"{purl.namespace}/{purl.name}" if purl.type == "npm" and purl.namespace else purl.name
    choices = (entry.get("license", entry) for entry in component.get("licenses", ()))
    licences = tuple(str(one.get("id") or one.get("name") or one.get("expression")) for one in choices)
    return Part(ECOSYSTEMS.get(purl.type, ""), _normal(ECOSYSTEMS.get(purl.type, ""), name), str(component.get("version", "")), licences)


def scan(of: Sequence[Part], advisories: Iterable[Mapping[str, Any]], denied: Sequence[str] = ()) -> Scan:
    wanted = {(part.ecosystem, part.name): part for part in of if part.ecosystem}
    found, count, newest = [], 0, None
    for advisory in advisories:
        count += 1
        changed = datetime.fromisoformat(advisory["modified"].replace("Z", "+00:00")).astimezone(UTC)
        newest = changed if newest is None or changed > newest else newest
        if not advisory.get("withdrawn"):
            found += [_vulnerable(part, advisory) for part in _hit(wanted, advisory)]
    licences = [
        Finding(part.name, part.version, one, "denied")
        for part in of
        for one in part.licences
        if any(fnmatchcase(one, rule) for rule in denied)
    ]
    return Scan(
        vulnerabilities=tuple(sorted(set(found), key=lambda one: (one.part, one.what))),
        licences=tuple(licences),
        parts=len(of),
        unasked=sum(not part.ecosystem for part in of),
        unlicensed=sum(not part.licences for part in of),
        advisories=count,
        newest=newest,
    )


def _vulnerable(part: Part, advisory: Mapping[str, Any]) -> Finding:
    return Finding(part.name, part.version, str(advisory["id"]), str(advisory.get("summary") or advisory.get("details", ""))[:120])


def _hit(wanted: Mapping[tuple[str, str], Part], advisory: Mapping[str, Any]) -> Iterable[Part]:
    for affected in advisory.get("affected", ()):
        package = affected.get("package", {})
        ecosystem = str(package.get("ecosystem", ""))
        part = wanted.get((ecosystem, _normal(ecosystem, str(package.get("name", "")))))
        if part and _affects(part.version, affected):
            yield part


def _affects(version: str, affected: Mapping[str, Any]) -> bool:
    """By its list of versions, or by its ranges; a version that can't be compared is taken to be in a range."""
    if version in affected.get("versions", ()):
        return True
    ranges = [one for one in affected.get("ranges", ()) if one.get("type") in ("ECOSYSTEM", "SEMVER")]
    return any(_in(version, one["events"]) for one in ranges)


def _in(version: str, events: Sequence[Mapping[str, str]]) -> bool:
    """OSV's evaluation: in order, `introduced` begins, `fixed` ends before, `last_affected` ends after."""
    try:
        mine, inside = Version(version), False
        for event in events:
            if "introduced" in event and (event["introduced"] == "0" or mine >= Version(event["introduced"])):
                inside = True
            if ("fixed" in event and mine >= Version(event["fixed"])) or (
                "last_affected" in event and mine > Version(event["last_affected"])
            ):
                inside = False
    except InvalidVersion:
        return True
    return inside


def _normal(ecosystem: str, name: str) -> str:
    return canonicalize_name(name) if ecosystem == "PyPI" else name
