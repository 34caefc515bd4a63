"""What GitHub is told so that nobody can go round the pipeline: requests of its REST API as data. Pure.

https://docs.github.com/en/rest/repos/rules, https://docs.github.com/en/rest/deployments/environments, https://docs.github.com/en/rest/actions/permissions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BRANCH = "main"
RULESET = "main"
REQUIRED = "all green"  # the one job of pull-request.yml that stands for all others
ENVIRONMENTS = ("staging", "approval", "production")
ASKED = "approval"  # the environment whose reviewers say yes
REPO = "repos/{owner}/{repo}"  # gh fills it in


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Mapping[str, Any]
    why: str


def requests(reviewers: Sequence[int]) -> tuple[Request, ...]:
    """`reviewers`: GitHub's numbers of the people who may say yes to production."""
    return (ruleset(), *environments(reviewers), *settings())


def ruleset() -> Request:
    """Sent as an update where a ruleset of this name is there already."""
    rules: list[dict[str, Any]] = [
        {"type": "deletion"},
        {"type": "non_fast_forward"},
        {"type": "required_linear_history"},
        {
            "type": "pull_request",
            "parameters": {
                "required_approving_review_count": 1,
                "require_code_owner_review": True,
                "dismiss_stale_reviews_on_push": True,
                "require_last_push_approval": True,
                "required_review_thread_resolution": True,
            },
        },
        {
            "type": "required_status_checks",
            "parameters": {"strict_required_status_checks_policy": True, "required_status_checks": [{"context": REQUIRED}]},
        },
    ]
    body = {
        "name": RULESET,
        "target": "branch",
        "enforcement": "active",
        "bypass_actors": [],
        "conditions": {"ref_name": {"include": [f"refs/heads/{BRANCH}"], "exclude": []}},
        "rules": rules,
    }
    return Request("POST", f"{REPO}/rulesets", body, f"{BRANCH}: by pull request only, reviewed by its code owners, all green")


def environments(reviewers: Sequence[int]) -> tuple[Request, ...]:
    return tuple(one for name in ENVIRONMENTS for one in _environment(name, reviewers if name == ASKED else ()))


def _environment(name: str, reviewers: Sequence[int]) -> tuple[Request, Request]:
    body = {
        "wait_timer": 0,
        "prevent_self_review": bool(reviewers),
        "reviewers": [{"type": "User", "id": number} for number in reviewers] or None,
        "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
    }
    asks = f"asks {len(reviewers)} people" if reviewers else "asks nobody"
    return (
        Request("PUT", f"{REPO}/environments/{name}", body, f"environment {name}: {asks}"),
        Request(
            "POST",
            f"{REPO}/environments/{name}/deployment-branch-policies",
            {"name": BRANCH, "type": "branch"},
            f"environment {name}: {BRANCH} alone deploys there",
        ),
    )


def settings() -> tuple[Request, ...]:
    on = {"status": "enabled"}
    return (
        Request(
            "PUT",
            f"{REPO}/actions/permissions",
            {"enabled": True, "allowed_actions": "all", "sha_pinning_required": True},
            "an action that is not pinned by its commit does not run",
        ),
        Request(
            "PUT",
            f"{REPO}/actions/permissions/workflow",
            {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False},
            "a job may read, and what it asks for beyond",
        ),
        Request(
            "PATCH",
            REPO,
            {"security_and_analysis": {"secret_scanning": on, "secret_scanning_push_protection": on}, "allow_merge_commit": False},
            "a secret is refused when it is pushed",
        ),
    )
