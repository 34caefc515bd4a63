"""Who must have said yes before something that can't be taken back: two people, neither of them the one who asks. Pure.

What is approved is a change, as one line of text; its signature is over that line and the name of the environment, so that a yes for one
release or for staging is none for another or for production.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from release.errors import ApprovalsMissing

NAMESPACE = "slipway"  # of SSH signatures: one that was made for git or a mail is none for us


@dataclass(frozen=True)
class Approval:
    """A signature that was verified. `people`: all under whose names its key stands in the list."""

    change: str
    people: tuple[str, ...]
    key: str


def contract_change(digest: str, steps: Iterable[str]) -> str:
    return f"contract {' '.join(steps)} of {digest}"


def policy_change(fingerprint: str) -> str:
    return f"policy {fingerprint}"


def message(change: str, environment: str) -> bytes:
    """What is signed."""
    return f"Slipway: approved\nenvironment: {environment}\nchange: {change}\n".encode()


def counted(change: str, approvals: Iterable[Approval], requester: str) -> list[Approval]:
    """Those that count: of this change, by others than who asks for it, one per key and person."""
    found: list[Approval] = []
    for one in approvals:
        own = any(_same(person, requester) for person in one.people)
        again = any(one.key == other.key or set(one.people) & set(other.people) for other in found)
        if one.change == change and not own and not again:
            found.append(one)
    return found


def missing(change: str, needed: int, approvals: Iterable[Approval], requester: str) -> ApprovalsMissing | None:
    there = counted(change, approvals, requester)
    if len(there) >= needed:
        return None
    by = f"by {', '.join(one.people[0] for one in there)}" if there else "by nobody"
    return ApprovalsMissing(f"“{change}” needs a yes of {needed} people other than {requester}; it is approved {by}.")


def _same(person: str, requester: str) -> bool:
    """Login names have no `@`: ada is ada@example.org."""
    person, requester = person.casefold(), requester.casefold()
    return requester in (person, person.partition("@")[0])
