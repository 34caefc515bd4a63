"""A log and one predecessor, each bounded; the writer goes on, and what it wrote last is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from release import environment as environments
from release import events as e
from release.adapters.logs import MAX_BYTES, bound, predecessor, turn_over
from release.adapters.processes import Processes, Record, wait_until
from release.cli import main
from release.environment import Environment
from release.home import Home

WRITER = "import itertools, os\nfor n in itertools.count(): os.write(1, b'%09d\\n' % n)"


def lines(*numbers: int) -> bytes:
    return b"".join(b"%09d\n" % number for number in numbers)


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_bytes(lines(*range(10)))
    bound(tmp_path, max_bytes=100)
    assert log.read_bytes() == lines(*range(10))
    assert list(tmp_path.iterdir()) == [log]


def test_of_a_log_that_grew_far_beyond_the_bound_the_last_whole_lines_stay(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_bytes(lines(*range(1000)))
    predecessor(log).write_bytes(b"older")
    bound(tmp_path, max_bytes=105)
    assert log.read_bytes() == b""
    assert predecessor(log).read_bytes() == lines(*range(990, 1000))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["postgres.log", "postgres.log.1"]


def test_only_logs_are_cut_and_not_the_one_that_is_turned_over(tmp_path: Path) -> None:
    for name in ("edge.log", "notes.txt", "edge.log.1"):
        (tmp_path / name).write_bytes(b"x" * 100)
    bound(tmp_path, but=tmp_path / "edge.log", max_bytes=10)
    assert {path.stat().st_size for path in tmp_path.iterdir()} == {100}


def test_a_full_disk_costs_nothing_that_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "postgres.log"
    log.write_bytes(lines(*range(20)))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        bound(tmp_path, max_bytes=100)
    assert log.read_bytes() == lines(*range(20))


def test_a_log_is_turned_over_once_its_writer_lets_go(tmp_path: Path) -> None:
    log = tmp_path / "edge.log"
    log.write_bytes(lines(*range(30)))
    asked = []
    turn_over(log, lambda: asked.append("hangs"), max_bytes=100)
    assert predecessor(log).read_bytes() == lines(*range(30)), "its writer may still write to it"
    turn_over(log, log.touch, max_bytes=100)
    assert predecessor(log).read_bytes() == lines(*range(20, 30))
    turn_over(log, lambda: asked.append("again"), max_bytes=100)
    assert asked == ["hangs"]


@pytest.mark.real
def test_a_writer_that_lives_goes_on_at_the_new_end(tmp_path: Path) -> None:
    log = tmp_path / "release-1-0.log"
    with log.open("ab") as output:
        writer = subprocess.Popen([sys.executable, "-c", WRITER], stdout=output, start_new_session=True)
    try:
        for _ in range(5):
            assert wait_until(lambda: log.stat().st_size > 5_000, 20)
            bound(tmp_path, max_bytes=5_000)
            assert wait_until(lambda: log.stat().st_size > 100, 20)
            kept = predecessor(log).read_bytes().splitlines()[:-1] + log.read_bytes().splitlines()[:-1]
            assert [line for line in kept if len(line) != 9] == [], "no gap of zero bytes, no torn line but at the cut"
            assert [*map(int, kept)] == sorted(map(int, kept))
            assert predecessor(log).stat().st_size <= 10_000
    finally:
        writer.kill()
        writer.wait()


def test_the_end_of_a_log_that_was_cut_since_the_start(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"new line\n")
    record = Record("x", "mark", ("x",), str(log), log_from=5_000, stop_signal=15)
    assert Processes(tmp_path).tail(record) == "new line"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("SLIPWAY_POLICY", str(Home.find().policy))
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    return Environment(Home(tmp_path), "local")


def too_large(environment: Environment) -> Path:
    log = environment.folder / "logs" / "postgres.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        file.truncate(MAX_BYTES)
        file.seek(MAX_BYTES)
        file.write(b"\nthe last line\n")
    return log


def test_status_bounds_logs(environment: Environment) -> None:
    log = too_large(environment)
    assert CliRunner().invoke(main, ["status"]).exit_code == 0
    assert log.stat().st_size == 0
    assert predecessor(log).read_bytes() == b"the last line\n"


def test_status_of_an_environment_that_never_was_leaves_nothing(environment: Environment) -> None:
    assert CliRunner().invoke(main, ["status"]).exit_code == 0
    assert not environment.home.var.exists()


def test_a_rollout_bounds_logs_now_and_then(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = e.GateLooked(1.0, 1, "INCONCLUSIVE", (), 1.0, {}, {}, {})
    log = too_large(environment)
    environment.engine()
    environment.ledger.append(e.Drained("sha256:0", 0.1, 0))
    assert log.stat().st_size > MAX_BYTES, "the way back does not wait for this"
    environment.ledger.append(looked)
    assert log.stat().st_size == 0
    too_large(environment)
    environment.ledger.append(looked)
    assert log.stat().st_size > MAX_BYTES, "it was a moment ago"
    monkeypatch.setattr(environments, "LOGS_EVERY_S", 0.0)
    environment.ledger.append(looked)
    assert log.stat().st_size == 0


def test_what_hinders_does_not_stop_a_command(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    log = too_large(environment)
    predecessor(log).mkdir()
    assert CliRunner().invoke(main, ["status"]).exit_code == 0
    assert log.stat().st_size > MAX_BYTES
