"""Settings from the environment (`SLIPWAY_…`), checked before anything else starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "SLIPWAY_"
EXIT_BAD_SETTINGS = 78  # EX_CONFIG of sysexits.h


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True)

    database_url: Annotated[str, Field(repr=False)]
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    revision: Annotated[str, Field(pattern=r"^[!-~]{1,100}$")]
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    pool_size: Annotated[int, Field(ge=1, le=50)] = 5
    flags_file: Path | None = None  # where the last known good flags are kept; instances may share it

    @field_validator("database_url")
    @classmethod
    def _drivable(cls, text: str) -> str:
        try:
            drivable = make_url(text).drivername == "postgresql+asyncpg"
        except ArgumentError:
            drivable = False
        if not drivable:
            raise ValueError("must look like postgresql+asyncpg://user@host:5432/name")
        return text

    @property
    def release(self) -> str:
        """The short name of this release: the first 12 hex digits of its digest."""
        return self.digest.removeprefix("sha256:")[:12]


def from_environment() -> Settings:
    """The settings; ends the process with one plain line where they make no sense."""
    try:
        return Settings()  # type: ignore[call-arg]  # filled from the environment
    except ValidationError as invalid:
        _give_up(invalid)


def _give_up(invalid: ValidationError) -> NoReturn:
    faults = (f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg'].removeprefix('Value error, ')}" for fault in invalid.errors())
    print(f"slipway-api cannot start. {'; '.join(faults)}.", file=sys.stderr)
    sys.exit(EXIT_BAD_SETTINGS)
