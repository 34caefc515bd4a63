"""GitHub, asked through gh, which holds the person's own login: we see no token."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import Any

from release.errors import MachineLacks
from release.protect import REPO, RULESET, Request

ANSWER_S = 60
EXISTS = "already"  # of GitHub's answer to a branch policy that is there


def user_number(login: str) -> int:
    """Raises MachineLacks."""
    return int(_gh("GET", f"users/{login}")["id"])


def send(request: Request) -> None:
    """Idempotent: what is there already is updated. Raises MachineLacks with what GitHub answered."""
    if request.path == f"{REPO}/rulesets":
        there = [one["id"] for one in _gh("GET", request.path) if one["name"] == RULESET]
        request = replace(request, method="PUT", path=f"{request.path}/{there[0]}") if there else request
    try:
        _gh(request.method, request.path, json.dumps(request.body))
    except MachineLacks as problem:
        if not (request.path.endswith("deployment-branch-policies") and EXISTS in problem.what):
            raise


def _gh(method: str, path: str, body: str | None = None) -> Any:
    argv = ["gh", "api", "--method", method, path, *(["--input", "-"] if body is not None else [])]
    try:
        done = subprocess.run(argv, input=body, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except FileNotFoundError as problem:
        raise MachineLacks("gh is not installed.", remedy="https://cli.github.com, then `gh auth login`.") from problem
    except subprocess.TimeoutExpired as problem:
        raise MachineLacks(f"GitHub did not answer {path} within {ANSWER_S} s.", remedy="Try again.") from problem
    if done.returncode != 0:
        raise MachineLacks(
            f"GitHub refused {method} {path}: {(done.stderr or done.stdout).strip()[:300]}",
            remedy="You must be logged in (`gh auth status`) as an administrator of the repository.",
        )
    return json.loads(done.stdout or "{}")
