"""What on-call does at run time. Each route names the scope that its caller's token must have."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.database import OpsTransaction
from app.fields import PageCursor, PageSize
from app.flags.definitions import KEY
from app.ops import service, tokens
from app.ops.schemas import Because, Changed, ChangePage, Definitions, Freeze, Import, Imported, Part, State, Whole
from app.ops.tokens import TokenScope
from app.problems import (
    BadDefinition,
    BodyTooLarge,
    ChangedMeanwhile,
    DatabaseAway,
    FlagsFrozen,
    InternalError,
    InvalidRequest,
    MalformedBody,
    NotAuthorised,
    Overloaded,
    ScopeMissing,
    TooManyTries,
    UnknownFlag,
    documented,
)

USUAL = (InvalidRequest, NotAuthorised, ScopeMissing, TooManyTries, InternalError, DatabaseAway, Overloaded)
WRITE = (*USUAL, MalformedBody, BodyTooLarge)
CHANGE = (*WRITE, FlagsFrozen, BadDefinition)

router = APIRouter(prefix="/api/ops", tags=["ops"])
bearer = HTTPBearer(auto_error=False, description="`slw_<id>_<secret>`; `python -m app.ops.tokens create` makes one.")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
FlagKey = Annotated[str, Path(pattern=f"^{KEY.pattern}$", examples=["pricing-v2"])]


class _Allowed:
    """The name of the caller's token, for the record."""

    def __init__(self, scope: TokenScope) -> None:
        self.scope = scope

    async def __call__(self, request: Request, transaction: OpsTransaction, sent: Bearer) -> str:
        """Raises NotAuthorised, ScopeMissing, TooManyTries."""
        return await tokens.actor(transaction, request.app.state.ops_guard, sent.credentials if sent else None, self.scope)


# scope="function", as the transaction that they use.
MayRead = Annotated[str, Depends(_Allowed(TokenScope.READ), scope="function")]
MayWrite = Annotated[str, Depends(_Allowed(TokenScope.WRITE), scope="function")]
MayKill = Annotated[str, Depends(_Allowed(TokenScope.KILL), scope="function")]
MayFreeze = Annotated[str, Depends(_Allowed(TokenScope.FREEZE), scope="function")]


@router.get("/flags", responses=documented(*USUAL))
async def list_flags(_actor: MayRead, transaction: OpsTransaction) -> State:
    """All flags, whether they are frozen, and the newest changes."""
    return await service.state(transaction)


@router.put("/flags/{key}", responses=documented(*CHANGE, ChangedMeanwhile))
async def put_flag(actor: MayWrite, transaction: OpsTransaction, key: FlagKey, asked: Whole) -> Changed:
    return await service.put(transaction, actor, key, asked)


@router.patch("/flags/{key}", responses=documented(*CHANGE, ChangedMeanwhile, UnknownFlag))
async def patch_flag(actor: MayWrite, transaction: OpsTransaction, key: FlagKey, asked: Part) -> Changed:
    return await service.patch(transaction, actor, key, asked)


@router.post("/flags/{key}/kill", responses=documented(*WRITE, UnknownFlag))
async def kill_flag(actor: MayKill, transaction: OpsTransaction, key: FlagKey, asked: Because) -> Changed:
    """Off for everybody, in a moment: the code's own default holds. Allowed while frozen; killed twice is killed."""
    return await service.kill(transaction, actor, key, asked.reason)


@router.post("/freeze", responses=documented(*WRITE))
async def freeze_flags(actor: MayFreeze, transaction: OpsTransaction, asked: Because) -> Freeze:
    """Refuse every change of flags but a kill."""
    return await service.freeze(transaction, actor, asked.reason)


@router.post("/unfreeze", responses=documented(*WRITE))
async def unfreeze_flags(actor: MayFreeze, transaction: OpsTransaction, asked: Because) -> Freeze:
    return await service.unfreeze(transaction, actor, asked.reason)


@router.get("/changes", responses=documented(*USUAL))
async def list_changes(_actor: MayRead, transaction: OpsTransaction, limit: PageSize = 20, cursor: PageCursor = None) -> ChangePage:
    """Newest first, with what each hash is over."""
    return await service.changes(transaction, limit, cursor)


@router.get("/definitions", responses=documented(*USUAL))
async def export_definitions(_actor: MayRead, transaction: OpsTransaction) -> Definitions:
    """All flags as flagd's file."""
    return await service.export(transaction)


@router.post("/definitions", responses=documented(*CHANGE))
async def import_definitions(actor: MayWrite, transaction: OpsTransaction, asked: Import) -> Imported:
    """Flags of flagd's file: all of them or none. Flags that are not named stay as they are."""
    return await service.take_over(transaction, actor, asked)
