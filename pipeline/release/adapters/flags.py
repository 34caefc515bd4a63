"""Feature flags by the ops API of one release, through the edge. Bounded: a way back may wait for the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from release.errors import FlagRefused, FlagsAway, FlagsFrozen, NotUp, SlipwayError, TokenRefused
from release.home import short
from release.ports import FlagChange, FlagsState, FlagState

SAID: Mapping[int, type[SlipwayError]] = {
    **dict.fromkeys((401, 403, 429), TokenRefused),
    **dict.fromkeys((404, 409, 422), FlagRefused),
    423: FlagsFrozen,
}


class HttpFlags:
    """Implements the port Flags, and what only people ask. `token`: read each time, for it may be renewed."""

    def __init__(self, address: Callable[[], str], token: Callable[[], str | None], answer_s: float) -> None:
        self.address, self.token = address, token
        self.client = httpx.Client(timeout=answer_s, trust_env=False)

    def kill(self, digest: str, flag: str, reason: str) -> None:
        self._ask("POST", digest, f"flags/{flag}/kill", {"reason": _brief(reason)})

    def freeze(self, digest: str, reason: str) -> None:
        self._ask("POST", digest, "freeze", {"reason": _brief(reason)})

    def unfreeze(self, digest: str, reason: str) -> None:
        self._ask("POST", digest, "unfreeze", {"reason": _brief(reason)})

    def list(self, digest: str) -> FlagsState:
        said = self._ask("GET", digest, "flags")
        try:
            flags = [FlagState(one["key"], one["version"], one["definition"], one["killed"], one["stale"]) for one in said["flags"]]
            changes = [FlagChange(**{name: one[name] for name in FlagChange.__dataclass_fields__}) for one in said["changes"]]
            return FlagsState(said["version"], said["frozen"], flags, changes)
        except (KeyError, TypeError) as problem:
            raise FlagsAway(f"The ops API of {short(digest)} says something else than expected: {problem!r}") from problem

    def set(self, digest: str, flag: str, reason: str, changes: Mapping[str, Any]) -> None:
        """`changes` as the API has them: state, default_variant, percentage. Of the version that is there now."""
        there = {one.key: one.version for one in self.list(digest).flags}
        if flag not in there:
            raise FlagRefused(f"There is no flag {flag}.")
        self._ask("PATCH", digest, f"flags/{flag}", {"reason": _brief(reason), "version": there[flag], **changes})

    def definitions(self, digest: str) -> dict[str, Any]:
        """flagd's file."""
        return dict(self._ask("GET", digest, "definitions"))

    def take_over(self, digest: str, flags: Mapping[str, Any], reason: str) -> Sequence[str]:
        """All of them or none; the names of those that changed."""
        return tuple(self._ask("POST", digest, "definitions", {"reason": _brief(reason), "flags": flags})["changed"])

    def _ask(self, method: str, digest: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Exactly this release answers, or nobody."""
        token = self.token()
        if token is None:
            raise TokenRefused("This environment has no token for its ops API.", remedy="`make up` makes one.")
        headers = {"authorization": f"Bearer {token}", "x-release": short(digest), "x-client-id": "release-engine"}
        try:
            answer = self.client.request(method, f"{self.address()}/api/ops/{path}", json=body, headers=headers)
            said = answer.json()
        except NotUp as problem:
            raise FlagsAway(problem.what, remedy=problem.remedy) from problem
        except (httpx.HTTPError, ValueError) as problem:
            raise FlagsAway(f"The ops API of {short(digest)} does not answer: {problem!r}") from problem
        if answer.status_code < 300 and isinstance(said, dict):
            return said
        raise SAID.get(answer.status_code, FlagsAway)(_words(answer.status_code, said))


def _words(status: int, said: Any) -> str:
    """A problem document, for people."""
    if not isinstance(said, dict):
        return f"The ops API answered {status}."
    faults = [f"{fault.get('where')}: {fault.get('what')}" for fault in said.get("faults", []) if isinstance(fault, dict)]
    return "; ".join([str(said.get("detail") or f"The ops API answered {status}."), *faults])


def _brief(reason: str) -> str:
    """As the API takes it: a line, and not a long one."""
    return " ".join(reason.split())[:500] or "no reason given"


def token_of(path: Path, environ: Mapping[str, str]) -> str | None:
    """A person's own (SLIPWAY_OPS_TOKEN), else the environment's."""
    if environ.get("SLIPWAY_OPS_TOKEN"):
        return environ["SLIPWAY_OPS_TOKEN"].strip()
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
