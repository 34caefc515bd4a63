"""How a registry wants to be logged in to: https://distribution.github.io/distribution/spec/auth/token/, or plain Basic."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Generator
from dataclasses import dataclass

import httpx

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PART = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class Login(httpx.Auth):
    """SLIPWAY_REGISTRY_USER and SLIPWAY_REGISTRY_PASSWORD where the registry asks for them; or a bearer token, SLIPWAY_REGISTRY_TOKEN, with each request."""

    user: str = ""
    password: str = ""
    token: str = ""
    requires_response_body = True  # of the token's answer

    @classmethod
    def from_environment(cls) -> Login:
        return cls(*(os.environ.get(f"SLIPWAY_REGISTRY_{name}", "") for name in ("USER", "PASSWORD", "TOKEN")))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self.token:
            request.headers["authorization"] = f"Bearer {self.token}"
        answer = yield request
        scheme, _, parameters = answer.headers.get("www-authenticate", "").partition(" ")
        if answer.status_code != 401 or not self.password:
            return
        if scheme.lower() == "basic":
            request.headers["authorization"] = self._basic()
            yield request
        elif scheme.lower() == "bearer":
            wanted = dict(PART.findall(parameters))
            said = yield self._ask_for_token(wanted)
            if said.status_code == 200:
                self.token = str(said.json().get("token") or said.json().get("access_token") or "")
                request.headers["authorization"] = f"Bearer {self.token}"
                yield request

    def _ask_for_token(self, wanted: dict[str, str]) -> httpx.Request:
        """The password goes to nobody who listens on the way. Raises httpx.UnsupportedProtocol."""
        realm = httpx.URL(wanted.pop("realm", ""))
        if realm.scheme != "https" and realm.host not in LOOPBACK:
            raise httpx.UnsupportedProtocol(f"the registry wants the password sent to {realm}, which is not https")
        return httpx.Request("GET", realm.copy_merge_params(wanted), headers={"authorization": self._basic()})

    def _basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
