"""Workflows and pipeline/stages.yaml are one pipeline, and nobody gets round it. Each rule is broken on purpose, too."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from release import stages
from workflows.model import Workflows, flat, workflow
from workflows.rules import broken_request, broken_stages, soft

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted([*(ROOT / ".github" / "workflows").glob("*.yml"), *(ROOT / ".github" / "actions").glob("*/action.yml")])
}
STAGES = stages.read(ROOT / "pipeline" / "stages.yaml")


class Break(NamedTuple):
    file: str
    old: str
    new: str
    says: str
    after: str = ""  # it is the first `old` after this

    def files(self) -> dict[str, str]:
        path = f".github/{self.file}"
        head, mark, rest = FILES[path].partition(self.after) if self.after else ("", "", FILES[path])
        assert self.old in rest, f"the break of {self.file} has nothing to break"
        return {**FILES, path: head + mark + rest.replace(self.old, self.new, 1)}


def of(files: dict[str, str]) -> Workflows:
    return {Path(path).stem: workflow(text) for path, text in files.items() if "/workflows/" in path}


def rules(files: dict[str, str]) -> list[str]:
    return broken_stages(of(files), STAGES) + broken_request(of(files)) + soft(of(files), files)


CHECKS, RELEASE, MAIN, REQUEST = (f"workflows/{name}.yml" for name in ("checks", "release", "main", "pull-request"))
UNIT, STAGING, PRODUCTION, LIVE = "  unit:\n", "  staging:\n", "  production:\n", "    name: production\n"
GO = "  go:\n    name: go\n    permissions: {}\n    uses: $/.github/workflows/release.yml\n"
GATES = [
    Break(CHECKS, "    needs: [lint, types, unit]\n", "", "contract: before it come lint, types, unit in only one", "name: contract"),
    Break(CHECKS, "[lint, types, unit]", "[lint, types]", "security: before it come unit in only one", "name: security"),
    Break(RELEASE, "needs: [build, verify]", "needs: [build]", "staging: before it come verify in only one"),
    Break(RELEASE, "needs: [staging, rehearsal, flags]", "needs: [staging, flags]", "approval: before it come rehearsal in only one"),
    Break(
        RELEASE, "needs: [build, approval]", "needs: [build, staging]", "production: before it come approval, flags, rehearsal in only one"
    ),
    Break(MAIN, "    needs: [checks]\n", "", "build: before it come browser, contract, integration"),
    Break(CHECKS, "    name: unit\n", "    name: unit\n    if: ${{ always() }}\n", "unit: `if: ${{ always() }}`"),
    Break(CHECKS, "    name: unit\n", "    name: unit\n    if: ${{ vars.SLOW }}\n", "unit: `if: ${{ vars.SLOW }}`"),
    Break(MAIN, "    name: release\n", "    name: release\n    if: ${{ always() }}\n", "release: `if: ${{ always() }}`"),
    Break(
        MAIN, "    name: checks\n", "    name: checks\n    if: ${{ !contains(github.event.head_commit.message, 'skip') }}\n", "checks: `if:"
    ),
    Break(RELEASE, LIVE, LIVE + "    if: ${{ !cancelled() }}\n", "production: `if: ${{ !cancelled() }}`"),
    Break(CHECKS, "    name: types\n", "    name: types\n    continue-on-error: true\n", "types: it may fail"),
    Break(CHECKS, "- run: make unit\n", "- run: make unit\n        continue-on-error: true\n", "unit: the step 'make unit' may fail"),
    Break(CHECKS, "- run: make unit\n", "- run: make unit\n        if: ${{ vars.SLOW }}\n", "unit: no step always runs `make unit`"),
    Break(CHECKS, "- run: make unit\n", "- run: make units\n", "unit: no step always runs `make unit`"),
    Break(
        RELEASE,
        "- run: make staging\n",
        "- run: make staging\n        if: ${{ always() }}\n",
        "staging: `make staging` runs after a failure",
    ),
    Break(
        RELEASE,
        "        run: make receive\n",
        "        run: make receive\n        if: ${{ failure() }}\n",
        "`make receive` runs after a failure",
        LIVE,
    ),
    Break(RELEASE, "group: [1, 2, 3]", "group: [1, 2]", "rehearsal: of 3 parts of its tests only [1, 2] run"),
    Break(RELEASE, "group: [1, 2, 3]", "group: [1, 3]", "rehearsal: of 3 parts of its tests only [1, 3] run"),
    Break(RELEASE, 'SPLITS: "3"', 'SPLITS: "4"', "rehearsal: of 4 parts of its tests only [1, 2, 3] run"),
    Break(CHECKS, "  security:\n    name: security", "  safety:\n    name: security", "main.yml has the jobs lint"),
    Break(RELEASE, "environment: production", "environment: staging", "production: its environment is staging"),
    Break(
        RELEASE, "    environment: approval # its reviewers say yes; `make protect` names them\n", "", "approval: its environment is None"
    ),
    Break(
        RELEASE,
        "DIGEST: ${{ needs.build.outputs.digest }}",
        "DIGEST: ${{ vars.DIGEST }}",
        "production: its digest is not the build's",
        LIVE,
    ),
    Break(RELEASE, "- run: make production\n", "- run: make production DIGEST=\n", "production: its digest is not the build's"),
    Break(RELEASE, "        run: make receive\n", "        run: make status\n", "verify: it does not take over", "name: verify"),
    Break(RELEASE, "  workflow_call:\n", "  workflow_call:\n  workflow_dispatch:\n", "release.yml: it can begin by itself"),
    Break(MAIN, "branches: [main]", "branches: ['**']", "main.yml: it begins with something else"),
    Break(MAIN, "  push:\n", "  workflow_dispatch:\n  push:\n", "main.yml: it begins with something else"),
    Break("workflows/drill.yml", "run: make drills", "run: make production", "drill.yml: drill runs `make production`"),
    Break(
        "workflows/drill.yml",
        "    name: drill\n    r",
        "    name: drill\n    environment: staging\n    r",
        "drill has the environment staging",
    ),
    Break(
        "workflows/rollback.yml",
        "        if: ${{ !vars.SLIPWAY_HOST_RUNNER }}\n",
        "",
        "rollback runs `make staging`",
        "so something to take back\n",
    ),
    Break("workflows/security.yml", "- run: make scan\n", "- run: make staging\n        if: ${{ vars.X }}\n", "sbom runs `make staging`"),
    Break("workflows/drill.yml", "jobs:\n", f"jobs:\n{GO}", "drill.yml: go calls release.yml"),
]
ALL_GREEN = [
    Break(REQUEST, "needs: [checks, preview, rehearsal]", "needs: [checks, rehearsal]", "does not need preview"),
    Break(REQUEST, "    if: ${{ always() }} # a job", "    # a job", "is skipped after a failure"),
    Break(REQUEST, "join(needs.*.result, ' ')", "needs.checks.result", "does not look at each result"),
    Break(REQUEST, "- run: make all-green", "- run: make lint", "does not always run `make all-green`"),
    Break(REQUEST, "- run: make all-green\n", "- run: make all-green\n        continue-on-error: true\n", "'make all-green' may fail"),
    Break(REQUEST, "name: all green", "name: all-green", "there is no single job called 'all green'"),
    Break(REQUEST, "    name: preview\n", "    name: preview\n    if: ${{ vars.PREVIEW }}\n", "preview: `if: ${{ vars.PREVIEW }}`"),
    Break(REQUEST, "    name: preview\n", "    name: preview\n    continue-on-error: true\n", "preview: it may fail"),
    Break(REQUEST, "    name: checks\n", "    name: checks\n    if: ${{ !github.event.pull_request.draft }}\n", "checks: `if:"),
    Break(CHECKS, "    name: browser\n", "    name: browser\n    if: ${{ vars.BROWSER }}\n", "browser: `if: ${{ vars.BROWSER }}`"),
    Break(REQUEST, "  pull_request:\n", "  pull_request: {paths: [api/**]}\n", "pull_request has a filter"),
    Break(REQUEST, "  merge_group:\n", "", "it does not run for merge_group"),
]
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
HARD = [
    Break(CHECKS, CHECKOUT, "actions/checkout@v7 # v7.0.1", "actions/checkout@v7 is not pinned"),
    Break(CHECKS, CHECKOUT, CHECKOUT.replace("3d3c42e", "3D3C42E"), "is not pinned by its commit"),
    Break(CHECKS, CHECKOUT, CHECKOUT.partition(" ")[0], "does not say its version"),
    Break(CHECKS, CHECKOUT, CHECKOUT.replace("v7.0.1", "v7.0.0"), "actions/checkout is another actions/checkout than elsewhere"),
    Break(CHECKS, f"- uses: {CHECKOUT}", '- "uses": actions/checkout@v7', "actions/checkout@v7 does not stand on a line of its own"),
    Break(
        "actions/prepare/action.yml",
        "actions/cache@55cc8345863c7cc4c66a329aec7e433d2d1c52a9",
        "actions/cache@v6",
        "actions/cache@v6 is not pinned",
    ),
    Break(CHECKS, "    timeout-minutes: 10\n", "", "unit: its timeout is None", UNIT),
    Break(CHECKS, "timeout-minutes: 10", "timeout-minutes: 360", "unit: its timeout is 360", UNIT),
    Break(CHECKS, "permissions: {}\n", "", "checks.yml: `permissions: {}` does not stand"),
    Break(MAIN, "permissions: {}\n", "permissions: read-all\n", "main.yml: `permissions: {}` does not stand"),
    Break(CHECKS, "    permissions:\n      contents: read # the checkout\n", "", "unit: it does not say what it may", UNIT),
    Break(CHECKS, "persist-credentials: false", "persist-credentials: true", "unit: the checkout leaves the token", UNIT),
    Break(CHECKS, "with: {persist-credentials: false}", "with: {}", "lint: the checkout leaves the token"),
    Break(CHECKS, "run: make lint", "run: ruff check .", "'ruff check .' is not one line that calls make"),
    Break(CHECKS, "run: make lint", "run: make lint || true", "'make lint || true' is not one line"),
    Break(CHECKS, "run: make lint", "run: |\n          make lint\n          echo", "is not one line"),
    Break(CHECKS, "run: make lint", "run: make lint S=${{ github.head_ref }}", "is not one line"),
    Break(CHECKS, "run: make lint", "run: make -i lint", "is not one line"),
    Break(RELEASE, 'SPLITS: "3"', 'SPLITS: "3"\n      KEY: ${{ secrets.KEY }}', "rehearsal: it reads a secret"),
    Break(CHECKS, 'RERUNS: "1"', 'KEY: ${{ secrets.KEY }}\n  RERUNS: "1"', "checks.yml: a secret is for all jobs"),
    Break(MAIN, "$/.github/workflows/release.yml", "$/.github/workflows/release.yml\n    secrets: inherit", "hands secrets on"),
    Break(MAIN, "$/.github/workflows/release.yml", "ada/x/.github/workflows/release.yml@main", "calls a foreign workflow"),
    Break(
        RELEASE,
        "- run: make build",
        "- uses: $/.github/actions/prepare\n      - run: make build",
        "build: '$/.github/actions/prepare' reads a cache",
    ),
    Break(
        RELEASE, 'with: {python-version: "3.13"}', 'with: {python-version: "3.13", cache: pip}', "production: 'actions/setup-python", LIVE
    ),
    Break(RELEASE, "group: rollout-production", "group: rollout-staging", "production: two rollouts to production at once"),
    Break(RELEASE, "cancel-in-progress: false", "cancel-in-progress: true", "staging: two rollouts to staging at once", STAGING),
    Break(MAIN, "cancel-in-progress: false", "cancel-in-progress: true", "main.yml: a new run ends one"),
    Break("workflows/rollback.yml", "group: rollback-", "group: rollout-", "the way back waits for a rollout"),
    Break("workflows/drill.yml", "concurrency:\n  group: drill\n  cancel-in-progress: false\n", "", "drill.yml: two of it run at once"),
    Break(REQUEST, "  pull_request:\n", "  pull_request_target:\n  pull_request:\n", "pull_request_target runs foreign code"),
    Break(
        REQUEST,
        "runs-on: ubuntu-24.04",
        "runs-on: ${{ vars.SLIPWAY_HOST_RUNNER || 'ubuntu-24.04' }}",
        "preview runs foreign code on our machine",
    ),
    Break(CHECKS, "runs-on: ubuntu-24.04", "runs-on: ubuntu-latest", "unit: ubuntu-latest is another machine", UNIT),
]


@pytest.mark.parametrize(
    "rule", [lambda files: broken_stages(of(files), STAGES), lambda files: broken_request(of(files)), lambda files: soft(of(files), files)]
)
def test_ours_are_fine(rule: Callable[[dict[str, str]], list[str]]) -> None:
    assert rule(FILES) == []


@pytest.mark.thorough
@pytest.mark.parametrize("break_", [*GATES, *ALL_GREEN, *HARD], ids=lambda one: one.says[:60])
def test_a_break_is_found(break_: Break) -> None:
    found = rules(break_.files())
    assert any(break_.says in problem for problem in found), found


def test_another_order_is_found() -> None:
    path = ".github/workflows/checks.yml"
    head, types, unit, rest = re.fullmatch(r"(.*)(  types:\n.*)(  unit:\n.*)(  contract:\n.*)", FILES[path], re.S).groups()
    assert "jobs lint, unit, types, contract" in broken_stages(of({**FILES, path: head + unit + types + rest}), STAGES)[0]


def test_a_stage_more_in_stages_yaml_is_found() -> None:
    value = STAGES.model_dump()
    value["stages"] = (
        *value["stages"][:-1],
        {"name": "soak", "part": "production", "run": "drill", "needs": ("approval",), "what": "x"},
        value["stages"][-1],
    )
    assert "pipeline/stages.yaml has lint" in broken_stages(of(FILES), stages.Stages.model_validate(value))[0]


def test_a_key_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match="container"):
        workflow(FILES[".github/workflows/main.yml"].replace("    name: checks\n", "    name: checks\n    container: x\n"))


def test_what_runs_in_the_place_of_calls() -> None:
    jobs = flat(of(FILES), "main")
    assert set(jobs["build"].needs) >= {"lint", "contract", "security"}, "what needs a call needs all that it stands for"
    assert flat(of(FILES), "pull-request").keys() == {"preview", "rehearsal", "all-green"} | flat(of(FILES), "checks").keys()
