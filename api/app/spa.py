"""The SPA's origin: what `uvicorn app.spa:origin` serves. One process per release; it knows no database.

Each file is read once, at start, with its hash as ETag: a release's files carry no time of their own, so that neither size nor date tells
two documents apart. Assets of other releases come from a folder that grows while we run, so that an open tab goes on finding its own.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.correlation import Correlation

ENCODINGS = {"br": ".br", "gzip": ".gz"}  # in the order of our liking
ASSET = re.compile(r"/assets/([A-Za-z0-9_][A-Za-z0-9_.-]{0,200})")
PAGE = "/index.html"
YEAR = "public, max-age=31536000, immutable"
TYPES = {".js": "text/javascript; charset=utf-8", ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8"}
SAFE = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@dataclass(frozen=True)
class Variant:
    data: bytes
    etag: str


@dataclass(frozen=True)
class Asset:
    """A file and its compressed copies: encoding -> variant; "" is the file as it is."""

    media_type: str
    variants: Mapping[str, Variant]


class Origin:
    """`folder` is what the release carries; below `others` lies a folder of assets per release that is or was here."""

    def __init__(self, folder: Path, others: Path | None, digest: str) -> None:
        self.digest, self.others = digest, others
        self.files = {f"/{path.relative_to(folder).as_posix()}": read(path) for path in _plain(folder)}
        if PAGE not in self.files:
            raise FileNotFoundError(f"{folder}{PAGE}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self.answer(scope["method"], scope["path"], Headers(scope=scope))(scope, receive, send)

    def answer(self, method: str, path: str, headers: Headers) -> Response:
        if method not in ("GET", "HEAD"):
            return Response(status_code=405, headers={**SAFE, "allow": "GET, HEAD"})
        if path == "/-/origin":
            return JSONResponse({"digest": self.digest}, headers={"cache-control": "no-store"})
        if path.startswith("/assets/"):
            asset = self.files.get(path) or self._of_another_release(path)
            return _found(asset, headers, YEAR) if asset else Response(status_code=404, headers={**SAFE, "cache-control": "no-store"})
        return _found(self.files.get(path) or self.files[PAGE], headers, "no-cache")

    def _of_another_release(self, path: str) -> Asset | None:
        """Named by its content, so whichever release has it has the same."""
        name = ASSET.fullmatch(path)
        if not name or not self.others:
            return None
        for folder in _folders(self.others):
            try:
                return read(folder / name[1])
            except OSError:
                continue
        return None


def read(path: Path) -> Asset:
    """Raises OSError."""
    variants = {"": _variant(path)}
    for encoding, suffix in ENCODINGS.items():
        try:
            variants[encoding] = _variant(path.with_name(path.name + suffix))
        except FileNotFoundError:
            continue
    media_type = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(media_type, variants)


def _variant(path: Path) -> Variant:
    data = path.read_bytes()
    return Variant(data, f'"{hashlib.sha256(data).hexdigest()[:32]}"')


def _plain(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in ENCODINGS.values())


def _folders(others: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(others) if entry.is_dir()]
    except FileNotFoundError:
        return []


def _found(asset: Asset, headers: Headers, cache: str) -> Response:
    encoding = _chosen(headers.get("accept-encoding", ""), asset.variants)
    variant = asset.variants[encoding]
    shared = {**SAFE, "cache-control": cache, "etag": variant.etag, "vary": "accept-encoding"}
    if _known(headers.get("if-none-match", ""), variant.etag):
        return Response(status_code=304, headers=shared)
    if encoding:
        shared["content-encoding"] = encoding
    return Response(variant.data, headers={**shared, "content-type": asset.media_type})


def _chosen(accepted: str, variants: Mapping[str, Variant]) -> str:
    """The first of ours that is accepted with a quality above 0; by RFC 9110, 12.5.3."""
    wanted: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        name, _, parameters = part.strip().partition(";")
        wanted[name.strip()] = not re.fullmatch(r"\s*q\s*=\s*0(\.0{0,3})?\s*", parameters)
    return next((name for name in variants if name and wanted.get(name, wanted.get("*", False))), "")


def _known(said: str, etag: str) -> bool:
    """If-None-Match compares weakly: RFC 9110, 13.1.2."""
    return said.strip() == "*" or etag in (part.strip().removeprefix("W/") for part in said.split(","))


async def _lifespan(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


def origin() -> ASGIApp:
    """As the environment names it: what its release carries lies beside it."""
    digest = os.environ["SLIPWAY_DIGEST"]
    assets = os.environ.get("SLIPWAY_ASSETS")
    here = Origin(Path(__file__).parents[2] / "web" / "dist", Path(assets) if assets else None, digest)
    return Correlation(here, release=digest.removeprefix("sha256:")[:12])
