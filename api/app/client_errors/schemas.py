from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.correlation import VALID
from app.fields import WholeNumber

MESSAGE_MAX = 1000
COUNT_MAX = 1000


class ReportKind(StrEnum):
    VIEW = "view"  # nothing broke: a page was loaded
    ERROR = "error"
    REJECTION = "rejection"
    RENDER = "render"
    CHUNK = "chunk"
    API = "api"


class ClientReport(BaseModel):
    """A browser's word on one load of the store's page: `view` once when it is loaded, another kind when something broke.

    Nothing of a person belongs in here. Unknown fields are ignored: a newer client may know more than we do.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"build": "1.0123456789ab", "kind": "error", "message": "x is undefined", "where": "/checkout"}}
    )

    build: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="As in `x-client-build`.")]
    kind: ReportKind
    where: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9/:*._{}-]{1,100}$", description="The page's pattern, `/orders/:id`; never an address.")
    ]
    message: Annotated[str, Field(max_length=MESSAGE_MAX)] = ""
    correlation_id: Annotated[str | None, Field(pattern=f"^{VALID.pattern}$", description="Of the call that failed.")] = None
    count: Annotated[int, Field(ge=1, le=COUNT_MAX), WholeNumber] = 1
    first: Annotated[bool, Field(strict=True, description="The first break since the page was loaded: the view counts as broken.")] = False
