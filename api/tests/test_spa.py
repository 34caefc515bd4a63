"""The SPA's origin: what may be kept, for how long, in which encoding, and what is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from starlette.datastructures import Headers
from starlette.responses import Response

from app.spa import Origin

DIGEST = "sha256:" + "a" * 64
NAME = "index-Ab3_x-9Z.js"
FILES = {"index.html": b"<p>one</p>", f"assets/{NAME}": b"one()", f"assets/{NAME}.br": b"one in br", f"assets/{NAME}.gz": b"one in gz"}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        os.utime(folder / name, (0, 0))  # as a release's files are
    return folder


@pytest.fixture
def others(tmp_path: Path) -> Path:
    return tmp_path / "others"


@pytest.fixture
def origin(tmp_path: Path, others: Path) -> Origin:
    return Origin(put(tmp_path / "dist", FILES), others, DIGEST)


def get(origin: Origin, path: str, method: str = "GET", **headers: str) -> Response:
    return origin.answer(method, path, Headers({name.replace("_", "-"): value for name, value in headers.items()}))


@pytest.mark.parametrize("path", ["/", "/index.html", "/orders/7", "/basket", "/nowhere.txt", "/../../etc/passwd"])
def test_every_page_is_the_document_and_is_asked_for_each_time(origin: Origin, path: str) -> None:
    answer = get(origin, path)
    assert (answer.status_code, answer.body) == (200, b"<p>one</p>")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_an_asset_is_kept_for_a_year(origin: Origin) -> None:
    answer = get(origin, f"/assets/{NAME}")
    assert answer.body == b"one()"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("path", ["/assets/gone-12345678.js", "/assets/", "/assets/../index.html", "/assets/a/b.js", "/assets/.hidden"])
def test_an_asset_that_is_not_there_is_not_the_document(origin: Origin, others: Path, path: str) -> None:
    put(others, {"f00/a/b.js": b"", "f00/.hidden": b"", "index.html": b""})
    answer = get(origin, path)
    assert (answer.status_code, answer.body) == (404, b"")
    assert answer.headers["cache-control"] == "no-store"


def test_two_documents_of_one_size_and_date_are_told_apart(origin: Origin, tmp_path: Path) -> None:
    other = Origin(put(tmp_path / "other", {**FILES, "index.html": b"<p>two</p>"}), None, DIGEST)
    etag = get(origin, "/").headers["etag"]
    assert get(origin, "/", if_none_match=etag).status_code == 304
    assert get(other, "/", if_none_match=etag).status_code == 200


@pytest.mark.parametrize("said", ["{}", "W/{}", '"other", {}', '"other",W/{}', "*"])
def test_what_the_client_has_is_not_sent_again(origin: Origin, said: str) -> None:
    first = get(origin, f"/assets/{NAME}")
    answer = get(origin, f"/assets/{NAME}", if_none_match=said.format(first.headers["etag"]))
    assert (answer.status_code, answer.body) == (304, b"")
    assert answer.headers["cache-control"] == first.headers["cache-control"]
    assert answer.headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"one in br"),
        ("gzip", "gzip", b"one in gz"),
        ("br;q=0, gzip;q=0.5", "gzip", b"one in gz"),
        ("BR", "br", b"one in br"),
        ("*", "br", b"one in br"),
        ("*;q=0", None, b"one()"),
        ("br;q=0.000", None, b"one()"),
        ("identity", None, b"one()"),
        ("", None, b"one()"),
    ],
)
def test_compressed_once_and_sent_to_whom_it_is_welcome(origin: Origin, accepted: str, encoding: str | None, body: bytes) -> None:
    answer = get(origin, f"/assets/{NAME}", accept_encoding=accepted)
    assert (answer.headers.get("content-encoding"), answer.body) == (encoding, body)
    assert answer.headers["vary"] == "accept-encoding"


def test_each_encoding_has_an_etag_of_its_own(origin: Origin) -> None:
    assert len({get(origin, f"/assets/{NAME}", accept_encoding=accepted).headers["etag"] for accepted in ("", "br", "gzip")}) == 3


def test_another_releases_asset_is_found_from_the_moment_it_is_there(origin: Origin, others: Path) -> None:
    path = "/assets/old-12345678.js"
    assert get(origin, path).status_code == 404
    put(others, {"f00/old-12345678.js": b"old()", "f00/old-12345678.js.br": b"old in br"})
    assert get(origin, path).body == b"old()"
    answer = get(origin, path, accept_encoding="br")
    assert (answer.body, answer.headers["content-encoding"]) == (b"old in br", "br")
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("path", ["/", f"/assets/{NAME}", "/assets/gone.js"])
def test_nothing_runs_that_did_not_come_as_a_file_of_ours(origin: Origin, path: str) -> None:
    headers = get(origin, path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_it_only_reads(origin: Origin) -> None:
    assert get(origin, "/", "HEAD").headers["content-length"] == "10"
    answer = get(origin, "/", "POST")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_it_says_whose_it_is(origin: Origin) -> None:
    assert DIGEST.encode() in get(origin, "/-/origin").body
