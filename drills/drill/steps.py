"""What a drill does before and after the rollout that it is about: other rollouts, a backfill, approvals, a dump. Each says what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drill.checks import Took
from drill.engine import ENDED
from drill.scenario import Step, file_of
from release import approvals
from release.adapters.dumps import Column
from release.environment import Environment
from release.errors import ApprovalsMissing, BackfillUnfinished, OutsideWindow, SlipwayError

if TYPE_CHECKING:
    from drill.run import Run

REFUSED = tuple(kind.exit_code for kind in (OutsideWindow, BackfillUnfinished, ApprovalsMissing))
HOLD_S = 45  # how long somebody's report keeps a table; the database is stopped before
DUMP = "before.dump"
# Orders whose coupon can't be told from their code: what only the column, or a dump of it, knows.
TYPED = """SELECT count(*) AS orders, coalesce(md5(string_agg(id::text || coupon, ',' ORDER BY id)), '') AS sum
FROM orders WHERE coupon IS NOT NULL AND coupon IS DISTINCT FROM discount_code"""
REVISION = "SELECT version_num AS revision FROM alembic_version"


@dataclass
class Steps:
    """`done` grows as the drill goes on."""

    run: Run
    done: list[Took] = field(default_factory=list)
    typed: Mapping[str, str] | None = None

    def take(self, step: Step) -> None:
        name, given = step.only()
        began_s = time.monotonic()
        words, wanted, measured, held = _HOW[name](self, given)
        self.done.append(Took(words, wanted, measured, held, round(time.monotonic() - began_s, 3)))
        self.run.view.say(f"{words}: {measured}")

    # Rollouts.

    def deploy(self, given: Any) -> tuple[str, str, str, bool]:
        patch = file_of("patch", given.patch, self.run.drill.path, self.run.home.root)
        words, wanted = f"roll out {given.name}", f"refused: {given.refused}" if given.refused else "promoted"
        self.run.view.phase(words, usual_s=5 if given.refused else 20)
        built = self.run.wait(self.run.engine.build(patch))
        self.run.wait(self.run.engine.publish(built["digest"]))
        answer = self.run.wait(self.run.engine.deploy(built["digest"], given.name), allowed=(*ENDED, *REFUSED))
        measured = str(answer["outcome"]) + (f": {answer['error']}" if "error" in answer else "")
        return words, wanted, measured, measured == wanted

    def rollback(self, given: Any) -> tuple[str, str, str, bool]:
        """And everything is allowed again, for the story to go on."""
        self.run.view.phase("roll back", usual_s=3)
        engine, was = self.run.engine, self._revision()
        began_s = time.monotonic()
        ended = self.run.wait(engine.rollback("rehearse the way back"))
        took_s, now = time.monotonic() - began_s, self._revision()
        for digest in self.run.wait(engine.status())["quarantined"]:
            self.run.wait(engine.lift(digest, "a rehearsal"))
        self.run.wait(engine.unfreeze("a rehearsal"))
        held = ended["outcome"] == "rolled_back" and now == was
        return f"roll back {given}", f"rolled_back, schema {was}", f"{ended['outcome']}, schema {now}, after {took_s:.2f} s", held

    # Data.

    def backfill(self, _: Any) -> tuple[str, str, str, bool]:
        self.run.view.phase("backfill, beside users", usual_s=5)
        done = self.run.wait(self.run.engine.backfill())
        said = f"{done['filled']:,} of {done['orders']:,} orders filled in, {done['unknown']:,} coupons are no code, {done['took_s']} s"
        return "backfill", "to its end", said, True

    def dump(self, _: Any) -> tuple[str, str, str, bool]:
        self.run.view.phase("dump the database", usual_s=2)
        self.typed = self._typed()
        done = self.run.wait(self.run.engine.dump(self.run.folder / DUMP))
        return "dump", "whole", f"{done['bytes']:,} bytes in {done['took_s']:.2f} s", done["bytes"] > 0

    def restore(self, given: Any) -> tuple[str, str, str, bool]:
        """Until then users have written for a while without the column."""
        self.run.view.phase("discover the mistake, restore the column", usual_s=5)
        until_s = time.monotonic() + given.after_s
        self.run.until(lambda: time.monotonic() >= until_s, given.after_s + 1)
        column = Column.named(given.column)
        done = self.run.wait(self.run.engine.restore(self.run.folder / DUMP, given.column, given.otherwise))
        now = self._typed()
        said = f"{done['from_dump']:,} from the dump, {done['written_since']:,} written since; there after {done['column_s']:.2f} s, filled after {done['took_s']:.2f} s"
        held = now == self.typed and done["from_dump"] > 0 and done["written_since"] > 0
        return f"restore {column.table}.{column.name}", "each as it was typed, and all that was written since", said, held

    # People, and those who are in the way.

    def approve(self, given: int) -> tuple[str, str, str, bool]:
        self.run.view.phase(f"{given} people approve", usual_s=3)
        digest = self.run.canary["digest"]
        change = approvals.contract_change(digest, self.run.contracts())
        names = []
        for name, signature in list(self.run.signers.signatures(change, self.run.env))[:given]:
            self.run.wait(self.run.engine.approve(digest, signature))
            names.append(name)
        return "approve", f"{given} people", ", ".join(names), len(names) == given

    def turn_on(self, given: Any) -> tuple[str, str, str, bool]:
        self.run.view.phase(f"turn {given.name} on for {given.percentage} % of users", usual_s=3)
        reached = self.run.turn_on(self.run.call_on_call(), given)
        return f"turn {given.name} on", "users have it", "they have it" if reached else "nobody had it", reached

    def hold(self, table: str) -> tuple[str, str, str, bool]:
        """Somebody's long report, which a migration that needs the whole table would wait for."""
        report = f"SELECT count(*), pg_sleep({HOLD_S}) FROM (SELECT 1 FROM {table} LIMIT 1) AS one"  # noqa: S608 - the scenario's own
        threading.Thread(target=self._report, args=(report,), daemon=True).start()
        holds = f"SELECT 1 AS yes FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'AccessShareLock'"  # noqa: S608
        self.run.until(lambda: bool(self._psql(holds)), 20)
        held = bool(self._psql(holds))
        return f"a report reads {table}", f"for {HOLD_S} s", "it does" if held else "it does not", held

    def _report(self, sql: str) -> None:
        with suppress(SlipwayError):  # the drill ends before it does
            self._psql(sql)

    # The database, from outside.

    def _psql(self, sql: str) -> list[dict[str, str]]:
        return Environment(self.run.home, self.run.env).database.psql(sql)

    def _typed(self) -> Mapping[str, str]:
        return self._psql(TYPED)[0]

    def _revision(self) -> str:
        return self._psql(REVISION)[0]["revision"]


_HOW: Mapping[str, Callable[[Steps, Any], tuple[str, str, str, bool]]] = {
    "deploy": Steps.deploy,
    "rollback": Steps.rollback,
    "backfill": Steps.backfill,
    "dump": Steps.dump,
    "restore": Steps.restore,
    "approve": Steps.approve,
    "turn_on": Steps.turn_on,
    "hold": Steps.hold,
}
