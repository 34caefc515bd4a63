"""The ledger: what is written can be trusted, what was touched is found."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from release import events as e
from release.errors import LedgerDamaged
from release.home import Home
from release.ledger import Damaged, Ledger, fold, read
from release.policy import read as read_policy

A, B = (f"sha256:{digit * 64}" for digit in "ab")
PLAN = read_policy(Home.find().policy).steps
FACTS: list[e.Event | e.Command] = [
    e.RolloutRequested("r1", A, "first", PLAN, 2),
    e.Verify(A),
    e.ReleaseVerified(A, "abc", ("0001",)),
    e.Migrate(A),
    e.SchemaMigrated(A, 0.1),
    e.Start(A),
    e.ReleaseStarted(A, (1, 2), 1.0),
    e.SetSplit(A),
    e.SplitSet(A, None, 0, "1", 0.1, 5.0),
    e.SmokePassed(A, {"list": 1.5}),
    e.SplitSet(A, None, 0, "2", 0.1, 6.0),
    e.Promoted(A),
    e.RolloutEnded("r1", "promoted", "ü 'quoted' \"and\" \n lines"),
    e.Quarantined(B, "bad"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ledger = Ledger(tmp_path / "env" / "ledger.jsonl", actor="test")
    for fact in FACTS:
        ledger.append(fact)
    return ledger.path


def test_what_is_written_is_read_and_folds_to_the_state(path: Path) -> None:
    entries = read(path)
    assert [entry.fact() for entry in entries] == FACTS
    assert [entry.seq for entry in entries] == list(range(1, len(FACTS) + 1))
    state = fold(entries)
    assert (state.baseline, state.rollout, state.quarantined) == (A, None, ((B, "bad"),))


def test_a_ledger_of_before_there_were_flags_folds_as_it_did(tmp_path: Path) -> None:
    """Its requests have no plan for flags, so its way back has no freeze of flags in it."""
    ledger = Ledger(tmp_path / "ledger.jsonl", actor="test")
    way_back: list[e.Event] = [e.ReleaseStarted(B, (1,), 0.0), e.SplitSet(B, None, 0, "3", 0.1, 9.0), e.Frozen("x"), e.Quarantined(A, "x")]
    way_back += [e.Drained(A, 0.1, 0), e.ReleaseStopped(A), e.RolloutEnded("r2", "rolled_back", "x")]
    for fact in (*FACTS[:-1], e.RollbackRequested("r2", A, B, "x"), *way_back):
        ledger.append(fact)
    new = {"kill_first", "freeze_flags"}
    old = [replace(entry, data={name: value for name, value in entry.data.items() if name not in new}) for entry in ledger.entries()]
    assert fold(old).baseline == B
    assert fold(old).rollout is None


def test_no_file_is_an_empty_ledger(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == []


def test_a_cut_inside_a_line_is_found_and_every_cut_between_lines_is_a_valid_ledger(path: Path) -> None:
    raw = path.read_bytes()
    ends = {0, *(i + 1 for i, byte in enumerate(raw) if byte == 10)}
    for length in range(0, len(raw), 31):
        path.write_bytes(raw[:length])
        if length in ends:
            read(path)
            continue
        with pytest.raises(LedgerDamaged, match="the last line is cut off"):
            read(path)
    for end in ends:
        path.write_bytes(raw[:end])
        assert len(read(path)) == raw[:end].count(b"\n")


def test_a_changed_byte_is_found_wherever_it_is(path: Path) -> None:
    raw = path.read_bytes()
    for position in range(0, len(raw), 13):
        changed = bytearray(raw)
        changed[position] ^= 0x01
        path.write_bytes(bytes(changed))
        with pytest.raises(LedgerDamaged) as caught:
            read(path)
        line = raw[:position].count(b"\n") + 1
        assert f":{line}:" in caught.value.what or f":{line + 1}:" in caught.value.what


def test_a_dropped_doubled_or_swapped_line_is_found(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    for broken in (lines[:3] + lines[4:], [*lines[:3], lines[2], *lines[3:]], [lines[0], lines[2], lines[1], *lines[3:]]):
        path.write_bytes(b"".join(broken))
        with pytest.raises(LedgerDamaged, match="chain does not match"):
            read(path)


def test_a_rewritten_line_with_a_hash_of_its_own_breaks_the_chain_at_the_next_line(path: Path) -> None:
    from release.ledger import _canonical, _hash

    lines = path.read_bytes().splitlines(keepends=True)
    value = json.loads(lines[2])
    value["data"]["revision"] = "something else"
    value["hash"] = _hash(value)
    path.write_bytes(b"".join([*lines[:2], _canonical(value) + b"\n", *lines[3:]]))
    with pytest.raises(LedgerDamaged, match=":4: a line before this one"):
        read(path)


def test_even_white_space_counts(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'{"actor":', b'{"actor": ', 1))
    with pytest.raises(LedgerDamaged, match=":1: this line was changed"):
        read(path)


def test_a_forged_line_with_a_right_hash_but_unknown_content_is_refused(path: Path) -> None:
    from release.ledger import _canonical, _hash

    value = json.loads(path.read_bytes().splitlines()[-1])
    value.update(seq=value["seq"] + 1, prev=value["hash"], name="root_access_granted")
    value["hash"] = _hash(value)
    path.write_bytes(path.read_bytes() + _canonical(value) + b"\n")
    with pytest.raises(LedgerDamaged, match="unknown entry"):
        read(path)


def test_nothing_is_appended_to_a_damaged_ledger(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])
    before = path.read_bytes()
    with pytest.raises(LedgerDamaged):
        Ledger(path).append(e.Frozen("x"))
    assert path.read_bytes() == before


def test_repair_keeps_the_damaged_part_and_what_it_quarantined(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[11] = lines[11].replace(b"promoted", b"demoted!")
    path.write_bytes(b"".join(lines))
    with pytest.raises(Damaged) as caught:
        read(path)
    assert caught.value.line == 12
    repaired = Ledger(path).repair("disk trouble")
    assert repaired is not None
    assert (path.parent / repaired.aside).read_bytes() == b"".join(lines[11:])
    state = fold(read(path))
    assert state.is_quarantined(B)
    assert state.rollout is not None  # its end was in the damaged part: the next command brings it to a safe one
    assert Ledger(path).repair("again") is None


def test_many_writers_keep_one_chain(path: Path) -> None:
    def write(number: int) -> None:
        ledger = Ledger(path, actor=f"writer {number}")
        for _ in range(10):
            ledger.append(e.HoldRequested(f"by {number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert len(read(path)) == len(FACTS) + 40


def test_only_if_seen_gives_way_to_what_others_wrote_and_hears_it_once(path: Path) -> None:
    mine, other = Ledger(path), Ledger(path)
    heard: list[str] = []
    mine.entries()
    mine.listener = lambda entry: heard.append(entry.name)
    other.append(e.AbortRequested("stop"))
    assert mine.append(e.SetSplit(A, B, 10), only_if_seen=True) is None
    assert [entry.name for entry in mine.unseen()] == ["abort_requested"]
    assert mine.unseen() == []
    assert mine.append(e.SetSplit(A), only_if_seen=True) is not None
    assert heard == ["abort_requested", "set_split"]
    assert len(read(path)) == len(FACTS) + 2
