"""Which releases run on which schema, before and after a migration. Pure.

A release lists the schema revisions that it was made for. On a later one it runs as long as no contract step has taken away what
it needs: each revision has a floor, the newest revision that a release must at least have been made for to run on it. Only contract
steps raise it (expand and contract: Sadalage and Fowler's "parallel change").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from release.artifact import Release
from release.errors import BackfillUnfinished, OutsideWindow, SlipwayError
from release.home import short


@dataclass(frozen=True)
class Schema:
    """What a database says of itself. `floor` None: it is from before there were floors, so only releases made for it run.

    `unfinished`: backfills that have not come to their end.
    """

    revision: str
    floor: str | None
    unfinished: tuple[str, ...] = ()


def runs(release: Release, schema: Schema) -> bool:
    """Releases from before there were floors refuse, at their start, each revision that they do not list."""
    if schema.revision in release.runs_on:
        return True
    newest = release.runs_on[-1]
    return release.floor is not None and schema.floor is not None and newest < schema.revision and schema.floor <= newest


def after(release: Release, schema: Schema | None) -> Schema:
    """The schema once this release's migrations have run. They only ever lead forward."""
    if schema is not None and schema.revision >= release.head:
        return schema
    return Schema(release.head, release.floor, () if schema is None else schema.unfinished)


def pending_contracts(release: Release, schema: Schema | None) -> tuple[str, ...]:
    """The contract steps that its migrations would take. None on an empty database, where there is nothing to lose."""
    return () if schema is None else tuple(step for step in release.contracts if step > schema.revision)


def refusal(release: Release, schema: Schema | None, warm: Iterable[Release]) -> SlipwayError | None:
    """Why `release` may not be rolled out: it, or a release that has to stay warm, could not run on the schema that would be there; or a
    contract step would take what a backfill still reads."""
    then = after(release, schema)
    if not runs(release, then):
        return OutsideWindow(
            f"The database is at schema {then.revision}; {short(release.digest)} runs on {', '.join(release.runs_on)} only.",
            remedy="Deploy a release that is made for this schema: `release history` shows which were. The schema never goes back for a release.",
        )
    stuck = [old for old in warm if not runs(old, then)]
    if not stuck:
        return _unfinished(release, schema)
    names = " and ".join(f"{short(old.digest)} (made for {', '.join(old.runs_on)})" for old in stuck)
    return OutsideWindow(
        f"After its migrations the schema would be {then.revision}, on which {names} could not run, and nobody could go back to it.",
        remedy="First roll out releases that run on both, until the old ones are no longer warm (`release status` lists them).",
    )


def _unfinished(release: Release, schema: Schema | None) -> BackfillUnfinished | None:
    steps = pending_contracts(release, schema)
    if schema is None or not steps or not schema.unfinished:
        return None
    return BackfillUnfinished(
        f"Contract step {', '.join(steps)} would remove what the backfill {', '.join(schema.unfinished)} has not read to its end.",
        remedy="`release backfill` runs it, or goes on where it was.",
    )
