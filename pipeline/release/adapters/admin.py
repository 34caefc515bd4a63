"""Envoy's admin interface, over a Unix socket that only we may open."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

TIMEOUT_S = 2.0


class Admin:
    """One kept connection, opened when it is first needed, also after `close`. Every call raises httpx.HTTPError or ValueError."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._kept: httpx.Client | None = None

    @property
    def _client(self) -> httpx.Client:
        if self._kept is None:
            transport = httpx.HTTPTransport(uds=str(self.socket), retries=1)
            self._kept = httpx.Client(transport=transport, base_url="http://envoy", timeout=TIMEOUT_S, trust_env=False)
        return self._kept

    def read(self, path: str) -> Any:
        """The JSON at `path`. Asked again once: Envoy may have been started anew since the kept connection was opened."""
        try:
            answer = self._client.get(path)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            answer = self._client.get(path)
        return answer.raise_for_status().json()

    def live(self) -> bool:
        """Started, with all of its first configuration taken or refused."""
        try:
            return self._client.get("/ready").status_code == 200
        except httpx.HTTPError:
            return False

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

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None
