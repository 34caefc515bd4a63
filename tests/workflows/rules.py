"""What our workflows must be. Each rule says what breaks it; none found is an empty list. Pure.

Two subjects: that they are the stages of pipeline/stages.yaml with no way around a gate, and what zizmor does not look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain

from release.protect import REQUIRED
from release.stages import USERS, Stage, Stages
from workflows.expressions import BadExpression, evaluate
from workflows.model import HERE, Job, Step, Workflows, behind, called, every_job, flat, named, parsed, texts

MAIN, REQUEST, RELEASE = "main", "pull-request", "release"
DEPLOYS = ("staging", USERS)
CLEANS = {"down", "report", "status", None}  # what may run after a failure: it ends or tells, it lets nothing through
MINUTES_MAX = 120
HOST = {"vars": {"SLIPWAY_HOST_RUNNER": "host"}}
NAMED = re.compile(r"^\s*(?:- )?uses: +(\S+)(?: +# (\S+))?$")
PINNED = re.compile(r"[\w.-]+(?:/[\w.-]+)+@[0-9a-f]{40}")
VERSION = re.compile(r"v\d+(\.\d+){0,2}")
ONE_LINE = re.compile(r"make [a-z][a-z-]*( [A-Z_]+=[\w.-]*)*( >> \"\$GITHUB_(OUTPUT|STEP_SUMMARY)\")?")
NO_TRIGGERS = {"pull_request_target", "workflow_run"}  # they run foreign code with our rights


def broken_stages(workflows: Workflows, stages: Stages) -> list[str]:
    """main.yml against pipeline/stages.yaml, and every other way to an environment."""
    jobs = flat(workflows, MAIN)
    wanted = {stage.name: stage for stage in stages.stages}
    if list(jobs) != list(wanted):
        return [f"{MAIN}.yml has the jobs {', '.join(jobs)}; pipeline/stages.yaml has {', '.join(wanted)}"]
    return list(
        chain(
            _needs(jobs, stages),
            *(_runs(name, jobs[name], stage) for name, stage in wanted.items()),
            *(_never_skipped(name, job) for name, job in jobs.items()),
            _callers(workflows),
            _one_digest(jobs),
            _ways_around(workflows),
        )
    )


def _needs(jobs: Mapping[str, Job], stages: Stages) -> Iterator[str]:
    for name in jobs:
        here, there = behind(jobs, name), stages.behind(name)
        if here != there:
            yield f"{name}: before it come {', '.join(sorted(here ^ there))} in only one of both"


def _runs(name: str, job: Job, stage: Stage) -> Iterator[str]:
    if job.name != name:
        yield f"{name}: the job is called {job.name!r}"
    if not any(step.target == stage.run and step.condition is None for step in job.steps):
        yield f"{name}: no step always runs `make {stage.run}`"
    if job.place != (stage.part if stage.name in DEPLOYS else "approval" if stage.name == "approval" else None):
        yield f"{name}: its environment is {job.place}"
    groups = job.strategy.get("matrix", {}).get("group")
    if groups is not None and (groups != list(range(1, len(groups) + 1)) or job.env.get("SPLITS") != str(len(groups))):
        yield f"{name}: of {job.env.get('SPLITS')} parts of its tests only {groups} run"


def _never_skipped(name: str, job: Job) -> Iterator[str]:
    """A job that is skipped inside of a called workflow counts as green."""
    if job.condition is not None:
        yield f"{name}: `if: {job.condition}` may skip it, or run it after a failure"
    if job.forgiven is not False:
        yield f"{name}: it may fail (continue-on-error)"
    for step in job.steps:
        if step.forgiven is not False:
            yield f"{name}: the step {step.title!r} may fail (continue-on-error)"
        if _runs_after_failure(step) and step.target not in CLEANS:
            yield f"{name}: `make {step.target}` runs after a failure"


def _runs_after_failure(step: Step) -> bool:
    return re.search(r"\b(always|failure|cancelled)\s*\(", str(step.condition)) is not None


def _callers(workflows: Workflows) -> Iterator[str]:
    main = workflows[MAIN]
    if main.on != {"push": {"branches": ["main"]}}:
        yield f"{MAIN}.yml: it begins with something else than a push to main"
    for key, job in main.jobs.items():
        yield from _never_skipped(key, job)
    for name in {called(job) for job in main.jobs.values()} - {None}:
        if set(workflows[str(name)].on) != {"workflow_call"}:
            yield f"{name}.yml: it can begin by itself, without what comes before it"


def _one_digest(jobs: Mapping[str, Job]) -> Iterator[str]:
    """What is rolled out is what was built, verified and smoked."""
    built = "${{ needs.build.outputs.digest }}"
    for name in ("verify", "approvals", *DEPLOYS):
        if jobs[name].env.get("DIGEST") != built or any("DIGEST" in step.env or "DIGEST=" in (step.run or "") for step in jobs[name].steps):
            yield f"{name}: its digest is not the build's"
        targets = [step.target for step in jobs[name].steps if step.condition is None]
        if "receive" not in targets[: targets.index(name) if name in targets else None]:
            yield f"{name}: it does not take over what was built before it uses it"


def _ways_around(workflows: Workflows) -> Iterator[str]:
    """Another workflow that rolls out may only rehearse it: never where there is a host."""
    for workflow, key, job in every_job(workflows):
        if called(job) == RELEASE and workflow != MAIN:
            yield f"{workflow}.yml: {key} calls {RELEASE}.yml"
        if workflow == RELEASE:
            continue
        if job.place:
            yield f"{workflow}.yml: {key} has the environment {job.place}"
        for step in job.steps:
            if step.target in DEPLOYS and not _only_without_a_host(step):
                yield f"{workflow}.yml: {key} runs `make {step.target}`"


def _only_without_a_host(step: Step) -> bool:
    try:
        return evaluate(str(step.condition).removeprefix("${{").removesuffix("}}"), HOST) is False
    except BadExpression:
        return False


def broken_request(workflows: Workflows) -> list[str]:
    """pull-request.yml: one job stands for all, and is red unless each of them is green."""
    request = workflows[REQUEST]
    found = [f"{REQUEST}.yml: {name} has a filter, so its required check may never come" for name, event in request.on.items() if event]
    found += [f"{REQUEST}.yml: it does not run for {name}" for name in ("pull_request", "merge_group") if name not in request.on]
    stands = [key for key, job in request.jobs.items() if job.name == REQUIRED]
    if len(stands) != 1:
        return [*found, f"{REQUEST}.yml: there is no single job called {REQUIRED!r}"]
    all_green = request.jobs[stands[0]]
    if missing := request.jobs.keys() - {*all_green.needs, *stands}:
        found.append(f"{REQUEST}.yml: {REQUIRED!r} does not need {', '.join(sorted(missing))}")
    if all_green.condition != "${{ always() }}":
        found.append(f"{REQUEST}.yml: {REQUIRED!r} is skipped after a failure, and that counts as green")
    if all_green.env.get("RESULTS") != "${{ join(needs.*.result, ' ') }}":
        found.append(f"{REQUEST}.yml: {REQUIRED!r} does not look at each result")
    if not any(step.target == "all-green" and step.condition is None for step in all_green.steps):
        found.append(f"{REQUEST}.yml: {REQUIRED!r} does not always run `make all-green`")
    found += [problem for step in all_green.steps if step.forgiven is not False for problem in [f"{REQUEST}.yml: {step.title!r} may fail"]]
    others = {key: job for key, job in flat(workflows, REQUEST).items() if key not in stands}
    callers = {key: job for key, job in request.jobs.items() if key not in stands}
    return found + list(chain(*(_never_skipped(key, job) for key, job in {**others, **callers}.items())))


def soft(workflows: Workflows, files: Mapping[str, str]) -> list[str]:
    """Hardening. `files`: the text of each workflow and action, by path; comments stand only there."""
    return list(
        chain(
            _pins(files),
            *(_soft_job(name, key, job) for name, key, job in every_job(workflows)),
            _soft_workflows(workflows),
            _rollouts(workflows),
        )
    )


def _pins(files: Mapping[str, str]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for path, text in files.items():
        lines = [found.groups() for line in text.splitlines() if (found := NAMED.match(line))]
        if unread := set(named(parsed(text))) - {uses for uses, _ in lines}:
            yield f"{path}: {', '.join(sorted(unread))} does not stand on a line of its own"
        for uses, version in lines:
            if uses.startswith(HERE):
                continue
            action, _, commit = uses.partition("@")
            if not PINNED.fullmatch(uses):
                yield f"{path}: {uses} is not pinned by its commit"
            elif not VERSION.fullmatch(version or ""):
                yield f"{path}: {uses} does not say its version"
            repository = "/".join(action.split("/")[:2])
            if seen.setdefault(repository, f"{commit} {version}") != f"{commit} {version}":
                yield f"{path}: {action} is another {repository} than elsewhere"


def _soft_job(workflow: str, key: str, job: Job) -> Iterator[str]:
    where = f"{workflow}.yml: {key}"
    if not isinstance(job.permissions, dict):
        yield f"{where}: it does not say what it may"
    if job.uses is not None:
        if not job.uses.startswith(HERE) or job.secrets is not None:
            yield f"{where}: it calls a foreign workflow, or hands secrets on"
        return
    if job.timeout is None or not 0 < job.timeout <= MINUTES_MAX:
        yield f"{where}: its timeout is {job.timeout} minutes"
    if "latest" in str(job.machine):
        yield f"{where}: {job.machine} is another machine one day"
    if job.place is None and any("secrets." in text for text in texts(job.model_dump())):
        yield f"{where}: it reads a secret, and no environment guards it"
    for step in job.steps:
        yield from (f"{where}: {problem}" for problem in _soft_step(step))
    if _privileged(workflow, job):
        yield from (f"{where}: {step.title!r} reads a cache, and what it makes goes to users" for step in job.steps if _reads_a_cache(step))


def _soft_step(step: Step) -> Iterator[str]:
    if step.run is not None and not ONE_LINE.fullmatch(step.run):
        yield f"{step.run!r} is not one line that calls make"
    if step.action == "actions/checkout" and step.options.get("persist-credentials") is not False:
        yield "the checkout leaves the token behind"
    if (step.action or "").startswith(("./", "docker:")):
        yield f"{step.action} is not named from the repository's root"


def _privileged(workflow: str, job: Job) -> bool:
    """It signs, pushes or deploys."""
    writes = isinstance(job.permissions, dict) and {"id-token", "packages", "attestations"} & {
        k for k, v in job.permissions.items() if v == "write"
    }
    return bool(writes or job.place or workflow in (RELEASE, "rollback"))


def _reads_a_cache(step: Step) -> bool:
    return (step.action or "").startswith(("actions/cache", f"{HERE}.github/actions/prepare")) or any(
        "cache" in key for key in step.options
    )


def _soft_workflows(workflows: Workflows) -> Iterator[str]:
    for name, one in workflows.items():
        if one.permissions != {}:
            yield f"{name}.yml: `permissions: {{}}` does not stand at its top"
        if not one.concurrency.get("group"):
            yield f"{name}.yml: two of it run at once"
        if any("secrets." in text for text in texts(one.env)):
            yield f"{name}.yml: a secret is for all jobs"
        if one.defaults:
            yield f"{name}.yml: its steps run in another shell or folder"
        yield from (f"{name}.yml: {event} runs foreign code with our rights" for event in sorted(NO_TRIGGERS & set(one.on)))
        if "pull_request" in one.on:
            yield from (
                f"{name}.yml: {key} runs foreign code on our machine"
                for key, job in flat(workflows, name).items()
                if not re.fullmatch(r"[a-z]+-[\d.]+", str(job.machine))
            )


def _rollouts(workflows: Workflows) -> Iterator[str]:
    """One rollout per environment, never ended in the middle; and the way back waits for none."""
    for workflow, key, job in every_job(workflows):
        if job.place in DEPLOYS and job.concurrency != {"group": f"rollout-{job.place}", "cancel-in-progress": False}:
            yield f"{workflow}.yml: {key}: two rollouts to {job.place} at once, or one is ended by the next"
    for name in (MAIN, RELEASE, "rollback"):
        if workflows[name].concurrency.get("cancel-in-progress") is not False:
            yield f"{name}.yml: a new run ends one that is at work"
    back = str(workflows["rollback"].concurrency.get("group", ""))
    if back.startswith("rollout") or any("group" in job.concurrency for job in workflows["rollback"].jobs.values()):
        yield "rollback.yml: the way back waits for a rollout"
