"""What all environments of this machine need is kept; the rest of the releases goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from pathlib import Path

from release import retention
from release.adapters import prune as pruning
from release.adapters.attestations import Attestations
from release.adapters.keys import key_id, trusted_keys
from release.adapters.layout import Layout
from release.adapters.processes import Processes
from release.home import Home
from release.ledger import Ledger, fold


def prune(home: Home, newest: int = retention.NEWEST, also: Set[str] = frozenset()) -> pruning.Pruned:
    """Keep what is needed, the `newest` of the others, and `also`.

    Raises LedgerDamaged where an environment can't say what it needs, Tampered for a damaged index, MachineLacks; then nothing that is kept has been touched.
    """
    ledgers: dict[Path, Ledger] = {}  # kept between two questions: only what is new is read again

    def choose(built: Sequence[str]) -> frozenset[str]:
        return retention.kept(built, {*also, *_needed(home, ledgers)}, newest)

    return pruning.prune(home, choose)


def _needed(home: Home, ledgers: dict[Path, Ledger]) -> Iterator[str]:
    for folder in home.envs():
        ledger = ledgers.setdefault(folder, Ledger(folder / "ledger.jsonl"))
        yield from retention.needed(entry.fact() for entry in ledger.entries())
        yield from (
            record.digest for record in Processes(folder).all() if record.digest
        )  # dead ones, too: who forgets them has stopped them


def hanging_on(home: Home, key: str) -> tuple[str, ...]:
    """Digests that serve or are warm in some environment, and that no trusted key signed but this one. Raises LedgerDamaged."""
    others = {hint for hint, public in trusted_keys(home.keys).items() if key_id(public) != key}
    this = {hint for hint, public in trusted_keys(home.keys).items() if key_id(public) == key}
    found = set()
    for folder in home.envs():
        state = fold(Ledger(folder / "ledger.jsonl").entries())
        warm = {digest for digest in (state.baseline, *state.pinned, state.rollout and state.rollout.digest) if digest}
        found |= {digest for digest in warm if this & (by := _signers(home, folder, digest)) and not others & by}
    return tuple(sorted(found))


def _signers(home: Home, folder: Path, digest: str) -> frozenset[str]:
    """As this machine and the environment have it."""
    layouts = (home.artifacts, home.images, folder / "images")
    return frozenset().union(*(Attestations(Layout(place), home.keys).signers(digest) for place in layouts))
