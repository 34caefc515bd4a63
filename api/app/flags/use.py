"""How a request asks for flags: through OpenFeature, and what it got is noted for its answer and for the metrics."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from openfeature import api as openfeature
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from starlette.types import Scope

from app.flags import variants
from app.flags.metrics import EVALUATIONS
from app.flags.provider import SnapshotProvider
from app.pricing import Country

_stores = count(1)  # OpenFeature's registry is one per process; tests have several stores in one


def install(file: Path | None) -> tuple[SnapshotProvider, OpenFeatureClient]:
    """The provider, started, and the client that asks it."""
    provider, domain = SnapshotProvider(file), f"store-{next(_stores)}"
    openfeature.set_provider_and_wait(provider, domain)
    return provider, openfeature.get_client(domain)


class Flags:
    """Of one request. A method per flag, so that each is asked for in one way, with a default that is safe."""

    def __init__(self, client: OpenFeatureClient, release: str, scope: Scope) -> None:
        self.client, self.release, self.scope = client, release, scope

    def pricing_v2(self, client_id: str | None, country: Country) -> bool:
        return self._on("pricing-v2", self._context(client_id, country))

    def discount_codes(self, client_id: str | None, country: Country) -> bool:
        """Are coupons read as codes of the table, instead of as text?"""
        return self._on("discount-codes", self._context(client_id, country))

    def _context(self, client_id: str | None, country: Country) -> EvaluationContext:
        return EvaluationContext(client_id, {"country": str(country), "release": self.release})

    def _on(self, flag: str, context: EvaluationContext) -> bool:
        got = self.client.get_boolean_details(flag, False, context)
        variants.note(self.scope, flag, got.variant)
        EVALUATIONS.labels(flag, got.variant or variants.DEFAULT).inc()
        return got.value


def of_request(request: Request) -> Flags:
    state = request.app.state
    return Flags(state.flags_client, state.settings.release, request.scope)


AskFlags = Annotated[Flags, Depends(of_request)]
