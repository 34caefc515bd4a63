"""Which releases run on which schema; and the engine, which never leaves a warm release without one."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from lab import Lab, brief_policy

from release import errors
from release import events as e
from release.adapters.memory import MemoryRuntime
from release.artifact import Release
from release.window import Schema, after, pending_contracts, refusal, runs

A = Release("sha256:" + "a" * 64, "a", ("0002",), leads_to="0002", floor="0002")
EXPAND = Release("sha256:" + "b" * 64, "b", ("0003", "0004"), leads_to="0004", floor="0002")
SWITCHED = Release("sha256:" + "c" * 64, "c", ("0003", "0004", "0005"), leads_to="0004", floor="0002")
AGAIN = Release("sha256:" + "d" * 64, "d", ("0003", "0004", "0005"), leads_to="0004", floor="0002")
CONTRACT = Release("sha256:" + "e" * 64, "e", ("0004", "0005"), leads_to="0005", floor="0005", contracts=("0005",))
BEFORE_FLOORS = Release("sha256:" + "f" * 64, "f", ("0001",))
ALL = (BEFORE_FLOORS, A, EXPAND, SWITCHED, CONTRACT)
SCHEMAS = [Schema("0001", None), Schema("0002", None), Schema("0003", "0002"), Schema("0004", "0002"), Schema("0005", "0005")]
RUNS = {  # by hand: release, schemas
    BEFORE_FLOORS: "0001",
    A: "0002 0003 0004",
    EXPAND: "0003 0004",
    SWITCHED: "0003 0004 0005",
    CONTRACT: "0004 0005",
}


@pytest.mark.parametrize(("release", "schema"), list(product(ALL, SCHEMAS)), ids=lambda one: one.revision)
def test_the_matrix(release: Release, schema: Schema) -> None:
    assert runs(release, schema) == (schema.revision in RUNS[release].split())


def test_migrations_only_lead_forward() -> None:
    assert after(EXPAND, None) == Schema("0004", "0002")
    assert after(EXPAND, SCHEMAS[1]) == Schema("0004", "0002")
    assert after(SWITCHED, SCHEMAS[4]) == SCHEMAS[4]


def test_contract_steps_that_would_be_taken() -> None:
    assert pending_contracts(CONTRACT, SCHEMAS[3]) == ("0005",)
    assert pending_contracts(CONTRACT, SCHEMAS[4]) == pending_contracts(CONTRACT, None) == pending_contracts(EXPAND, SCHEMAS[1]) == ()


def test_a_contract_step_waits_until_nobody_warm_reads_what_it_drops() -> None:
    said = refusal(CONTRACT, SCHEMAS[3], [SWITCHED, EXPAND])
    assert said
    assert "bbbb" in said.what
    assert "cccc" not in said.what
    assert "0005" in said.what
    assert "first roll out" in said.remedy.lower()
    assert refusal(CONTRACT, SCHEMAS[3], [AGAIN, SWITCHED]) is None


@pytest.mark.parametrize(("release", "at"), [(A, 4), (EXPAND, 4), (BEFORE_FLOORS, 1)])
def test_a_release_for_another_schema_is_refused_with_the_next_step(release: Release, at: int) -> None:
    said = refusal(release, SCHEMAS[at], [])
    assert said
    assert SCHEMAS[at].revision in said.what
    assert "release history" in said.remedy


@pytest.fixture
def world(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, brief_policy())
    lab.artifacts.releases |= {release.digest: release for release in (*ALL, AGAIN)}
    return lab


def deploy(lab: Lab, release: Release) -> e.RolloutEnded:
    return lab.engine().deploy(release.digest, "test")


@pytest.mark.thorough
def test_expand_migrate_contract_by_the_engine(world: Lab) -> None:
    """Contract is refused while the releases that read the column are warm, and nothing of it has begun; two releases later it goes."""
    runtime = world.runtime
    for release in (A, EXPAND, SWITCHED):
        assert deploy(world, release).outcome == "promoted"
    refused = deploy(world, CONTRACT)
    assert refused.outcome == "refused"
    assert "bbbb" in refused.reason
    assert runtime.at == Schema("0004", "0002")
    assert runtime.migrated == [A.digest, EXPAND.digest]
    assert CONTRACT.digest not in runtime.up
    assert deploy(world, AGAIN).outcome == "promoted"
    assert deploy(world, CONTRACT).outcome == "refused", "the policy keeps two releases warm"
    third = Release("sha256:" + "9" * 64, "g", SWITCHED.runs_on, leads_to="0004", floor="0002")
    world.artifacts.releases[third.digest] = third
    assert deploy(world, third).outcome == "promoted"
    assert deploy(world, CONTRACT).outcome == "promoted"
    assert runtime.at == Schema("0005", "0005")


@pytest.mark.thorough
def test_no_rollback_needs_another_schema(world: Lab) -> None:
    """Whatever was rolled out in whatever order: all that is warm, and so all that a rollback may go to, runs on the schema that is there."""
    more = [
        Release(f"sha256:{n:064x}", f"m{n}", like.runs_on, leads_to=like.leads_to, floor=like.floor, contracts=like.contracts)
        for n, like in enumerate((A, EXPAND, SWITCHED, SWITCHED, CONTRACT))
    ]
    world.artifacts.releases |= {release.digest: release for release in more}
    outcomes = set()
    for release in (
        A,
        CONTRACT,
        EXPAND,
        A,
        SWITCHED,
        CONTRACT,
        more[1],
        more[2],
        EXPAND,
        more[3],
        AGAIN,
        CONTRACT,
        more[0],
        SWITCHED,
        more[4],
    ):
        engine = world.engine()
        if release.digest not in (engine.state.baseline, *engine.state.pinned):
            outcomes.add(engine.deploy(release.digest, "test").outcome)
        assert world.runtime.at
        for digest in (engine.state.baseline, *engine.state.pinned):
            if digest:
                assert runs(world.artifacts.releases[digest], world.runtime.at), digest
        before = world.runtime.at, list(world.runtime.migrated)
        if engine.state.pinned:
            back = world.engine()
            assert back.rollback(None, "test").outcome == "rolled_back"
            assert (world.runtime.at, world.runtime.migrated) == before
            back.ledger.append(e.Unfrozen("test"))
            for held, _ in back.state.quarantined:
                back.ledger.append(e.QuarantineLifted(held, "test"))
    assert outcomes == {"promoted", "refused"}


def test_a_schema_that_is_there_is_not_migrated_again(world: Lab) -> None:
    deploy(world, EXPAND)
    deploy(world, SWITCHED)
    assert world.runtime.migrated == [EXPAND.digest]


def test_a_database_that_does_not_say_its_schema_refuses_the_rollout(world: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(world, A)

    def away(_: MemoryRuntime) -> Schema | None:
        raise errors.DatabaseFailed("The database does not answer.")

    monkeypatch.setattr(MemoryRuntime, "schema", away)
    assert deploy(world, EXPAND).outcome == "refused"


def test_a_contract_step_waits_for_the_backfill() -> None:
    at = Schema("0004", "0002", unfinished=("discount-code",))
    said = refusal(CONTRACT, at, [AGAIN, SWITCHED])
    assert isinstance(said, errors.BackfillUnfinished)
    assert "discount-code" in said.what
    assert "release backfill" in said.remedy
    assert refusal(SWITCHED, at, []) is None, "only a contract step takes something"
    assert refusal(CONTRACT, None, []) is None, "an empty database has nothing to lose"
