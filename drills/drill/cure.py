"""How a bug that users met was cured, by whom and when. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drill.oncall import Act
from release import events as e
from release.ledger import Entry

REFUSED, DONE = 423, 200


@dataclass(frozen=True)
class Cured:
    """`asked_s`: the engineer's word, or the engine's command to kill the flag. `frozen`: what was tried while flags were frozen."""

    how: str
    by: Literal["on-call", "engine"]
    asked_s: float
    done_s: float
    frozen: tuple[Act, ...] = ()
    fix: str | None = None  # the digest that was deployed
    fix_built_anew: bool | None = None


def by_the_engine(entries: Sequence[Entry]) -> Cured | None:
    """Its first kill in this rollout."""
    asked = next((entry.mono_s for entry in entries if entry.name == "kill_flag"), None)
    done = next((fact.at_s for entry in entries if isinstance(fact := entry.fact(), e.FlagKilled)), None)
    return None if asked is None or done is None else Cured("kill_first", "engine", asked, done)
