"""Envoy's admin interface, over a Unix socket that only we may open."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

TIMEOUT_S = 2.0


class NoAnswer(Exception):
    """Envoy does not run, hangs, or says something else than expected."""


class Admin:
    """A connection per question: that costs less than a millisecond, and none is left open. Every call but `live` raises NoAnswer."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, path: str) -> Any:
        """The JSON at `path`."""
        try:
            return json.loads(self._ask(path))
        except ValueError as problem:
            raise NoAnswer(f"{path} is not JSON: {problem}") from problem

    def live(self) -> bool:
        """Started, with all of its first configuration taken or refused."""
        try:
            self._ask("/ready")
        except NoAnswer:
            return False
        return True

    def stats(self, pattern: str) -> dict[str, Any]:
        """Counters, gauges (int) and versions (str) whose name matches the regular expression."""
        found = self.read(f"/stats?format=json&filter={quote(pattern)}")["stats"]
        return {stat["name"]: stat["value"] for stat in found if "name" in stat}

    def routes(self) -> dict[str, Any] | None:
        """The RouteConfiguration that is in use."""
        found = self.read("/config_dump?resource=dynamic_route_configs").get("configs", [])
        return found[0]["route_config"] if found else None

    def port(self) -> int:
        """What the listener really got."""
        found = self.read("/listeners?format=json")["listener_statuses"]
        return int(found[0]["local_address"]["socket_address"]["port_value"])

    def reopen_logs(self) -> None:
        """Let go of log files that were renamed, and make new ones in their place. Soon, not always at once."""
        self._ask("/reopen_logs", "POST")

    def _ask(self, path: str, method: str = "GET") -> bytes:
        try:
            with closing(_UnixConnection(self.path)) as connection:
                connection.request(method, path)
                answer = connection.getresponse()
                text = answer.read()
        except TimeoutError as problem:
            raise NoAnswer(f"no answer within {TIMEOUT_S:g} s") from problem
        except (OSError, HTTPException) as problem:
            raise NoAnswer(repr(problem)) from problem
        if answer.status != 200:
            raise NoAnswer(f"{path} answered {answer.status}: {text[:200].decode(errors='replace')}")
        return text


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("envoy", timeout=TIMEOUT_S)
        self.path = path

    def connect(self) -> None:
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.settimeout(TIMEOUT_S)
        try:
            unix.connect(str(self.path))
        except BaseException:
            unix.close()
            raise
        self.sock = unix
