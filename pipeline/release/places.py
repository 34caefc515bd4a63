"""Where an environment runs: the adapters of the embedded runtime, or of containers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from release.adapters.clock import RealClock
from release.adapters.embedded import EmbeddedRuntime
from release.adapters.envoy import EnvoyEdge
from release.adapters.oci import OciArtifacts
from release.adapters.postgres import Postgres
from release.errors import BadPolicy, UsageError
from release.home import Home
from release.policy import Policy
from release.ports import Artifacts, Runtime, Telemetry

RuntimeName = Literal["embedded", "compose"]
RUNTIMES: tuple[RuntimeName, ...] = ("embedded", "compose")


class Database(Protocol):
    @property
    def url(self) -> str: ...

    def ensure(self) -> str:
        """Raises DatabaseFailed."""
        ...

    def stop(self) -> None: ...

    def psql(self, sql: str) -> list[dict[str, str]]:
        """Rows of one statement, every value as text. Raises DatabaseFailed."""
        ...

    def tool(self, argv: Sequence[str], *, stdin: Path | None = None, stdout: Path | None = None) -> None:
        """One of PostgreSQL's programs on the store's database. Raises DatabaseFailed."""
        ...


def nothing_more(*_: object) -> None:
    """Processes need no registry, and leave nothing beside the environment's folder."""


def no_observers(services: Sequence[str]) -> Mapping[str, str]:  # noqa: ARG001
    raise UsageError("The embedded runtime has no Prometheus.", remedy="`make up RUNTIME=compose`, then `make observe RUNTIME=compose`.")


@dataclass(frozen=True)
class Place:
    """`publish` sends a built release to where the runtime takes it from; `sweep` removes what is left after all was stopped."""

    artifacts: Artifacts
    runtime: Runtime
    edge: EnvoyEdge
    database: Database
    telemetry: Telemetry | None = None
    grafana: Callable[[], str | None] = lambda: os.environ.get("SLIPWAY_GRAFANA")
    publish: Callable[[str], None] = nothing_more
    observe: Callable[[Sequence[str]], Mapping[str, str]] = no_observers
    sweep: Callable[[bool], None] = nothing_more
    save_logs: Callable[[Path], None] = nothing_more  # those that do not lie in the environment's folder anyway


def kind_of(folder: Path) -> RuntimeName:
    """As it was chosen by the first `release up`."""
    try:
        return "compose" if (folder / "runtime").read_text().strip() == "compose" else "embedded"
    except FileNotFoundError:
        return "embedded"


def place(kind: RuntimeName, home: Home, env: str, policy: Policy, port: int | None, clock: RealClock) -> Place:
    if kind == "compose":
        return _compose(home, env, policy, port, clock)
    if policy.gate.reads != "edge":
        raise BadPolicy(f"gate.reads: {policy.gate.reads} needs the compose runtime.", remedy="Set it to `edge`.")
    artifacts = OciArtifacts(home)
    runtime = EmbeddedRuntime(home, env, policy, artifacts, clock.wait)
    return Place(artifacts, runtime, EnvoyEdge(home, env, policy, port), Postgres(home, env))


def _compose(home: Home, env: str, policy: Policy, port: int | None, clock: RealClock) -> Place:
    from release.adapters.containers.build import layout_of  # the packages of containers are not on every machine
    from release.adapters.containers.database import PostgresContainer
    from release.adapters.containers.edge import EnvoyContainer
    from release.adapters.containers.images import Images, RegistryImages
    from release.adapters.containers.project import Project
    from release.adapters.containers.prometheus import PrometheusTelemetry
    from release.adapters.containers.registry import Registry
    from release.adapters.containers.runtime import ComposeRuntime

    project = Project(home, env)

    def registry() -> Registry:
        return Registry(
            (os.environ.get("SLIPWAY_REGISTRY") or project.registry()).lower()
        )  # GitHub's names have capitals, an image's must not

    def publish(digest: str) -> None:
        Images(layout_of(home), home.keys).publish(digest, registry())

    artifacts = RegistryImages(home.env(env) / "images", home.keys, registry)
    edge = EnvoyEdge(home, env, policy, port, lambda _: EnvoyContainer(project))
    return Place(
        artifacts,
        ComposeRuntime(project, policy, artifacts, clock.wait),
        edge,
        PostgresContainer(project),
        telemetry=PrometheusTelemetry(project, edge.digests, policy.gate.slow_ms) if policy.gate.reads == "prometheus" else None,
        grafana=lambda: os.environ.get("SLIPWAY_GRAFANA") or project.grafana(),
        publish=publish,
        observe=project.observe,
        sweep=project.sweep,
        save_logs=project.save_logs,
    )
