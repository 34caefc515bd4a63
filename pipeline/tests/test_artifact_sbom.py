"""What the lock pins is what the SBOM lists."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from release.adapters.pins import Pin, check_sbom, locked, npm_pins, pins
from release.adapters.sbom import cyclonedx
from release.artifact import LOCK, NPM_LOCK, File, Kind, encode, statement
from release.errors import BuildFailed, Tampered

A, B = "a" * 64, "b" * 64
DIGEST = f"sha256:{A}"
REAL = Path(__file__).parents[2] / "requirements" / "api.lock"
AT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"anyio==4.1 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n    # via web\n", [Pin("anyio", "4.1", frozenset({A, B}))]),
        (f"Zope.Web[x,y]==1.0 ; sys_platform != 'win32' --hash=sha256:{A}", [Pin("zope-web", "1.0", frozenset({A}))]),
        (
            f"# head\n\na==1 --hash=sha256:{A}  # tail\r\nb==2 \\\r\n  --hash=sha256:{B}\\",
            [Pin("a", "1", frozenset({A})), Pin("b", "2", frozenset({B}))],
        ),
        ("", []),
    ],
)
def test_reads_locks_as_tools_write_them(text: str, wanted: list[Pin]) -> None:
    assert list(pins(text.encode(), BuildFailed)) == wanted


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a==1", ":1: a is not pinned"),
        (f"# x\na>=1 --hash=sha256:{A}", ":2: a is not pinned"),
        (f"a==1.* --hash=sha256:{A}", ":1: a is not pinned"),
        (f"a==1,==2 --hash=sha256:{A}", ":1: a is not pinned"),
        (f"a --hash=sha256:{A}", ":1: a is not pinned"),
        (f"a==1 \\\n --hash=sha256:{A}\nb==2 --hash=sha256:{A[1:]}", ":3: not a requirement: b==2"),
        (f"a==1 --hash=md5:{A}", ":1: not a requirement"),
        ("-r other.lock", ":1: not a requirement: -r"),
        ("-e .", ":1: not a requirement: -e"),
        ("\ufffd", ":1: not a requirement"),
    ],
)
def test_refuses_what_is_not_pinned_by_hash(text: str, what: str) -> None:
    with pytest.raises(BuildFailed, match=rf"requirements/api\.lock{what}"):
        pins(text.encode(), BuildFailed)


def test_the_store_s_own_lock_is_covered_pin_by_pin() -> None:
    locks = pins(REAL.read_bytes(), BuildFailed)
    names = [line.split("==")[0] for line in REAL.read_text().splitlines() if line[:1].isalnum()]
    assert [pin.name for pin in locks] == names
    assert sum(len(pin.hashes) for pin in locks) == REAL.read_text().count("--hash=")
    check_sbom(statement(Kind.SBOM, DIGEST, cyclonedx(locks, DIGEST, "abc", AT)), locks, DIGEST)


@pytest.mark.thorough
def test_the_same_release_has_the_same_sbom() -> None:
    locks = pins(REAL.read_bytes(), BuildFailed)
    one, two = (encode(statement(Kind.SBOM, DIGEST, cyclonedx(order, DIGEST, "abc", AT))) for order in (locks, locks[::-1]))
    assert one == two
    assert encode(statement(Kind.SBOM, DIGEST, cyclonedx(locks, f"sha256:{B}", "abc", AT))) != one


def test_it_has_the_form_of_cyclonedx() -> None:
    document = cyclonedx([Pin("anyio", "4.1", frozenset({A, B}))], DIGEST, "abc", AT)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["timestamp"] == "2026-01-02T00:00:00+00:00"
    assert document["components"][0]["purl"] == "pkg:pypi/anyio@4.1"
    assert {item["content"] for item in document["components"][0]["hashes"]} == {A, B}
    assert {"ref": DIGEST, "dependsOn": ["pkg:pypi/anyio@4.1"]} in document["dependencies"]


def test_a_lock_that_is_empty_or_no_lock_is_not_covered() -> None:
    document = cyclonedx([Pin("anyio", "4.1", frozenset({A}))], DIGEST, "abc", AT)
    for lock in (b"", b"garbage, surely"):
        with pytest.raises(Tampered):
            check_sbom(statement(Kind.SBOM, DIGEST, document), pins(lock, Tampered), DIGEST)


SHA512 = base64.b64encode(bytes(64)).decode()
NPM = {
    "": {"name": "store"},
    "node_modules/react": {"version": "19.3.1", "integrity": f"sha512-{SHA512}"},
    "node_modules/a/node_modules/@scope/part": {"version": "1.0.0", "integrity": f"sha512-{SHA512}"},
    "node_modules/vite": {"version": "8.3.8", "integrity": f"sha512-{SHA512}", "dev": True},
    "node_modules/csstype": {"version": "3.2.4", "integrity": f"sha512-{SHA512}", "devOptional": True},
}


def npm_lock(**changes: dict[str, str]) -> bytes:
    return json.dumps({"lockfileVersion": 3, "packages": {**NPM, **changes}}).encode()


def test_what_is_bundled_is_listed_and_what_bundles_is_not() -> None:
    found = npm_pins(npm_lock(), BuildFailed)
    assert [pin.purl.to_string() for pin in found] == ["pkg:npm/react@19.3.1", "pkg:npm/%40scope/part@1.0.0"]
    document = cyclonedx(found, DIGEST, "abc", AT)
    assert {(one.get("group"), one["name"]) for one in document["components"]} == {(None, "react"), ("@scope", "part")}
    assert document["components"][0]["hashes"] == [{"alg": "SHA-512", "content": "0" * 128}]
    check_sbom(statement(Kind.SBOM, DIGEST, document), found, DIGEST)


@pytest.mark.parametrize(
    "change",
    [{"version": ""}, {"integrity": ""}, {"integrity": f"sha256-{SHA512}"}, {"integrity": "sha512-AAAA"}, {"integrity": "sha512-?"}],
)
def test_refuses_what_npm_has_not_pinned(change: dict[str, str]) -> None:
    lock = npm_lock(**{"node_modules/react": {"version": "1", "integrity": f"sha512-{SHA512}", **change}})
    with pytest.raises(BuildFailed, match=r"web/package-lock\.json: react is not pinned"):
        npm_pins(lock, BuildFailed)


@pytest.mark.thorough
def test_a_package_of_npm_that_is_missing_or_another_is_found_out() -> None:
    files = [File(LOCK, REAL.read_bytes()), File(NPM_LOCK, npm_lock())]
    whole = locked(files, BuildFailed)
    for listed in (
        whole[:-1],
        [*whole[:-1], replace(whole[-1], version="1.0.1")],
        [*whole[:-1], replace(whole[-1], hashes=frozenset({"1" * 128}))],
    ):
        with pytest.raises(Tampered, match="@scope/part"):
            check_sbom(statement(Kind.SBOM, DIGEST, cyclonedx(listed, DIGEST, "abc", AT)), whole, DIGEST)
