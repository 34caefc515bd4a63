"""A registry that asks who it is talks to: token, Basic, and a password that is sent to nobody else."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from release.adapters.containers.registry import Registry
from release.errors import RegistryAway

GOOD = "Basic " + base64.b64encode(b"ada:secret").decode()  # pragma: allowlist secret


@dataclass
class Guard:
    """What the registry asks for, and what it was told."""

    challenge: str = 'Bearer realm="{address}/token",service="ours",scope="repository:store:pull"'
    accepts: str = "Bearer abc"
    told: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    guard: ClassVar[Guard]

    def do_GET(self) -> None:
        given = self.headers["authorization"]
        self.guard.told.append((self.path, given))
        address = f"http://127.0.0.1:{self.server.server_address[1]}"
        if self.path.startswith("/token"):
            self._answer(200 if given == GOOD else 401, json.dumps({"token": "abc"}).encode())
        elif given == self.guard.accepts:
            self._answer(200, b"{}")
        else:
            self._answer(401, b"", {"www-authenticate": self.guard.challenge.format(address=address)})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def guard() -> Guard:
    Handler.guard = Guard()
    return Handler.guard


@pytest.fixture
def registry(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("SLIPWAY_REGISTRY_USER", "ada")
    monkeypatch.setenv("SLIPWAY_REGISTRY_PASSWORD", "secret")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Registry(f"127.0.0.1:{server.server_port}/store")
        server.shutdown()
        thread.join()


def test_a_token_is_asked_for_what_the_registry_says(guard: Guard, registry: Registry) -> None:
    assert registry.manifest("sha256:x") == b"{}"
    (first, nothing), (asked, basic), (again, token) = guard.told
    assert (first, nothing) == ("/v2/store/manifests/sha256:x", None)
    assert parse_qs(urlsplit(asked).query) == {"service": ["ours"], "scope": ["repository:store:pull"]}
    assert (basic, again, token) == (GOOD, first, "Bearer abc")


def test_basic_where_it_wants_that(guard: Guard, registry: Registry) -> None:
    guard.challenge, guard.accepts = 'Basic realm="here"', GOOD
    assert registry.manifest("sha256:x") == b"{}"


def test_a_wrong_password_is_told_and_not_tried_again(guard: Guard, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_REGISTRY_PASSWORD", "wrong")
    with pytest.raises(RegistryAway, match="401"):
        registry.manifest("sha256:x")
    assert len(guard.told) == 2


def test_without_a_password_the_registrys_answer_stands(guard: Guard, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIPWAY_REGISTRY_PASSWORD")
    with pytest.raises(RegistryAway, match="401"):
        registry.manifest("sha256:x")
    assert [given for _, given in guard.told] == [None]


def test_a_password_is_sent_over_no_open_line(guard: Guard, registry: Registry) -> None:
    guard.challenge = 'Bearer realm="http://registry.example/token"'
    with pytest.raises(RegistryAway, match="not https"):
        registry.manifest("sha256:x")
    assert [given for _, given in guard.told] == [None]


def test_a_bearer_token_of_ones_own_is_sent_at_once(guard: Guard, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_REGISTRY_TOKEN", "abc")
    assert registry.manifest("sha256:x") == b"{}"
    assert [given for _, given in guard.told] == ["Bearer abc"]
