"""Changes of flags. Writers take turns: freeze, version and chain are read and written in one transaction, under one lock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or_conflict
from sqlalchemy.ext.asyncio import AsyncSession

from app.flags import definitions
from app.flags.definitions import FLAGS_MAX, Definition
from app.flags.feed import CHANNEL
from app.flags.metrics import CHANGES
from app.ops import chain
from app.ops.schemas import Action, Change, Changed, ChangePage, Definitions, Flag, Freeze, Frozen, Import, Imported, Part, State, Whole
from app.problems import BadDefinition, ChangedMeanwhile, FlagsFrozen, InvalidRequest, UnknownFlag
from app.tables import AnyRow, flag_changes, flag_freeze, flags

WRITERS_LOCK = 0x51195A8  # any number, as long as every release uses the same
SHOWN = 20


async def state(session: AsyncSession) -> State:
    """Between two writers, so that the parts fit each other."""
    await session.execute(select(func.pg_advisory_xact_lock_shared(WRITERS_LOCK)))
    newest = await _page(session, SHOWN, None)
    return State(
        version=newest[0].seq if newest else 0,
        frozen=await _frozen(session),
        flags=[_flag(row) for row in await session.execute(select(flags).order_by(flags.c.key))],
        changes=[_change(row) for row in newest],
    )


async def put(session: AsyncSession, actor: str, key: str, asked: Whole) -> Changed:
    """Raises FlagsFrozen, ChangedMeanwhile, BadDefinition."""
    row = await _for_change(session, key)
    _is_as_seen(row, key, asked.version)
    if row is None and len((await session.scalars(select(flags.c.key))).all()) >= FLAGS_MAX:
        raise BadDefinition(f"There are {FLAGS_MAX} flags, and no more are allowed. Remove the code of some.")
    return await _set(session, actor, Action.FLAG_SET, asked.reason, key, row, asked.definition)


async def patch(session: AsyncSession, actor: str, key: str, asked: Part) -> Changed:
    """Raises FlagsFrozen, ChangedMeanwhile, BadDefinition, InvalidRequest, UnknownFlag."""
    if asked.state is None and asked.default_variant is None and asked.percentage is None:
        raise InvalidRequest(faults=[{"where": "body", "what": "Should have one of state, default_variant and percentage"}])
    row = await _for_change(session, key)
    if row is None:
        raise UnknownFlag(f"There is no flag {key}.")
    _is_as_seen(row, key, asked.version)
    return await _set(session, actor, Action.FLAG_SET, asked.reason, key, row, _patched(row.definition, asked))


async def kill(session: AsyncSession, actor: str, key: str, reason: str) -> Changed:
    """Always allowed, and of no matter what version. Killed twice is killed. Raises UnknownFlag."""
    await _take_turn(session)
    row = await _row(session, key)
    if row is None:
        raise UnknownFlag(f"There is no flag {key}.")
    if definitions.is_killed(row.definition):
        return Changed(flag=_flag(row), flags_version=await _version(session))
    return await _write(session, actor, Action.FLAG_KILLED, reason, key, row, definitions.killed(row.definition))


async def freeze(session: AsyncSession, actor: str, reason: str) -> Freeze:
    """Frozen twice is frozen; the first reason stays."""
    await _take_turn(session)
    if await _frozen(session) is None:
        await session.execute(insert(flag_freeze).values(reason=reason, actor=actor))
        await _note(session, actor, Action.FLAGS_FROZEN, reason)
    return Freeze(frozen=await _frozen(session), flags_version=await _version(session))


async def unfreeze(session: AsyncSession, actor: str, reason: str) -> Freeze:
    await _take_turn(session)
    was = await _frozen(session)
    if was is not None:
        await session.execute(delete(flag_freeze))
        await _note(session, actor, Action.FLAGS_UNFROZEN, reason, old={"reason": was.reason, "actor": was.actor})
    return Freeze(frozen=None, flags_version=await _version(session))


async def export(session: AsyncSession) -> Definitions:
    return Definitions(flags={row.key: row.definition for row in await session.execute(select(flags).order_by(flags.c.key))})


async def take_over(session: AsyncSession, actor: str, asked: Import) -> Imported:
    """All of them or none; those that are not named stay. Raises FlagsFrozen, BadDefinition."""
    await _take_turn(session)
    await _refuse_if_frozen(session)
    present = {row.key: row for row in await session.execute(select(flags))}
    found = [
        fault for key, definition in sorted(asked.flags.items()) for fault in _faults(f"flags.{key}.", key, definition, present.get(key))
    ]
    if len(present.keys() | asked.flags.keys()) > FLAGS_MAX:
        found.append({"where": "flags", "what": f"There would be more than {FLAGS_MAX} flags"})
    if found:
        raise BadDefinition(faults=found[: definitions.FAULTS_MAX])
    changed = [key for key, definition in sorted(asked.flags.items()) if key not in present or present[key].definition != definition]
    for key in changed:
        await _write(session, actor, Action.FLAG_IMPORTED, asked.reason, key, present.get(key), asked.flags[key])
    return Imported(changed=changed, flags_version=await _version(session))


async def changes(session: AsyncSession, limit: int, after: str | None) -> ChangePage:
    """Newest first. Raises InvalidRequest for a cursor that is none of ours."""
    if after is not None and not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise InvalidRequest(faults=[{"where": "query.cursor", "what": "Input should be the next_cursor of an earlier page"}])
    rows = await _page(session, limit + 1, int(after) if after else None)
    return ChangePage(items=[_change(row) for row in rows[:limit]], next_cursor=str(rows[limit - 1].seq) if len(rows) > limit else None)


async def _for_change(session: AsyncSession, key: str) -> AnyRow | None:
    await _take_turn(session)
    await _refuse_if_frozen(session)
    return await _row(session, key)


async def _take_turn(session: AsyncSession) -> None:
    """Until this transaction ends nobody else changes or freezes anything."""
    await session.execute(select(func.pg_advisory_xact_lock(WRITERS_LOCK)))


async def _refuse_if_frozen(session: AsyncSession) -> None:
    frozen = await _frozen(session)
    if frozen is not None:
        raise FlagsFrozen(
            f"{frozen.actor} froze all flags: {frozen.reason}. A kill is allowed; everything else waits until a person unfreezes them."
        )


def _is_as_seen(row: AnyRow | None, key: str, seen: int) -> None:
    now = row.version if row else 0
    if now != seen:
        raise ChangedMeanwhile(f"You saw version {seen} of {key}; it is at {now}. Look at it again, then decide again.")


def _patched(definition: Definition, asked: Part) -> Definition:
    """Raises BadDefinition."""
    changed: dict[str, Any] = dict(definition)
    if asked.state is not None:
        changed["state"] = asked.state
    if asked.default_variant is not None:
        changed["defaultVariant"] = asked.default_variant
    if asked.percentage is not None and changed["defaultVariant"] in changed["variants"]:
        try:
            return definitions.with_percentage(changed, asked.percentage.variant, asked.percentage.percentage)
        except ValueError as fault:
            raise BadDefinition(faults=[_said("", str(fault))]) from fault
    return changed


async def _set(session: AsyncSession, actor: str, action: Action, reason: str, key: str, row: AnyRow | None, new: Definition) -> Changed:
    """Raises BadDefinition."""
    found = _faults("", key, new, row)
    if found:
        raise BadDefinition(faults=found)
    return await _write(session, actor, action, reason, key, row, new)


def _faults(where: str, key: str, new: Any, row: AnyRow | None) -> list[dict[str, str]]:
    found = definitions.faults(key, new)
    if not found and row is not None and _type(row.definition) != _type(new):
        found = [f"variants: This flag is of type {_type(row.definition)}; a flag of another type needs another name"]
    return [_said(where, fault) for fault in found]


def _type(definition: Definition) -> str | None:
    return definitions.type_name(next(iter(definition["variants"].values())))


def _said(where: str, fault: str) -> dict[str, str]:
    field, _, what = fault.partition(": ")
    return {"where": (where + field)[:200], "what": what[:200]}


async def _write(session: AsyncSession, actor: str, action: Action, reason: str, key: str, row: AnyRow | None, new: Definition) -> Changed:
    values = {"definition": new, "version": row.version + 1 if row else 1, "updated_at": func.now()}
    upsert = insert_or_conflict(flags).values(key=key, **values).on_conflict_do_update(index_elements=[flags.c.key], set_=values)
    written = (await session.execute(upsert.returning(*flags.c))).one()
    seq = await _note(session, actor, action, reason, flag=key, old=row.definition if row else None, new=new)
    return Changed(flag=_flag(written), flags_version=seq)


async def _note(
    session: AsyncSession, actor: str, action: Action, reason: str, *, flag: str | None = None, old: Any = None, new: Any = None
) -> int:
    """Appended to the chain; all instances are told when, and only if, the transaction commits."""
    newest = await _page(session, 1, None)
    last = newest[0]._asdict() if newest else None
    entry = chain.entry(last, datetime.now(UTC), actor, action, reason, flag=flag, old=old, new=new)
    await session.execute(insert(flag_changes).values(**entry))
    await session.execute(select(func.pg_notify(CHANNEL, str(entry["seq"]))))
    CHANGES.labels(action).inc()
    return int(entry["seq"])


async def _row(session: AsyncSession, key: str) -> AnyRow | None:
    return (await session.execute(select(flags).where(flags.c.key == key))).one_or_none()


async def _frozen(session: AsyncSession) -> Frozen | None:
    row = (await session.execute(select(flag_freeze))).one_or_none()
    return Frozen(reason=row.reason, actor=row.actor, at=row.at) if row else None


async def _version(session: AsyncSession) -> int:
    return int(await session.scalar(select(func.coalesce(func.max(flag_changes.c.seq), 0))) or 0)


async def _page(session: AsyncSession, limit: int, before: int | None) -> list[AnyRow]:
    newest_first = select(flag_changes).order_by(flag_changes.c.seq.desc()).limit(limit)
    if before is not None:
        newest_first = newest_first.where(flag_changes.c.seq < before)
    return list((await session.execute(newest_first)).all())


def _change(row: AnyRow) -> Change:
    return Change(**row._mapping)


def _flag(row: AnyRow) -> Flag:
    because = definitions.why_stale(row.definition, row.updated_at.date(), datetime.now(UTC).date())
    return Flag(
        key=row.key,
        version=row.version,
        definition=row.definition,
        killed=definitions.is_killed(row.definition),
        stale=because is not None,
        stale_because=because,
        updated_at=row.updated_at,
    )
