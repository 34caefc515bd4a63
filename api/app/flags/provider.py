"""The OpenFeature provider: answers from the snapshot in memory. It does no I/O but at its start, when it reads the last known good snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata

from app.flags.keep import kept
from app.flags.snapshot import EMPTY, Snapshot

log = structlog.get_logger()

Object = Sequence[FlagValueType] | Mapping[str, FlagValueType]


class SnapshotProvider(AbstractProvider):
    """`file`: where the last known good snapshot lies, if anywhere."""

    def __init__(self, file: Path | None) -> None:
        super().__init__()
        self.file = file
        self.snapshot = EMPTY
        self.stale = True  # until the database has said what there is

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002 - OpenFeature's
        """Without a file there are no flags yet, so every caller's default holds; that is safe, and no reason not to start."""
        self.snapshot = kept(self.file) or EMPTY

    def get_metadata(self) -> Metadata:
        return Metadata("slipway")

    def replace(self, snapshot: Snapshot) -> None:
        """What the database says now."""
        changed = snapshot.changed_since(self.snapshot)
        self.snapshot = snapshot
        if self.stale:
            self.stale = False
            self.emit_provider_ready(ProviderEventDetails())
        if changed:
            self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=changed))

    def lose_touch(self, why: str) -> None:
        """The last known good snapshot goes on."""
        if not self.stale:
            self.stale = True
            self.emit_provider_stale(ProviderEventDetails(message=why))

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        return self.snapshot.core.resolve_boolean_value(flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return self.snapshot.core.resolve_string_value(flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return self.snapshot.core.resolve_integer_value(flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        return self.snapshot.core.resolve_float_value(flag_key, default_value, evaluation_context)

    def resolve_object_details(
        self, flag_key: str, default_value: Object, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Object]:
        return self.snapshot.core.resolve_object_value(flag_key, default_value, evaluation_context)
