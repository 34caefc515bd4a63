"""The ops API as the engine meets it: what it says, and that it never makes anybody wait for long."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from release import errors
from release.adapters.flags import HttpFlags, token_of
from release.commands.flags import in_words

DIGEST = "sha256:" + "a" * 64
ANSWER_S = 0.4


class Api:
    """Answers what it is told to, after so long; remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.after_s = 200, json.dumps({"flags": [], "version": 1, "frozen": None, "changes": []}), 0.0
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.ended = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or "null")
                api.asked.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                api.ended.wait(api.after_s)
                self.send_response(api.status)
                self.send_header("content-length", str(len(api.body)))
                self.end_headers()
                self.wfile.write(api.body.encode())

            do_GET = do_PATCH = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def flags(self, token: str | None = "slw_1_2") -> HttpFlags:
        return HttpFlags(lambda: f"http://127.0.0.1:{self.server.server_address[1]}", lambda: token, ANSWER_S)

    def stop(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    yield made
    made.stop()


def test_a_kill_asks_exactly_this_release_with_our_token(api: Api) -> None:
    api.flags().kill(DIGEST, "pricing-v2", "wrong\ntotals " + "x" * 600)
    [(method, path, headers, body)] = api.asked
    assert (method, path) == ("POST", "/api/ops/flags/pricing-v2/kill")
    assert (headers["authorization"], headers["x-release"]) == ("Bearer slw_1_2", "a" * 12)
    assert body["reason"].startswith("wrong totals x")
    assert len(body["reason"]) == 500, "as much as the API takes"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, errors.TokenRefused) for status in (401, 403, 429)),
        *((status, errors.FlagRefused) for status in (404, 409, 422)),
        (423, errors.FlagsFrozen),
        *((status, errors.FlagsAway) for status in (400, 500, 503, 504)),
    ],
)
def test_each_answer_has_its_error_with_the_apis_words(api: Api, status: int, error: type[errors.SlipwayError]) -> None:
    api.status = status
    api.body = json.dumps({"detail": "What it says.", "faults": [{"where": "body.percentage", "what": "Should be at most 100"}]})
    with pytest.raises(error, match=r"What it says\.; body\.percentage: Should be at most 100"):
        api.flags().freeze(DIGEST, "x")


@pytest.mark.parametrize("body", ["<html>", "3", "", '{"flags": 3}'])
def test_nonsense_is_no_answer(api: Api, body: str) -> None:
    api.body = body
    with pytest.raises(errors.FlagsAway):
        api.flags().list(DIGEST)


def test_an_api_that_hangs_or_is_away_holds_nobody_up(api: Api) -> None:
    api.after_s = 30
    began_s = time.monotonic()
    with pytest.raises(errors.FlagsAway, match="does not answer"):
        api.flags().freeze(DIGEST, "x")
    assert time.monotonic() - began_s < 15 < api.after_s
    api.stop()
    with pytest.raises(errors.FlagsAway, match="does not answer"):
        api.flags().kill(DIGEST, "f", "x")


def test_without_a_token_or_an_edge_it_says_what_to_do(api: Api) -> None:
    with pytest.raises(errors.TokenRefused) as refused:
        api.flags(None).list(DIGEST)
    assert "make up" in refused.value.remedy

    def down() -> str:
        raise errors.NotUp("The edge does not run.")

    with pytest.raises(errors.FlagsAway, match="edge"):
        HttpFlags(down, lambda: "slw", ANSWER_S).list(DIGEST)


def test_a_person_has_their_own_token(tmp_path: Path) -> None:
    path = tmp_path / "ops-token"
    assert token_of(path, {}) is None
    path.write_text("slw_env\n")
    assert token_of(path, {}) == "slw_env"
    assert token_of(path, {"SLIPWAY_OPS_TOKEN": "slw_mine"}) == "slw_mine"


@pytest.mark.parametrize(
    ("definition", "killed", "words"),
    [
        ({"defaultVariant": "off"}, False, "off"),
        ({"defaultVariant": "off"}, True, "the code's default (killed)"),
        ({"state": "DISABLED", "defaultVariant": "on"}, False, "the code's default (killed)"),
        ({"defaultVariant": "off", "targeting": {"fractional": [["on", 5], ["off", 15]]}}, False, "on for 25 %, off for 75 %"),
        ({"defaultVariant": "off", "targeting": {"if": [{"in": ["DE", {"var": "country"}]}, "on"]}}, False, "by rule, else off"),
    ],
)
def test_definitions_in_words(definition: dict[str, Any], killed: bool, words: str) -> None:
    assert in_words(definition, killed=killed) == words
