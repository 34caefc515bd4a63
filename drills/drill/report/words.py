"""The report's sentences. Pure: from report.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OUTCOMES = {"pass": "Passed", "fail": "Failed", "invalid": "Invalid"}
TIMES = {
    "build_s": ("build", "patch and tree to signed artifact"),
    "deploy_s": ("deploy", "rollout asked for to first share of the users"),
    "detect_s": ("detect", "first bad answer to the gate's verdict"),
    "revert_s": ("revert", "verdict to the last answer of the bad lane"),
    "mitigate_s": ("mitigate", "first bad answer to the last answer of the bad lane"),
    "recover_s": ("recover", "first bad answer to the start of lasting calm"),
}


OF_CURES = {
    "detect_s": ("detect", "first bad answer to the engineer's word"),
    "revert_s": ("revert", "the engineer's word to the last bad answer"),
    "mitigate_s": ("mitigate", "first bad answer to the last one"),
}
OF_KILLS = {"revert_s": ("revert", "verdict to the last bad answer"), "mitigate_s": OF_CURES["mitigate_s"]}
CURES = {
    "kill_switch": "kill switch",
    "kill_first": "kill by the engine",
    "weight_0": "weight 0, by the gate",
    "rollback": "rollback to the pin",
    "redeploy": "redeploy of a fix",
}
INDICATORS = {
    "failures": "Failures (5xx, timeouts, resets)",
    "slow": "Slow answers",
    "client": "Pages that broke in a browser, per answer",
}


def times_of(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """What each time means in this report."""
    cure = report["cure"]
    return TIMES | ({} if cure is None else OF_CURES if cure["by"] == "on-call" else OF_KILLS)


def seconds(value: float | None) -> str:
    """Three figures that count: `42 ms`, `8.31 s`, `214 s`."""
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def errors(lane: dict[str, Any]) -> str:
    """`50 × 503 overloaded, 1 × no answer within 6 s`."""
    return ", ".join(f"{count} × {error}" for error, count in lane["errors"].items())


def budget(value: float | None) -> str:
    """As the scenario has it."""
    return "–" if value is None else f"{value:g} s"


def value_of(name: str) -> Callable[[float | None], str]:
    """How to say a figure of this name: seconds, or a plain count."""
    return seconds if name.endswith("_s") else lambda value: "–" if value is None else f"{value:g}"


def median_of(way: dict[str, Any], name: str) -> str:
    """Of one cure; a dash where it did not come to that."""
    spread = way["spread"].get(name)
    return "–" if spread is None else value_of(name)(spread["median"])


def many(count: int, one: str, several: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def headline(report: dict[str, Any]) -> str:
    """What happened, in two or three sentences."""
    return " ".join(part for part in (_verdict(report), _steps(report), _harm(report), _proof(report)) if part)


def _steps(report: dict[str, Any]) -> str:
    steps = report.get("steps") or []
    held = sum(step["held"] for step in steps)
    if not steps:
        return ""
    return (
        f"{many(len(steps), 'step')} around it went as wanted."
        if held == len(steps)
        else f"{held} of {len(steps)} steps around it went as wanted."
    )


def _verdict(report: dict[str, Any]) -> str:
    times, gate, rollout = report["times"], report["gate"], report["rollout"]
    if report["cure"]:
        return _cured(report)
    if gate["verdict"] == "FAIL" and times["detect_s"] is not None:
        requests = many(gate["canary_requests"], "request")
        back = f"; everyone was back on the baseline {seconds(times['revert_s'])} later" if times["revert_s"] is not None else ""
        return f"The gate said FAIL after {requests} to the new release, {seconds(times['detect_s'])} after a user first met the bug{back}."
    if rollout["outcome"] == "promoted":
        return f"The release reached everyone: {many(gate['looks'], 'look')} of the gate and no verdict against it."
    if rollout["outcome"] is None:
        return "The rollout did not come to an end."
    if report["moments_s"]["first_user"] is None:
        return f"The rollout was {rollout['outcome']} before any user got the release: {_one_line(rollout['reason'])}."
    return f"The rollout was {rollout['outcome']}: {_one_line(rollout['reason'])}."


def _cured(report: dict[str, Any]) -> str:
    cure, flag, times = report["cure"], report["flag"], report["times"]
    last = f"the last bad answer came {seconds(times['revert_s'])} later" if times["revert_s"] else "no bad answer came after that"
    if cure["by"] == "engine":
        requests = many(report["gate"]["canary_requests"], "request")
        return f"The gate said FAIL after {requests} to the new release; the engine found {flag['name']} to be the cause and killed it, {last}, and the rollout went on."
    return f"Everyone had the release when {flag['name']} was turned on for {flag['percentage']} % of users; {CURES[cure['how']]}: {last}."


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _harm(report: dict[str, Any]) -> str:
    impact = report["impact"]
    if not impact["users_harmed"] and not impact["failed_requests"]:
        return f"None of {many(impact['requests'], 'request')} from {many(impact['users'], 'user')} failed."
    slow = f" and {many(impact['slow_requests'], 'late answer')}" if impact["slow_requests"] else ""
    return (
        f"{many(impact['users_harmed'], 'user')} of {impact['users']:,} met a bad answer: "
        f"{many(impact['failed_requests'], 'failed request')}{slow} among {impact['requests']:,}."
    )


def _proof(report: dict[str, Any]) -> str:
    if report["outcome"] == "invalid":
        broken = [check["name"] for check in report["checks"] if check["kind"] == "validity" and not check["held"]]
        return f"The drill proves nothing, because this did not hold: {', '.join(broken)}."
    orders = report["orders"]
    if orders and orders["held"]:
        return f"All {orders['acknowledged']:,} acknowledged orders exist exactly once."
    return ""


def evidence(report: dict[str, Any]) -> list[str]:
    """The gate's case, for somebody who knows no statistics."""
    gate = report["gate"]
    if gate["verdict"] is None:
        return ["The gate was never asked: the release got no users."]
    odds = f"{gate['evidence']:,.0f}" if gate["evidence"] >= 10 else f"{gate['evidence']:.2g}"
    lines = [
        f"At the deciding look the evidence stood at {odds} to one against a healthy release; at {gate['fail_at']:g} to one the gate says FAIL. "
        f"A healthy release ever reaches that in at most {1 / gate['fail_at']:.0%} of rollouts, however often the gate looks."
    ]
    for indicator, name in INDICATORS.items():
        if indicator not in gate["samples"]:
            continue  # a ledger of before this indicator
        canary, baseline = gate["samples"][indicator]["canary"], gate["samples"][indicator]["baseline"]
        lines.append(f"{name}: canary {_share(canary)}; baseline, in the same windows, {_share(baseline)}.")
    return lines


def _share(tally: dict[str, int]) -> str:
    share = f" ({tally['bad'] / tally['requests']:.1%})" if tally["requests"] else ""
    return f"{tally['bad']:,} of {tally['requests']:,}{share}"
