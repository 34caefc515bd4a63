"""Daemons that outlive us: found again, never confused with a stranger, ended with all that they started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from release.adapters.processes import MARK, Processes, wait_until
from release.errors import MachineLacks
from release.runtime import Program

pytestmark = pytest.mark.real
UP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path / "with space")
    yield found
    found.sweep(0.2)


def program(tmp_path: Path, code: str = "import time; time.sleep(600)", name: str = "sleeper") -> Program:
    return Program(name, (sys.executable, "-c", code), tmp_path, {"GIVEN": "yes"})


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def says_up(processes: Processes, name: str = "sleeper") -> None:
    record = processes.get(name)
    assert record
    assert wait_until(lambda: "up" in processes.tail(record), 20)


def test_it_runs_in_a_session_of_its_own_and_another_of_us_finds_it(processes: Processes, tmp_path: Path) -> None:
    record = processes.start(program(tmp_path), ports=(4711,), digest="sha256:abc")
    assert record.pid
    assert os.getsid(record.pid) == record.pid
    again = Processes(tmp_path / "with space").alive("sleeper")
    assert again == record
    assert again.ports == (4711,)
    assert [found.name for found in processes.living()] == ["sleeper"]


def test_the_environment_is_ours_plus_its_own_without_what_slows_it(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("OURS", "too")
    record = processes.start(program(tmp_path, UP))
    says_up(processes)
    process = record.process()
    assert process
    environment = process.environ()
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert (environment["OURS"], environment["GIVEN"], environment[MARK]) == ("too", "yes", record.mark)


def test_stop_is_asked_for_first_and_bounded(processes: Processes, tmp_path: Path) -> None:
    polite = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit())); print('up', flush=True); time.sleep(600)"
    record = processes.start(program(tmp_path, polite))
    stubborn = processes.start(program(tmp_path, STUBBORN, "stubborn"))
    says_up(processes)
    says_up(processes, "stubborn")
    processes.stop(["sleeper", "stubborn"], 0.5)
    assert processes.tail(record).splitlines() == ["up", "bye"]
    assert record.pid
    assert stubborn.pid
    assert gone(record.pid)
    assert gone(stubborn.pid)
    assert processes.all() == []
    processes.stop(["sleeper", "stubborn"], 0.5)


def test_children_of_a_killed_process_go_with_it(processes: Processes, tmp_path: Path) -> None:
    record = processes.start(program(tmp_path, PARENT))
    says_up(processes)
    leader = record.process()
    assert leader
    [child] = leader.children()
    leader.kill()
    assert wait_until(lambda: not processes.alive("sleeper"), 5)
    assert not gone(child.pid)
    processes.sweep(0.5)
    assert gone(child.pid)


@contextmanager
def foreign(code: str) -> Iterator[subprocess.Popen[str]]:
    """A process of somebody else's."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_reused_number_is_never_taken_for_ours(processes: Processes, tmp_path: Path) -> None:
    record = processes.start(program(tmp_path))
    processes.stop(["sleeper"], 1)
    with foreign(UP) as stranger:
        assert stranger.stdout
        assert stranger.stdout.readline() == "up\n"
        processes.note(record, pid=stranger.pid, created_s=psutil.Process(stranger.pid).create_time())
        assert processes.alive("sleeper") is None
        processes.sweep(0.5)
        assert stranger.poll() is None


def test_a_start_that_we_did_not_live_to_note_is_found(processes: Processes, tmp_path: Path) -> None:
    """The engine is killed right after it has started a process and before it can write down the number."""
    engine = textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        from release.adapters.processes import Processes
        from release.runtime import Program

        class Killed(Processes):
            def _spawn(self, *given):
                super()._spawn(*given)
                os.kill(os.getpid(), signal.SIGKILL)

        Killed(Path({str(tmp_path / "with space")!r})).start(Program("sleeper", (sys.executable, "-c", "import time; time.sleep(600)"), Path("/")))
    """)
    assert subprocess.run([sys.executable, "-c", engine], check=False).returncode == -signal.SIGKILL
    record = processes.get("sleeper")
    assert record
    assert record.pid is None
    found = record.process()
    assert found
    assert processes.alive("sleeper")
    processes.sweep(1)
    assert gone(found.pid)


def test_a_zombie_is_dead_whoever_its_parent_is(processes: Processes, tmp_path: Path) -> None:
    mine = processes.start(program(tmp_path, "pass"))
    assert wait_until(lambda: not processes.alive("sleeper"), 10)
    assert mine.pid
    assert not psutil.pid_exists(mine.pid)
    with foreign("import subprocess, time; p = subprocess.Popen(['true']); print(p.pid, flush=True); time.sleep(600)") as parent:
        assert parent.stdout
        zombie = int(parent.stdout.readline())
        assert wait_until(lambda: psutil.Process(zombie).status() == psutil.STATUS_ZOMBIE, 10)
        processes.note(mine, pid=zombie)
        assert processes.alive("sleeper") is None
        processes.sweep(0.1)


def test_what_cannot_be_executed_leaves_no_record(processes: Processes, tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match="no-such-program"):
        processes.start(Program("nothing", ("/no-such-program",), tmp_path))
    assert processes.all() == []


def test_the_tail_of_a_log_is_of_this_start(processes: Processes, tmp_path: Path) -> None:
    for word in ("first", "second"):
        record = processes.start(program(tmp_path, f"print({word!r})"))
        assert wait_until(lambda: not processes.alive("sleeper"), 10)
    assert processes.tail(record) == "second"
    assert Path(record.log).read_text() == "first\nsecond\n"


def test_a_damaged_record_is_nobody(processes: Processes, tmp_path: Path) -> None:
    record = processes.start(program(tmp_path))
    file = processes.records / "sleeper.json"
    whole = file.read_text()
    for damaged in ("", "{", "[]", json.dumps({**asdict(record), "unknown": 1})):
        file.write_text(damaged)
        assert processes.get("sleeper") is None
    file.write_text(whole)
