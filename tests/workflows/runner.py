"""Runs workflows on this machine as GitHub would: each job's steps in order, in a clone of its own of what is committed.

Expressions, `if`, `needs`, a matrix, outputs, summaries and artifacts are real. What only GitHub has is left out by name, with the reason;
an action that is on no list is an error, so that a new one is looked at. It does not run jobs at once, retry, or know containers and services.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from workflows.expressions import Functions, fill, holds
from workflows.model import HERE, Job, Step, Workflow, Workflows, action, called, flat, read

GITHUBS_ACTIONS = {
    "actions/setup-python": "this machine has a Python, and `make` takes it",
    "actions/cache": "packages come from the caches of this machine's own uv and npm",
    "actions/attest": "GitHub signs: it needs the identity of a workflow that runs there",
    "sigstore/cosign-installer": "for the keyless signature, which needs that identity, too",
    "docker/login-action": "a registry that wants a token of GitHub's",
    "github/codeql-action/init": "GitHub's own analysis",
    "github/codeql-action/analyze": "GitHub's own analysis",
    "github/codeql-action/upload-sarif": "findings go to GitHub",
    "actions/dependency-review-action": "asks GitHub's dependency graph",
    "ossf/scorecard-action": "asks GitHub how the repository is set",
}
GITHUBS_TARGETS = {
    "attested": "asks GitHub who made an artifact",
    "sign-keyless": "needs the identity of a workflow that runs on GitHub",
    "advisories": "asks osv.dev",
}
# What a make target covers, so that a machine that has run it says so (TARGETS_RUN="test check") and its tests need not run twice. A test proves this table.
TARGETS_RUN = "SLIPWAY_TARGETS_RUN"
COVERS = {
    "check": ("lint", "types"),
    "test": ("unit", "web-unit", "contract-check", "integration", "schema", "browser", "rehearsal"),
    "security": ("security",),
}
KEPT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
KEPT_FAMILIES = ("PIP_", "UV_", "NPM_CONFIG_", "HTTP_", "HTTPS_", "NO_PROXY", "XDG_", "LC_")
STOP_S = 60.0
SUCCESS, FAILURE, SKIPPED = "success", "failure", "skipped"


class UnknownAction(Exception):
    """Nobody has said whether it is done, stood in for, or left out."""


@dataclass(frozen=True)
class Ran:
    """A step: how it ended, and why if it did not run."""

    title: str
    target: str | None
    outcome: str
    why: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None

    def __str__(self) -> str:
        told = f"\n{self.log.read_text(errors='replace')[-6000:]}" if self.log and self.outcome == FAILURE else ""
        return f"{self.title}: {self.outcome}{f' ({self.why})' if self.why else ''}{told}"


@dataclass(frozen=True)
class Ended:
    """A job. `left`: environments that it brought up and did not take down."""

    result: str
    machine: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Ran, ...] = ()
    summary: str = ""
    left: tuple[str, ...] = ()
    took_s: float = 0.0

    def __str__(self) -> str:
        return "\n  ".join([f"{self.result} after {self.took_s:.0f} s", *map(str, self.steps)])

    @property
    def targets(self) -> list[str]:
        """Those that really ran."""
        return [str(step.target) for step in self.steps if step.target and not step.why]


@dataclass
class Runner:
    """One event and what came of it: `run` gives each job's end by its key; those of called workflows, too."""

    root: Path
    folder: Path
    event_name: str
    event: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)  # what its environment has by itself
    done: frozenset[str] = frozenset()  # targets that ran already
    ended: dict[str, Ended] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit = _git(self.root, "rev-parse", "HEAD").strip()
        self.origin = self.folder / "origin.git"  # of its own, so that whoever commits meanwhile changes nothing
        self.origin.parent.mkdir(parents=True, exist_ok=True)
        _git(self.root, "clone", "-q", "--bare", "--no-local", self.root.absolute().as_uri(), str(self.origin))
        self.workflows: Workflows = read(self.clone(self.folder / "workflows", depth=1))

    def run(self, name: str) -> dict[str, Ended]:
        assert self.event_name in self.workflows[name].on, f"{name}.yml does not run for {self.event_name}"
        self._jobs(self.workflows[name], {})
        return self.ended

    def clone(self, into: Path, depth: int) -> Path:
        """As actions/checkout does: one commit, or with depth 0 all of them."""
        into.parent.mkdir(parents=True, exist_ok=True)
        _git(
            self.origin,
            "clone",
            "-q",
            "--no-local",
            *(["--depth", str(depth)] if depth else []),
            self.origin.absolute().as_uri(),
            str(into),
        )
        _git(into, "checkout", "-q", "--detach", self.commit)
        return into

    def context(self, workflow: Workflow) -> dict[str, Any]:
        github = {
            "sha": self.commit,
            "ref": "refs/heads/main",
            "repository": "local/slipway",
            "actor": "local",
            "token": "",
            "workflow": workflow.name,
            "event_name": self.event_name,
            "event": {"repository": {"private": False, "fork": False}, **self.event},
        }
        asked = workflow.on.get("workflow_dispatch", {}).get("inputs", {})
        inputs = {name: self.inputs.get(name, one.get("default", "")) for name, one in asked.items()}
        return {"github": github, "vars": dict(self.variables), "inputs": inputs, "runner": {"os": "Linux", "arch": "X64"}}

    def _jobs(self, workflow: Workflow, before: Mapping[str, Any]) -> list[str]:
        """All of one workflow, in the order of their needs. Their results."""
        context = {**self.context(workflow), **before}
        results: dict[str, dict[str, Any]] = {}
        waiting = dict(workflow.jobs)
        while waiting:
            key = next(key for key, job in waiting.items() if set(job.needs) <= results.keys())
            job = waiting.pop(key)
            needs = {need: results[need] for need in job.needs}
            fine = all(one["result"] == SUCCESS for one in needs.values())
            failed = any(one["result"] == FAILURE for one in needs.values())
            here = {**context, "needs": needs}
            if not holds(job.condition, here, _status(fine=fine, failed=failed)):
                inner = flat(self.workflows, other) if (other := called(job)) else {}
                self.ended |= dict.fromkeys([key, *inner], Ended(SKIPPED))
            elif other := called(job):
                self.ended[key] = Ended(_worst(self._jobs(self.workflows[other], {})))
            else:
                self.ended[key] = self._matrix(workflow, key, job, here)
            results[key] = {"result": self.ended[key].result, "outputs": dict(self.ended[key].outputs)}
        return [one["result"] for one in results.values()]

    def _matrix(self, workflow: Workflow, key: str, job: Job, context: Mapping[str, Any]) -> Ended:
        matrix = job.strategy.get("matrix", {})
        every: list[Ended] = []
        for values in product(*matrix.values()):
            name = f"{key} ({', '.join(map(str, values))})" if values else key
            one = JobRun(self, workflow, job, name, {**context, "matrix": dict(zip(matrix, values, strict=True))}).run()
            every.append(one)
            if values:
                self.ended[name] = one
        return (
            every[0]
            if not matrix
            else Ended(_worst([one.result for one in every]), steps=tuple(step for one in every for step in one.steps))
        )


@dataclass
class JobRun:
    """One job on a machine of its own: a folder."""

    runner: Runner
    workflow: Workflow
    job: Job
    name: str
    context: Mapping[str, Any]
    ran: list[Ran] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)  # of steps that have an id

    def __post_init__(self) -> None:
        self.folder = self.runner.folder / "jobs" / self.name.replace(" ", "-")
        self.here = self.folder / "slipway"
        self.summary = self.folder / "summary.md"
        self.end_s = time.monotonic() + 60 * (self.job.timeout or 360)

    def run(self) -> Ended:
        began_s = time.monotonic()
        self.here.mkdir(parents=True)
        self.summary.touch()
        try:
            env = {name: fill(value, self.context) for name, value in {**self.workflow.env, **self.job.env}.items()}
            for step in self.job.steps:
                self._step(step, env)
            left = self._left()
            outputs = {name: fill(value, self._context()) for name, value in self.job.outputs.items()}
            machine = fill(self.job.machine, self.context)
            return Ended(self._result(), machine, outputs, tuple(self.ran), self.summary.read_text(), left, time.monotonic() - began_s)
        finally:
            self._clear()

    def _result(self) -> str:
        return FAILURE if any(step.outcome == FAILURE for step in self.ran) else SUCCESS

    def _context(self) -> dict[str, Any]:
        return {**self.context, "steps": self.outputs, "job": {"status": self._result()}}

    def _step(self, step: Step, env: Mapping[str, str]) -> None:
        fine = self._result() == SUCCESS
        if not holds(step.condition, self._context(), _status(fine=fine, failed=not fine)):
            self.ran.append(Ran(step.title, step.target, SKIPPED, "its `if` says so" if fine else "a step before it failed"))
        elif step.uses is not None:
            self._action(step, env)
        elif why := self._left_out(step.target):
            self.ran.append(Ran(step.title, step.target, SUCCESS, why))
        else:
            own = {name: fill(value, self._context()) for name, value in step.env.items()}
            self.ran.append(self._shell(step, {**env, **own}))

    def _left_out(self, target: str | None) -> str | None:
        return "already run" if target in self.runner.done else GITHUBS_TARGETS.get(str(target))

    def _action(self, step: Step, env: Mapping[str, str]) -> None:
        if str(step.uses).startswith(HERE):
            for inner in action(self.here, str(step.uses)).steps:
                self._step(inner, env)
            return
        name = str(step.action)
        if name in GITHUBS_ACTIONS:
            self.ran.append(Ran(step.title, None, SUCCESS, GITHUBS_ACTIONS[name]))
            return
        if name not in DONE_HERE:
            raise UnknownAction(f"{self.name}: {name} is on no list of tests/workflows/runner.py: is it done, stood in for, or left out?")
        options = {key: fill(value, self._context()) for key, value in step.options.items()}
        problem = DONE_HERE[name](self, options)
        self.ran.append(Ran(step.title, None, FAILURE if problem else SUCCESS, problem or ""))

    def checkout(self, options: Mapping[str, str]) -> str | None:
        self.here.rmdir()
        self.runner.clone(self.here, int(options.get("fetch-depth", 1)))
        return None

    def upload(self, options: Mapping[str, str]) -> str | None:
        """As a zip keeps it: files without their modes, no empty folders, and what is hidden only if asked for."""
        source, target = self.here / options["path"], self.runner.folder / "artifacts" / options["name"]
        hidden = options.get("include-hidden-files") == "true"
        files = [path for path in sorted(source.rglob("*")) if path.is_file()]
        files = [path for path in files if hidden or not any(part.startswith(".") for part in path.relative_to(source).parts)]
        for path in files:
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())
        return f"no files in {options['path']}" if not files and options.get("if-no-files-found") == "error" else None

    def download(self, options: Mapping[str, str]) -> str | None:
        source = self.runner.folder / "artifacts" / options["name"]
        if not source.is_dir():
            return f"no artifact is called {options['name']}"
        shutil.copytree(source, self.here / options["path"], dirs_exist_ok=True)
        return None

    def _shell(self, step: Step, env: Mapping[str, str]) -> Ran:
        number = len(self.ran)
        script, log, output = (self.folder / f"{number}.{end}" for end in ("sh", "log", "output"))
        script.write_text(str(step.run))
        output.touch()
        environ = {**_machine(), **self._githubs(output), **self.runner.machine, **env}
        with log.open("wb") as file:
            code = _run(["bash", "-e", str(script)], self.here, environ, file, self.end_s)
        problem = None if code == 0 else f"exit code {code}"
        try:
            found = dict(_outputs(output))
        except ValueError as bad:
            found, problem = {}, problem or str(bad)
        if step.id:
            self.outputs[step.id] = {"outputs": found, "outcome": FAILURE if problem else SUCCESS}
        return Ran(step.title, step.target, FAILURE if problem and not step.forgiven else SUCCESS, "", env, log)

    def _githubs(self, output: Path) -> dict[str, str]:
        github = self.context["github"]
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.here),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "RUNNER_TEMP": str(self.folder),
            **{f"GITHUB_{name.upper()}": github[name] for name in ("sha", "ref", "repository", "actor", "workflow", "event_name")},
        }

    def _left(self) -> tuple[str, ...]:
        return tuple(path.name for path in sorted((self.here / "var" / "envs").glob("*")))

    def _clear(self) -> None:
        """The machine goes. Logs stay beside it."""
        for env in self._left():
            _run(["make", "down", f"ENVIRONMENT={env}", "PURGE=1"], self.here, _machine(), subprocess.DEVNULL, time.monotonic() + STOP_S)
        shutil.rmtree(self.here, ignore_errors=True)


DONE_HERE: Mapping[str, Callable[[JobRun, Mapping[str, str]], str | None]] = {
    "actions/checkout": JobRun.checkout,
    "actions/upload-artifact": JobRun.upload,
    "actions/download-artifact": JobRun.download,
}


def covered(names: str) -> frozenset[str]:
    """The targets that nobody need run again after these: "test check"."""
    if unknown := set(names.split()) - COVERS.keys():
        raise ValueError(f"{TARGETS_RUN} names {', '.join(sorted(unknown))}; known are {', '.join(COVERS)}")
    return frozenset(target for name in names.split() for target in COVERS[name])


def _status(*, fine: bool, failed: bool) -> Functions:
    return {"success": lambda: fine, "failure": lambda: failed, "always": lambda: True, "cancelled": lambda: False}


def _worst(results: list[str]) -> str:
    """Of the jobs of a called workflow, or of a matrix. Some that are skipped count as green: that is why no gate may be."""
    if FAILURE in results:
        return FAILURE
    return SKIPPED if results and set(results) == {SKIPPED} else SUCCESS


def _outputs(path: Path) -> Iterator[tuple[str, str]]:
    """GitHub refuses a line that is no NAME=VALUE."""
    for line in path.read_text().splitlines():
        name, sign, value = line.partition("=")
        if not sign or not name.strip():
            raise ValueError(f"GITHUB_OUTPUT: invalid format {line!r}")
        yield name, value


def _machine() -> dict[str, str]:
    """Of this process's environment what a fresh machine has, too."""
    return {name: value for name, value in os.environ.items() if name in KEPT or name.upper().startswith(KEPT_FAMILIES)}


def _run(argv: list[str], folder: Path, environ: Mapping[str, str], log: Any, end_s: float) -> int:
    """Its exit code; stopped at its bound, as Ctrl-C at first."""
    process = subprocess.Popen(
        argv, cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        return process.wait(max(0.0, end_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        return 124
    finally:
        for number in (signal.SIGINT, signal.SIGKILL) if process.poll() is None else ():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)


def _git(folder: Path, *words: str) -> str:
    alone = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    safe = ["-c", "safe.directory=*", "-c", "advice.detachedHead=false"]
    done = subprocess.run(["git", *safe, "-C", str(folder), *words], env=alone, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
