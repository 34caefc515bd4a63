"""A stage as a process: one make target, its words in a file."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STOP_S = 60.0  # an interrupted rollout sends everyone back and drains; then it is killed
TAIL_BYTES = 16_384


@dataclass(frozen=True)
class StageProcess:
    """In a session of its own, so that a Ctrl-C in the terminal reaches us alone and we end it in order."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, root: Path, target: str, variables: dict[str, str], log: Path) -> StageProcess:
        log.parent.mkdir(parents=True, exist_ok=True)
        argv = ["make", "--no-print-directory", target, *(f"{name}={value}" for name, value in variables.items())]
        # Of the make that called us, none of its own settings: each stage is as if someone had typed it.
        environ = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        with log.open("wb") as file:
            process = subprocess.Popen(
                argv, cwd=root, env=environ, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        return cls(process, log)

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """As Ctrl-C, to all of its session; kill what does not end."""
        for number in (signal.SIGINT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
                return

    def wait(self, bound_s: float) -> None:
        """Until it ends; stopped at its bound."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(bound_s)
            return
        self.stop()


def tail(log: Path, lines: int) -> list[str]:
    """The end of what a stage said."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        return file.read().decode(errors="replace").rstrip().splitlines()[-lines:]
