"""The engine from outside: `release … --json` as a process. What it answers is data; what it says on the way is kept in a log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from release.errors import SlipwayError
from release.places import RuntimeName

STOP_S = 20.0  # an interrupted engine sends everyone back and drains; then it is killed
ENDED = (0, 33)  # promoted, aborted: a rollout that came to its end


class EngineSaid(SlipwayError):
    """The engine failed; its own words and exit code."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(str(answer["what"]), remedy=str(answer["remedy"]))
        self.answer = answer
        self.exit_code = int(answer["exit_code"])
        self.runbook = str(answer["runbook"]).removeprefix("runbooks/")

    def as_json(self) -> dict[str, object]:
        return self.answer


class EngineSilent(SlipwayError):
    """It gave no answer, or none in time."""

    runbook = "drills.md"
    remedy = "Its output is in the report's folder, below logs/."


@dataclass
class Call:
    """One command that runs. Its own session: a Ctrl-C in the terminal reaches us alone, and we end it in order."""

    name: str
    process: subprocess.Popen[bytes]
    out: Path
    log: Path
    bound_s: float
    started_s: float = field(default_factory=time.monotonic)
    ended_s: float | None = None

    def running(self) -> bool:
        if self.process.poll() is None:
            if time.monotonic() - self.started_s > self.bound_s:
                self.stop()
                raise EngineSilent(f"`release {self.name}` did not end within {self.bound_s:g} s.")
            return True
        self.ended_s = self.ended_s or time.monotonic()
        return False

    def wait(self) -> None:
        """Raises EngineSilent at its bound."""
        while self.running():
            time.sleep(0.05)

    def answer(self, *, allowed: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """Its JSON object. Raises EngineSaid for an exit code that is not allowed."""
        code = self.process.returncode
        try:
            answer = json.loads(self.out.read_text(encoding="utf-8"))
        except ValueError as problem:
            raise EngineSilent(f"`release {self.name}` ended with {code} and said nothing that can be read.") from problem
        if code not in allowed:
            raise EngineSaid(answer) if "what" in answer else EngineSilent(f"`release {self.name}` ended with {code}.")
        return dict(answer)

    def stop(self) -> None:
        """As Ctrl-C; kill what does not end within its bound."""
        for number in (signal.SIGINT, signal.SIGKILL):
            if self.process.poll() is not None:
                return
            self.process.send_signal(number)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                continue


@dataclass
class Engine:
    """Starts `release` commands for one environment; keeps what they say below `logs`."""

    root: Path
    env: str
    logs: Path
    policy: Path | None = None  # instead of the checkout's own
    approvers: Path | None = None  # the same
    kind: RuntimeName = "embedded"
    calls: list[Call] = field(default_factory=list)

    def build(self, patch: Path | None, commit: str | None = None) -> Call:
        changed = [] if patch is None else ["--patch", str(patch)]
        return self._start("build", ["--runtime", self.kind, *changed, *([] if commit is None else ["--commit", commit])], bound_s=300)

    def publish(self, digest: str) -> Call:
        """To where the environment's runtime takes it from."""
        return self._start("publish", [digest, "--env", self.env], bound_s=120)

    def up(self, first: str | None = None) -> Call:
        begin = [] if first is None else ["--first", first]
        return self._start("up", ["--env", self.env, "--port", "0", "--runtime", self.kind, *begin], bound_s=300)

    def status(self) -> Call:
        return self._start("status", ["--env", self.env], bound_s=60)

    def backfill(self) -> Call:
        return self._start("backfill", ["--env", self.env], bound_s=600)

    def approve(self, digest: str, signature: Path) -> Call:
        return self._start("approve", [digest, "--env", self.env, "--signature", str(signature)], bound_s=60)

    def dump(self, file: Path) -> Call:
        return self._start("dump", [str(file), "--env", self.env], bound_s=600)

    def restore(self, file: Path, column: str, otherwise: str) -> Call:
        return self._start("restore", [str(file), "--column", column, "--otherwise", otherwise, "--env", self.env], bound_s=600)

    def lift(self, digest: str, cause: str) -> Call:
        return self._start("quarantine", ["--lift", digest, "--cause", cause, "--env", self.env], bound_s=60)

    def unfreeze(self, reason: str) -> Call:
        return self._start("unfreeze", ["--reason", reason, "--env", self.env], bound_s=60)

    def deploy(self, digest: str, reason: str) -> Call:
        """The caller bounds it: a rollout that is too long for a drill may be right for its policy."""
        return self._start("deploy", [digest, "--env", self.env, "--reason", reason], bound_s=float("inf"))

    def token(self) -> Call:
        """For the on-call engineer."""
        scopes = [word for scope in ("read", "write", "kill", "freeze") for word in ("--scope", f"flags:{scope}")]
        return self._start("token", ["create", "--env", self.env, "--name", "on-call", *scopes], bound_s=120)

    def rollback(self, reason: str) -> Call:
        return self._start("rollback", ["--env", self.env, "--reason", reason], bound_s=120)

    def down(self) -> Call:
        return self._start("down", ["--env", self.env, "--purge"], bound_s=90)

    def stop_all(self) -> None:
        for call in self.calls:
            call.stop()

    def _start(self, command: str, arguments: list[str], bound_s: float) -> Call:
        self.logs.mkdir(parents=True, exist_ok=True)
        name = f"{len(self.calls) + 1}-{command}"
        out, log = self.logs / f"{name}.json", self.logs / f"{name}.log"
        argv = [str(Path(sys.executable).with_name("release")), command, *arguments, "--json"]
        with out.open("wb") as stdout, log.open("wb") as stderr:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=self.root, env=self._environment(), start_new_session=True
            )
        call = Call(command, process, out, log, bound_s)
        self.calls.append(call)
        return call

    def _environment(self) -> dict[str, str]:
        ours = {"SLIPWAY_POLICY": self.policy, "SLIPWAY_APPROVERS": self.approvers}
        return {**clean(), **{name: str(path) for name, path in ours.items() if path}}


def clean() -> dict[str, str]:
    """The environment for children: with bytecode, they start in a fifth of the time."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
