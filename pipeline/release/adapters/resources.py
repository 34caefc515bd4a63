"""Envoy's configuration files, and what Envoy says to them: taken, refused, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from release import traffic
from release.adapters.admin import Admin, NoAnswer
from release.adapters.files import put
from release.adapters.processes import wait_until
from release.errors import EdgeRefused
from release.traffic import Json

ACK_S = 2.0
FIRST_POLLS, FIRST_POLL_S, POLL_S = 100, 0.001, 0.01
CDS, RDS = "cluster_manager.cds", f"http.edge.rds.{traffic.ROUTES}"
WHAT_BECAME = (
    rf"^(cluster_manager\.cds|http\.edge\.rds\.{traffic.ROUTES}|cluster\.(release|events|web)-[0-9a-f]+)\.(version_text|update_rejected|update_failure)$"
    r"|^cluster_manager\.warming_clusters$"
)


class Resources:
    """Files below `folder`; `last_words` is the end of Envoy's log, where it says why it refused."""

    def __init__(self, folder: Path, admin: Admin, last_words: Callable[[], str]) -> None:
        self.folder, self.admin, self.last_words = folder, admin, last_words

    def apply(self, resources: Mapping[str, Json], version: str, even_if_same: bool = False) -> None:
        """Put those that change into place and wait until each is taken. Raises EdgeRefused."""
        changed = {name: new for name, new in resources.items() if even_if_same or not self._has(name, new)}
        if not changed:
            return
        known = self._now()
        for name, resource in changed.items():
            put(self.folder / name, json.dumps({**resource, "version_info": version}))
        self.wait_for(version, [_subscription(name) for name in changed], known)

    def wait_for(self, version: str, subscriptions: Sequence[str], before: Mapping[str, Any]) -> None:
        now: dict[str, Any] = {}

        def decided() -> bool:
            now.clear()
            now.update(self._now())
            return bool(_refused(before, now, subscriptions)) or _taken(now, subscriptions, version)

        _poll(decided)
        if refused := _refused(before, now, subscriptions):
            raise EdgeRefused(f"The edge refused {', '.join(refused)}. {self.last_words()}")
        if not _taken(now, subscriptions, version):
            raise EdgeRefused(f"The edge did not acknowledge {', '.join(subscriptions)} within {ACK_S:g} s.")

    def _now(self) -> dict[str, Any]:
        try:
            return self.admin.stats(WHAT_BECAME)
        except NoAnswer as problem:
            raise EdgeRefused(f"The edge does not answer: {problem}") from problem

    def _has(self, name: str, new: Json) -> bool:
        try:
            return bool(json.loads((self.folder / name).read_text())["resources"] == new["resources"])
        except FileNotFoundError:
            return False

    def texts(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.folder.glob("*ds*.json")}

    def put_back(self, files: Mapping[str, str]) -> None:
        """So that what lies here is what serves, also after a restart."""
        for name, text in files.items():
            if (self.folder / name).read_text() != text:
                put(self.folder / name, text)

    def remove_all_but(self, names: set[str]) -> None:
        for name in self.texts().keys() - names:
            (self.folder / name).unlink()


def _subscription(file: str) -> str:
    """What Envoy calls it in its counters."""
    if file.startswith("eds-"):
        return f"cluster.{file.removeprefix('eds-').removesuffix('.json')}"
    return {"cds.json": CDS, "rds.json": RDS}[file]


def _refused(before: Mapping[str, Any], now: Mapping[str, Any], subscriptions: Sequence[str]) -> list[str]:
    names = [f"{subscription}.{kind}" for subscription in subscriptions for kind in ("update_rejected", "update_failure")]
    return [name for name in names if now.get(name, 0) > before.get(name, 0)]


def _taken(now: Mapping[str, Any], subscriptions: Sequence[str], version: str) -> bool:
    versions = [now.get(f"{subscription}.version_text") for subscription in subscriptions]
    return all(taken == version for taken in versions) and now.get("cluster_manager.warming_clusters") == 0


def _poll(done: Callable[[], bool]) -> None:
    """Close together at first, where nearly every answer comes; bounded by ACK_S."""
    if not wait_until(done, FIRST_POLLS * FIRST_POLL_S, FIRST_POLL_S):
        wait_until(done, ACK_S, POLL_S)
