from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.fields import INT4_MAX, WholeNumber
from app.flags.definitions import FLAGS_MAX

Text = r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$"
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=Text, description="Why; it stays in the record of changes.")]
Seen = Annotated[int, Field(ge=0, le=INT4_MAX, description="The flag's version that the writer saw; 0: there is none yet."), WholeNumber]
Name = Annotated[str, Field(min_length=1, max_length=64, examples=["on"])]
DefinitionBody = Annotated[dict[str, Any], Field(description="In flagd's form, whole.")]

EXAMPLE: JsonDict = {
    "state": "ENABLED",
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
    "targeting": {"fractional": [["on", 10], ["off", 90]]},
    "metadata": {"owner": "store", "kind": "release", "expires": "2027-05-31", "description": "Volume discount."},
}


class Action(StrEnum):
    FLAG_SET = "flag_set"
    FLAG_KILLED = "flag_killed"
    FLAG_IMPORTED = "flag_imported"
    FLAGS_FROZEN = "flags_frozen"
    FLAGS_UNFROZEN = "flags_unfrozen"


class Asked(BaseModel):
    """Unknown fields are refused: one that we ignored could be one that matters."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason


class Because(Asked):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"reason": "totals are wrong in DE"}})


class Whole(Asked):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "start with a tenth", "version": 1, "definition": EXAMPLE}}
    )
    version: Seen
    definition: DefinitionBody


class Share(BaseModel):
    model_config = ConfigDict(extra="forbid")
    variant: Name
    percentage: Annotated[int, Field(ge=0, le=100, description="Of users; the rest gets the default variant."), WholeNumber]


class Part(Asked):
    """At least one of `state`, `default_variant` and `percentage`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"reason": "looks good", "version": 1, "percentage": {"variant": "on", "percentage": 50}}},
    )
    version: Seen
    state: Literal["ENABLED", "DISABLED"] | None = None
    default_variant: Name | None = None
    percentage: Share | None = None


class Import(Asked):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "as in production", "flags": {"pricing-v2": EXAMPLE}}}
    )
    flags: Annotated[dict[str, DefinitionBody], Field(min_length=1, max_length=FLAGS_MAX)]


class Flag(BaseModel):
    key: str
    version: int
    definition: dict[str, Any]
    killed: bool
    stale: bool
    stale_because: str | None
    updated_at: datetime


class Frozen(BaseModel):
    reason: str
    actor: str
    at: datetime


class Change(BaseModel):
    """An entry of the record, with what its hash is over."""

    seq: int
    at: str
    actor: str
    action: str
    flag: str | None
    reason: str
    old: Any
    new: Any
    prev: str
    hash: str


class Changed(BaseModel):
    """`flags_version` is that of all flags: an instance whose `flag_snapshot_version` is as high has heard of the change."""

    flag: Flag
    flags_version: int


class Freeze(BaseModel):
    frozen: Frozen | None
    flags_version: int


class Imported(BaseModel):
    changed: list[str]
    flags_version: int


class State(BaseModel):
    version: int
    frozen: Frozen | None
    flags: list[Flag]
    changes: list[Change]


class ChangePage(BaseModel):
    items: list[Change]
    next_cursor: str | None


class Definitions(BaseModel):
    """flagd's file."""

    flags: dict[str, dict[str, Any]]
