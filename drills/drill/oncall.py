"""What the on-call engineer does by the ops API, with a token of their own, and when."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from release.errors import SlipwayError

ANSWER_S = 10.0


@dataclass(frozen=True)
class Act:
    """One request. Seconds of CLOCK_MONOTONIC; `status` is the API's."""

    what: str
    asked_s: float
    answered_s: float
    status: int


class ApiRefused(SlipwayError):
    runbook = "flags.md"
    remedy = "The drill needs this to begin; its logs say what the store did."


@dataclass
class OnCall:
    """`address` is the edge's."""

    address: str
    token: str
    acts: list[Act] = field(default_factory=list)
    client: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=ANSWER_S, trust_env=False)
    )  # to make one takes longer than to ask

    def turn_on(self, flag: str, percentage: int) -> Act:
        """Raises ApiRefused."""
        answer = self._change(flag, percentage, f"turn {flag} on for {percentage} % of users")
        if answer.status != 200:
            raise ApiRefused(f"The ops API answered {answer.status} when {flag} was to be turned on.")
        return answer

    def try_to_change(self, flag: str) -> Act:
        return self._change(flag, 1, f"try to change {flag}")

    def kill(self, flag: str) -> Act:
        return self._ask(f"kill {flag}", "POST", f"flags/{flag}/kill", {"reason": "users are harmed"})[0]

    def freeze(self) -> Act:
        return self._ask("freeze flags", "POST", "freeze", {"reason": "users are harmed"})[0]

    def _change(self, flag: str, percentage: int, what: str) -> Act:
        _, state = self._ask(f"look at {flag}", "GET", "flags")
        version = next((one["version"] for one in state.get("flags", ()) if one["key"] == flag), 0)
        part = {"variant": "on", "percentage": percentage}
        return self._ask(what, "PATCH", f"flags/{flag}", {"reason": "a drill", "version": version, "state": "ENABLED", "percentage": part})[
            0
        ]

    def _ask(self, what: str, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[Act, dict[str, Any]]:
        """Status 0: no answer."""
        asked_s = time.monotonic()
        headers = {"authorization": f"Bearer {self.token}", "x-client-id": "on-call"}
        try:
            answer = self.client.request(method, f"{self.address}/api/ops/{path}", json=body, headers=headers)
            status, said = answer.status_code, answer.json()
        except (httpx.HTTPError, ValueError):
            status, said = 0, {}
        act = Act(what, asked_s, time.monotonic(), status)
        if method != "GET":
            self.acts.append(act)
        return act, said if isinstance(said, dict) else {}
