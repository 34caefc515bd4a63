"""What the lock pins is what the SBOM lists."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from release.adapters.pins import Pin, check_sbom, pins
from release.adapters.sbom import cyclonedx
from release.artifact import Kind, encode, statement
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
    locked = pins(REAL.read_bytes(), BuildFailed)
    names = [line.split("==")[0] for line in REAL.read_text().splitlines() if line[:1].isalnum()]
    assert [pin.name for pin in locked] == names
    assert sum(len(pin.sha256) for pin in locked) == REAL.read_text().count("--hash=")
    check_sbom(statement(Kind.SBOM, DIGEST, cyclonedx(locked, DIGEST, "abc", AT)), REAL.read_bytes(), DIGEST)


def test_the_same_release_has_the_same_sbom() -> None:
    locked = pins(REAL.read_bytes(), BuildFailed)
    one, two = (encode(statement(Kind.SBOM, DIGEST, cyclonedx(order, DIGEST, "abc", AT))) for order in (locked, locked[::-1]))
    assert one == two
    assert encode(statement(Kind.SBOM, DIGEST, cyclonedx(locked, f"sha256:{B}", "abc", AT))) != one


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
            check_sbom(statement(Kind.SBOM, DIGEST, document), lock, DIGEST)
