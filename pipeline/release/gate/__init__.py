"""Samples -> evidence -> verdict. Nothing here acts, waits or reads a clock.

What the gate promises: a healthy release looks bad enough for a rollback in at most `false_alarm_share` of whole
rollouts, over all steps and indicators, however often the gate looks. One form serves all indicators: of `requests`
in a window, `bad` were bad. The parts:

    capital   evidence against a release: money bet on "this is worse than healthy"
    health    evidence for a release: what it takes before more users are put at risk
    state     what is remembered between looks, and what a look answers
    blocks    samples collected until there are enough to judge
    compare   the verdict while there is a baseline beside the canary
    watch     the verdict at 100 %, against the SLO alone
    verdict   the evidence of all indicators as one verdict with its reasons
    attribution  whether a flag's variant is to blame, and not the release
    words     the reasons, for people

Sources: Lindon, Sanden, Shirikian, "Rapid Regression Detection in Software Deployments through Sequential Testing"
(2022); Waudby-Smith, Ramdas, "Estimating means of bounded random variables by betting" (2024); Turner, Ly, Grünwald,
"Generic E-variables for exact sequential k-sample tests that allow for optional stopping" (2024); Ville, "Étude
critique de la notion de collectif" (1939): a nonnegative supermartingale that starts at 1 ever reaches 1/alpha with
probability at most alpha.
"""

from release.gate.attribution import Attribution, Suspect, suspect
from release.gate.compare import look, start, start_step
from release.gate.state import Evidence, GateState, Verdict
from release.gate.watch import watch_slo

__all__ = ["Attribution", "Evidence", "GateState", "Suspect", "Verdict", "look", "start", "start_step", "suspect", "watch_slo"]
