"""Traces by OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT says that somebody collects them: a span per request, in the trace that the browser
began (W3C `traceparent`), and one per SQL statement. Each names the release; a request's also the correlation id.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import get_contextvars

from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

NOT_TRACED = "livez,readyz,metrics"  # asked each few seconds by machines


def install(app: FastAPI, settings: Settings) -> None:
    """Costs nothing where nobody collects: then not even the packages are imported."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    says = {"service.name": "store-api", "service.version": settings.release, "slipway.digest": settings.digest}
    provider = TracerProvider(resource=Resource.create(says))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=1000))
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, excluded_urls=NOT_TRACED, exclude_spans=["send", "receive"])
    SQLAlchemyInstrumentor().instrument(
        engine=app.state.engine.sync_engine, tracer_provider=provider, skip_dep_check=True
    )  # it knows 2.0 only
    app.user_middleware.append(Middleware(Named, release=settings.release))  # the innermost: by then there is a correlation id


class Named:
    """Tells the request's span whose it is."""

    def __init__(self, app: ASGIApp, release: str) -> None:
        self.app, self.release = app, release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from opentelemetry import trace

        span = trace.get_current_span()
        span.set_attribute("slipway.release", self.release)
        span.set_attribute("slipway.correlation_id", str(get_contextvars().get("correlation_id", "")))
        await self.app(scope, receive, send)
