"""One class per failure: what happened, what to do next, which runbook page, and its own exit code.

SlipwayError
├── UsageError            2   the command line makes no sense
├── Interrupted         130   Ctrl-C
├── artifact: UnknownDigest 10, NotADigest 11, Tampered 12, Unsigned 13, WrongSignature 14, Quarantined 15, PatchDoesNotApply 16, BuildFailed 17, RegistryAway 18, Weak 19
├── configuration: BadPolicy 20, BadScenario 21, BadStages 22, UnknownKey 23, KeyInUse 24
├── rollout: RolloutInProgress 30, NoRollout 31, Frozen 32, Aborted 33, NothingToRollBackTo 34, NotUp 35
├── flags: FlagsFrozen 36, FlagRefused 37, TokenRefused 38, FlagsAway 39
├── world: PortTaken 40, NeverReady 41, EdgeRefused 42, DatabaseFailed 43, TelemetryLost 44, MachineLacks 45, SmokeFailed 46, OutsideWindow 47, BackfillUnfinished 48
├── ledger: LedgerDamaged 50
├── pipeline: StageFailed 55, NotApproved 56, ApprovalsMissing 57, BadApproval 58
└── drill: DrillFailed 60, DrillInvalid 61
"""

from __future__ import annotations


class SlipwayError(Exception):
    """Base of every failure that a user can meet.

    `remedy` is the next step as a sentence with a command; `runbook` a page below runbooks/.
    """

    exit_code = 1
    runbook = "README.md"
    remedy = ""

    def __init__(self, what: str, *, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        if remedy is not None:
            self.remedy = remedy

    def as_json(self) -> dict[str, object]:
        return {
            "error": type(self).__name__,
            "what": self.what,
            "remedy": self.remedy,
            "runbook": f"runbooks/{self.runbook}",
            "exit_code": self.exit_code,
        }


class UsageError(SlipwayError):
    exit_code = 2
    remedy = "See `release --help`."


class Interrupted(SlipwayError):
    exit_code = 130
    runbook = "rollback.md"
    remedy = "Nothing is left half done: `make status` shows what runs."


class UnknownDigest(SlipwayError):
    exit_code = 10
    runbook = "artifact-refused.md"
    remedy = "`release build` makes a release of this tree and prints its digest."


class NotADigest(SlipwayError):
    exit_code = 11
    runbook = "artifact-refused.md"
    remedy = "Name a release by its digest, `sha256:` and 64 hex digits: a tag can be moved. `release history` lists them."


class Tampered(SlipwayError):
    exit_code = 12
    runbook = "artifact-refused.md"
    remedy = "Do not run it. Build it again with `release build` and compare the digests."


class Unsigned(SlipwayError):
    exit_code = 13
    runbook = "artifact-refused.md"
    remedy = "Only `release build` signs. Build it again from its source."


class WrongSignature(SlipwayError):
    exit_code = 14
    runbook = "artifact-refused.md"
    remedy = "It was signed with a key that this machine does not trust. Build it again from its source, or see `release keys list`."


class Quarantined(SlipwayError):
    exit_code = 15
    runbook = "quarantine.md"
    remedy = "Find the root cause, then `release quarantine --lift DIGEST --cause TEXT`."


class PatchDoesNotApply(SlipwayError):
    exit_code = 16
    runbook = "drills.md"
    remedy = "Edit the code and write it anew: `git diff > PATCH`."


class BuildFailed(SlipwayError):
    exit_code = 17
    runbook = "artifact-refused.md"


class RegistryAway(SlipwayError):
    exit_code = 18
    runbook = "containers.md"
    remedy = "`make up RUNTIME=compose` starts the environment's own registry; SLIPWAY_REGISTRY names another. A rollback needs none."


class Weak(SlipwayError):
    """A part of the release has a known vulnerability, or a licence that is not wanted."""

    exit_code = 19
    runbook = "artifact-refused.md"
    remedy = "Renew the part (`make locks`), or accept the finding for a while in pipeline/scan.yaml: id, reason, expires."


class BadPolicy(SlipwayError):
    exit_code = 20
    runbook = "policy.md"
    remedy = "Mend the named field; the comments in pipeline/policy.yaml say what each means."


class BadScenario(SlipwayError):
    exit_code = 21
    runbook = "drills.md"
    remedy = "Mend the named field; drills/scenarios/bad-release.yaml is the commented example."


class BadStages(SlipwayError):
    exit_code = 22
    runbook = "pipeline-red.md"
    remedy = "Mend the named entry of pipeline/stages.yaml; its first lines say what each field means."


class UnknownKey(SlipwayError):
    exit_code = 23
    runbook = "rotate-keys.md"
    remedy = "`release keys list` shows which keys are trusted."


class KeyInUse(SlipwayError):
    """A release that serves, or that a rollback may go back to, was signed by no other trusted key."""

    exit_code = 24
    runbook = "rotate-keys.md"
    remedy = "Roll out releases that the new key signed, until none of these is warm. If somebody else has the key: `--compromised`."


class OutsideWindow(SlipwayError):
    """A release could not run on the schema that is, or would be, there."""

    exit_code = 47
    runbook = "schema-window.md"
    remedy = "`release status` lists what is warm."


class BackfillUnfinished(SlipwayError):
    exit_code = 48
    runbook = "backfill.md"
    remedy = "`release backfill` goes on where it was."


class RolloutInProgress(SlipwayError):
    exit_code = 30
    runbook = "rollout.md"
    remedy = "Wait for it, or end it with `release abort --reason TEXT`; `release status` shows it."


class NoRollout(SlipwayError):
    exit_code = 31
    runbook = "rollout.md"
    remedy = "`release deploy DIGEST --reason TEXT` starts one; `release rollback` takes back one that has ended."


class Frozen(SlipwayError):
    exit_code = 32
    runbook = "rollout.md"
    remedy = "When the cause is known, `release unfreeze --reason TEXT`."


class Aborted(SlipwayError):
    exit_code = 33
    runbook = "rollout.md"
    remedy = "Users are back on the baseline. `release history` shows the evidence."


class NothingToRollBackTo(SlipwayError):
    exit_code = 34
    runbook = "rollback.md"
    remedy = "`release status` lists the releases that are warm; name one with `release rollback --to DIGEST --reason TEXT`."


class NotUp(SlipwayError):
    exit_code = 35
    remedy = "`make up` starts the store."


class FlagsFrozen(SlipwayError):
    exit_code = 36
    runbook = "freeze-flags.md"
    remedy = "A kill is allowed: `release flag kill FLAG --reason TEXT`. When the cause is known, `release unfreeze --reason TEXT`."


class FlagRefused(SlipwayError):
    """Unknown, changed meanwhile, or a bad definition."""

    exit_code = 37
    runbook = "flags.md"
    remedy = "Nothing was changed. `release flag list` shows what there is."


class TokenRefused(SlipwayError):
    exit_code = 38
    runbook = "flags.md"
    remedy = "`release token create --name NAME --scope flags:kill` makes another; SLIPWAY_OPS_TOKEN names it."


class FlagsAway(SlipwayError):
    exit_code = 39
    runbook = "kill-switch.md"
    remedy = "Instances go on with the flags that they know. If users are harmed: `release rollback --reason TEXT`."


class PortTaken(SlipwayError):
    exit_code = 40
    runbook = "setup.md"
    remedy = "Choose another: `make up PORT=8081`."


class NeverReady(SlipwayError):
    exit_code = 41
    runbook = "rollout.md"


class SmokeFailed(SlipwayError):
    exit_code = 46
    runbook = "rollout.md"


class EdgeRefused(SlipwayError):
    exit_code = 42
    runbook = "edge.md"
    remedy = "Envoy keeps the last split that it accepted. `release status` shows it; `make down && make up` starts a new edge."


class DatabaseFailed(SlipwayError):
    exit_code = 43
    runbook = "database.md"


class TelemetryLost(SlipwayError):
    exit_code = 44
    runbook = "edge.md"


class MachineLacks(SlipwayError):
    exit_code = 45
    runbook = "setup.md"


class LedgerDamaged(SlipwayError):
    exit_code = 50
    runbook = "ledger.md"
    remedy = "`release ledger repair --reason TEXT` sets the damaged part aside and goes on from the last good entry. `release rollback` and `release abort` do so by themselves."


class StageFailed(SlipwayError):
    exit_code = 55
    runbook = "pipeline-red.md"


class NotApproved(SlipwayError):
    exit_code = 56
    runbook = "pipeline-red.md"
    remedy = "Look at staging, then `make pipeline APPROVED_BY=NAME`, or answer the question on a terminal."


class ApprovalsMissing(SlipwayError):
    """A contract step or a change of the policy that not enough people have said yes to."""

    exit_code = 57
    runbook = "approve.md"
    remedy = "Each of them: `release approve DIGEST --key FILE` (or `release approve policy --key FILE`); then deploy again. A rollback needs no approval."


class BadApproval(SlipwayError):
    """Not a signature of this change by somebody in the list."""

    exit_code = 58
    runbook = "approve.md"
    remedy = "Nothing was recorded. pipeline/approvers lists whose yes counts."


class DrillFailed(SlipwayError):
    exit_code = 60
    runbook = "drills.md"
    remedy = "The report lists each check: wanted, measured, held."


class DrillInvalid(SlipwayError):
    exit_code = 61
    runbook = "drills.md"
    remedy = "The fault did not show to users, so the drill proves nothing. Mend the patch or the load."
