"""What a ledger says of approvals: which stand, and how many a changed policy needs."""

from __future__ import annotations

from contextlib import suppress

from release import errors
from release import events as e
from release.approvals import Approval
from release.ledger import Ledger
from release.policy import Policy
from release.ports import Approvers


def policy_needs(ledger: Ledger, policy: Policy) -> int:
    """How many must approve it: what the policy in force says of its successor, not what that says of itself. None where it is in force, or is the first."""
    verified = [fact for entry in ledger.entries() if isinstance(fact := entry.fact(), e.ReleaseVerified) and fact.policy]
    return verified[-1].policy_approvals if verified and verified[-1].policy != policy.fingerprint else 0


def approved(ledger: Ledger, approvers: Approvers | None) -> list[Approval]:
    """What stands in the ledger and is still by somebody in the list. A contract step that was undone needs a new yes."""
    found: list[Approval] = []
    for entry in ledger.entries() if approvers else ():
        fact = entry.fact()
        if isinstance(fact, e.ColumnRestored):
            found.clear()
        if approvers and isinstance(fact, e.ChangeApproved):
            with suppress(errors.BadApproval):
                found.append(approvers.verify(fact.change, fact.signature))
    return found
