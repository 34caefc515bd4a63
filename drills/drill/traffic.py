"""The load as a process of its own: started, watched, stopped; it never outlives us."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from drill.engine import clean
from drill.samples import ClientTotals
from drill.scenario import Load
from release.errors import DrillInvalid

MODULES = {"api": "drill.load", "pages": "drill.pages"}
STOP_S = 12.0  # outstanding answers get their timeout, then it is killed


@dataclass
class Traffic:
    process: subprocess.Popen[bytes]
    samples: Path
    log: Path

    @classmethod
    def start(cls, address: str, load: Load, samples: Path, log: Path, *, after_s: float = 0.0) -> Traffic:
        """Its stdin is the leash: the kernel closes it when this process ends, even by kill -9, and then the load ends, too.

        Else it ends by itself `after_s` after the load's own bound.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        options = {
            "address": address,
            "samples": samples,
            "rate": load.rate_per_s,
            "users": load.users,
            "seed": load.seed,
            "for": load.max_s + after_s,
        }
        if load.client == "api":
            options["coupons"] = load.coupons_pct
        argv = [sys.executable, "-m", MODULES[load.client], "--leash", *(f"--{name}={value}" for name, value in options.items())]
        with log.open("wb") as file:
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=file, stderr=file, env=clean(), start_new_session=True)
        return cls(process, samples, log)

    def check(self) -> None:
        """Raises DrillInvalid when it has ended by itself: without traffic nothing is measured."""
        if self.process.poll() is not None:
            tail = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise DrillInvalid(
                f"The traffic ended before the drill did{': ' + tail[0] if tail else ''}.",
                remedy="Its words are in logs/load.log.",
            )

    def stop(self) -> ClientTotals | None:
        """Idempotent. What the client says about itself; None when it had to be killed."""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        return ClientTotals.read(self.samples.with_name("load.json"))
