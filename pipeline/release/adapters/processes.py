"""Daemons of one environment. They outlive us, and a later one of us finds, stops or kills them: each has a record in processes/.

The record is written before the process is, with a mark that the process gets in its environment. So a process is ours by
its mark and never by its number alone, and one whose start we did not live to note down is found, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from release.adapters.files import put
from release.errors import MachineLacks, NeverReady
from release.runtime import Program, inherited

MARK = "SLIPWAY_PROCESS"
POLL_S = 0.01
KILL_S = 5.0  # what SIGKILL may take on a busy machine
CLOCK_STEP_S = 5.0  # creation times follow the wall clock, which a laptop sets anew after sleep


@dataclass(frozen=True)
class Record:
    """What is known of one process. `pid` is None between intent and start; `ready` is its owner's word for "may be used"."""

    name: str
    mark: str
    argv: tuple[str, ...]
    log: str
    log_from: int  # where this start's part of the log begins
    stop_signal: int
    pid: int | None = None
    created_s: float | None = None
    ports: tuple[int, ...] = ()
    digest: str | None = None
    ready: bool = False

    def process(self) -> psutil.Process | None:
        """The living process; None for a zombie and for a stranger that got its number."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid) if self.pid else self._search()
            if process and self._is_ours(process) and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def _is_ours(self, process: psutil.Process) -> bool:
        """By its mark; by its age only where the system does not show its environment, as while it is dying."""
        environment: dict[str, str] = {}
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
        if environment or self.created_s is None:
            return environment.get(MARK) == self.mark
        return abs(process.create_time() - self.created_s) < CLOCK_STEP_S

    def _search(self) -> psutil.Process | None:
        """The process that was started under this mark just before we died; its own children carry the mark, too."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if os.getsid(process.pid) == process.pid and process.environ().get(MARK) == self.mark:
                    return process
        return None


class Processes:
    """`folder` is the environment's: records lie in its processes/, logs in its logs/."""

    def __init__(self, folder: Path) -> None:
        self.records, self.logs = folder / "processes", folder / "logs"

    def start(
        self, program: Program, *, ports: Sequence[int] = (), digest: str | None = None, fds: Sequence[int] = (), user: int | None = None
    ) -> Record:
        """Start it in a session of its own, its output appended to logs/NAME.log. Raises MachineLacks when it can't be executed."""
        assert not self.alive(program.name), program.name
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{program.name}.log"
        intent = Record(
            program.name, uuid.uuid4().hex, program.argv, str(log), _size(log), program.stop_signal, ports=tuple(ports), digest=digest
        )
        self._note(intent)
        pid = self._spawn(program, intent, fds, user)
        with contextlib.suppress(psutil.Error):  # gone already: whoever waits for it will see
            intent = replace(intent, created_s=psutil.Process(pid).create_time())
        return self._note(replace(intent, pid=pid))

    def _spawn(self, program: Program, intent: Record, fds: Sequence[int], user: int | None) -> int:
        environment = {**inherited(os.environ), **program.environment, MARK: intent.mark}
        with open(intent.log, "ab") as log:
            try:
                child = subprocess.Popen(
                    program.argv,
                    cwd=program.cwd,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=fds,
                    user=user,
                    group=user,
                    extra_groups=[] if user is not None else None,
                )
            except OSError as problem:
                self._forget(intent.name)
                raise MachineLacks(f"{program.argv[0]} can't be started: {problem}.", remedy="`make setup` brings it in anew.") from problem
        child.returncode = 0  # Popen must not wait for it: it is a daemon now, reaped in `alive` where that is up to us
        return child.pid

    def note(self, record: Record, **known: Any) -> Record:
        """Keep what has become known since the start: `ports`, `ready`."""
        return self._note(replace(record, **known))

    def get(self, name: str) -> Record | None:
        """What was recorded last under that name, dead or alive."""
        try:
            fields = json.loads((self.records / f"{name}.json").read_text())
            return Record(**{**fields, "argv": tuple(fields["argv"]), "ports": tuple(fields["ports"])})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def all(self) -> list[Record]:
        found = (self.get(path.stem) for path in sorted(self.records.glob("*.json")))
        return [record for record in found if record]

    def alive(self, name: str) -> Record | None:
        record = self.get(name)
        return record if record and _alive(record) else None

    def living(self) -> list[Record]:
        return [record for record in self.all() if _alive(record)]

    def stop(self, names: Iterable[str], patience_s: float) -> None:
        """Ask all of them at once, wait, kill what is left with all its children, forget them. Idempotent."""
        records = [record for record in map(self.get, names) if record]
        for record in records:
            _signal(record, record.stop_signal)
        wait_until(lambda: not any(_alive(record) for record in records), patience_s)
        for record in records:
            _kill_session(record)
            self._forget(record.name)

    def sweep(self, patience_s: float) -> None:
        """Stop everything of this environment, the database last: others may still write to it."""
        names = [record.name for record in self.all()]
        self.stop([name for name in names if name != "postgres"], patience_s)
        self.stop([name for name in names if name == "postgres"], patience_s)

    def tail(self, record: Record, lines: int = 15) -> str:
        """The end of what it wrote since this start."""
        try:
            with open(record.log, "rb") as log:
                size = _size(Path(record.log))
                since_start = record.log_from if record.log_from <= size else 0  # it was cut meanwhile
                log.seek(max(since_start, size - 65_536))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def _note(self, record: Record) -> Record:
        put(self.records / f"{record.name}.json", json.dumps(asdict(record), indent=1))
        return record

    def _forget(self, name: str) -> None:
        (self.records / f"{name}.json").unlink(missing_ok=True)


def wait_until(done: Callable[[], bool], patience_s: float, poll_s: float = POLL_S) -> bool:
    """False when it was not done in time."""
    end_s = time.monotonic() + patience_s
    while not done():
        if time.monotonic() >= end_s:
            return False
        time.sleep(poll_s)
    return True


def _alive(record: Record) -> bool:
    if record.process():
        return True
    _reaped(record)
    return False


def _reaped(record: Record) -> bool:
    """False for a child of ours whose last thread has not ended yet."""
    try:
        return record.pid is None or os.waitpid(record.pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:  # another's child, or reaped before
        return True


def _signal(record: Record, number: int) -> None:
    with contextlib.suppress(psutil.Error):
        if process := record.process():
            process.send_signal(number)


def _kill_session(record: Record) -> None:
    """SIGKILL to the process and to what is left of its session. Its number stays taken while a member lives, so no stranger is hit."""
    leader = record.process()
    session = leader.pid if leader else record.pid
    if session is None or (leader is None and _taken_by_stranger(session)):
        return
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        return
    if not wait_until(lambda: not record.process() and _reaped(record) and not _members(session), KILL_S):
        raise NeverReady(f"Process {session} ({record.name}) does not die.", remedy=f"See `ps -fp {session}`; it may hang in a disk.")


def _members(session: int) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def _taken_by_stranger(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
