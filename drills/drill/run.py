"""One drill, from set-up to report. `Run.perform` reads as the story."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from drill import decisions, orders, sandbox
from drill.checks import Facts, is_bad
from drill.cure import Cured, by_the_engine
from drill.engine import ENDED, Call, Engine
from drill.lanes import lanes
from drill.live import Live
from drill.machine import Machine
from drill.oncall import OnCall
from drill.orders import OrderCheck
from drill.pages.modules import modules
from drill.report.fold import Context, Report, fold
from drill.report.render import write
from drill.samples import ClientTotals, Response
from drill.scenario import Drill, Flag, Step
from drill.signers import Signers
from drill.steps import Steps
from drill.times import Slo, moments, recovered, times
from drill.traffic import Traffic
from drill.view import View
from release import policy as policies
from release import window
from release.environment import Environment
from release.errors import Interrupted, UsageError
from release.home import Home
from release.places import RuntimeName

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICK_S = 0.2
STEP_S = 60.0  # and for each step before or after it
AFTER_S = 240.0  # the traffic's bound, beyond the rollout's: building, interrupting, confirming
HARM_LEAST, HARM_S = 3, 30.0  # bad answers before the on-call engineer notices, bounded
REACT_S = 2.0  # and then acts
FLAG_S = 10.0  # a flag that was turned on reaches users
FIX = "drills/faults/healthy-release.patch"
CALM_MAX_S = 30.0  # how long the confirm window may let us wait for itself, beyond its own length


@dataclass
class Run:
    """One run of a drill in an environment of its own."""

    home: Home
    drill: Drill
    name: str
    view: View
    keep: bool = False
    kind: RuntimeName = "embedded"
    engine: Engine = field(init=False)
    live: Live = field(init=False)
    traffic: Traffic | None = None
    baseline: str = ""
    canary: dict[str, Any] = field(default_factory=dict)
    address: str = ""
    cured: Cured | None = None
    down: Call | None = None
    steps: Steps = field(init=False)
    keep_logs: bool = True

    def __post_init__(self) -> None:
        self.folder = self.home.reports() / self.name
        self.logs = self.folder / "logs"
        self.env = sandbox.env_of(self.name)
        self.engine = Engine(self.home.root, self.env, self.logs, self.drill.policy, kind=self.kind)
        self.policy = policies.read(self.drill.policy or self.home.policy)
        self.live = Live(self.home.env(self.env) / "ledger.jsonl", self.folder / "samples.jsonl")
        self.machine, self.started_s = Machine(), time.monotonic()
        self.steps = Steps(self)

    def perform(self) -> Report:
        """The report, which is also written. Raises SlipwayError where the drill could not be carried out; nothing is left running then."""
        with sandbox.owned(self.home, self.name, keep=self.keep), cleaned_up(self):
            self.run_the_store()
            self.send_traffic()
            self.build_the_release()
            self.turn_the_flag_on_before()
            self.take(self.drill.scenario.before)
            self.roll_it_out()
            self.harm_and_cure()
            self.take(self.drill.scenario.after)
            self.wait_until_users_are_well()
            client = self.stop_the_traffic()
            report = self.conclude(client, self.count_the_orders())
            self.begin_to_leave(keep_logs=report["outcome"] != "pass")
            write(report, self.folder)
            return report

    def run_the_store(self) -> None:
        self.view.phase("run the store: database, edge, baseline", usual_s=8)
        up = self.wait(self.engine.up(self.last_release() if self.drill.scenario.first == "last_release" else None))
        self.baseline, self.address = up["baseline"], up["address"]

    def last_release(self) -> str:
        """What users got last; its digest."""
        commit = (self.home.root / "api" / "contract" / "released.commit").read_text(encoding="utf-8").strip()
        return str(self.wait(self.engine.build(None, commit))["digest"])

    def send_traffic(self) -> None:
        load = self.drill.scenario.load
        what = "requests/s" if load.client == "api" else "shoppers/s, who run the real pages,"
        self.view.phase(f"send {load.rate_per_s:g} {what} from {load.users:,} users", usual_s=load.warm_up_s + 1)
        if load.client == "pages":
            modules(self.home)
        self.traffic = Traffic.start(
            self.address,
            load,
            self.folder / "samples.jsonl",
            self.logs / "load.log",
            after_s=AFTER_S + STEP_S * len((*self.drill.scenario.before, *self.drill.scenario.after)),
        )

    def build_the_release(self) -> None:
        """While the load warms up."""
        build, until_s = self.engine.build(self.drill.patch), self.drill.scenario.load.warm_up_s
        self.canary = self.wait(build)
        self.wait(self.engine.publish(self.canary["digest"]))
        self.until(lambda: bool(self.live.responses) and time.monotonic() - self.live.responses[0].done_s >= until_s, bound_s=until_s + 15)
        if self.canary["digest"] == self.baseline:
            raise UsageError("The new release is the baseline itself.", remedy="Give the scenario a patch that changes what is released.")
        self.live.canary = self.canary["digest"]

    def turn_the_flag_on_before(self) -> None:
        """Unless it is turned on for what everyone has."""
        if self.drill.scenario.flag and self.drill.scenario.cure is None:
            self.turn_the_flag_on(self.call_on_call())

    def take(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.steps.take(step)

    def roll_it_out(self) -> None:
        self.view.phase("roll out, watched by the gate", usual_s=30)
        deploy = self.engine.deploy(self.canary["digest"], f"drill {self.drill.name}")
        bound_s = self.drill.scenario.load.max_s
        self.until(lambda: not deploy.running(), bound_s)
        if deploy.running():
            self.view.say(f"no end within {bound_s:g} s: interrupted")
            deploy.stop()
        self.wait(deploy, allowed=ENDED)

    def harm_and_cure(self) -> None:
        """The bug was there all the time; now users meet it."""
        how = self.drill.scenario.cure
        if how is None:
            return
        on_call = self.call_on_call()
        self.view.phase(f"turn the flag on, for users to be harmed; then {how.replace('_', ' ')}", usual_s=10)
        on_s = time.monotonic()
        self.turn_the_flag_on(on_call)
        harmed = lambda: sum(one.failed for one in self._since(on_s)) >= HARM_LEAST  # noqa: E731
        self.until(harmed, HARM_S)
        react_s = time.monotonic() + REACT_S
        self.until(lambda: time.monotonic() >= react_s, REACT_S + 1)
        self.cured = {"kill_switch": self._by_kill, "rollback": self._by_rollback, "redeploy": self._by_redeploy}[how](on_call)
        self.view.say(f"{how.replace('_', ' ')}: done {self.cured.done_s - self.cured.asked_s:.3f} s after the engineer's word")

    def call_on_call(self) -> OnCall:
        return OnCall(self.address, self.wait(self.engine.token())["token"])

    def turn_the_flag_on(self, on_call: OnCall) -> None:
        self.turn_on(on_call, self._flag())

    def turn_on(self, on_call: OnCall, flag: Flag) -> bool:
        """And wait until users have it; do they?"""
        on_call.turn_on(flag.name, flag.percentage)
        self.until(lambda: self._have(flag), FLAG_S)
        return self._have(flag)

    def _have(self, flag: Flag) -> bool:
        return any(one.used(f"{flag.name}=on") for one in self.live.responses[-500:])

    @cached_property
    def signers(self) -> Signers:
        """Two people who may approve, from now on."""
        signers = Signers.new(self.folder / "approvers")
        self.engine.approvers = signers.file
        return signers

    def contracts(self) -> tuple[str, ...]:
        """The contract steps of the new release that are still to be taken."""
        environment = Environment(self.home, self.env)
        release = environment.artifacts.verify(self.canary["digest"])
        return window.pending_contracts(release, environment.world.runtime.schema())

    def _by_kill(self, on_call: OnCall) -> Cured:
        flag = self._flag().name
        tried = [on_call.freeze(), on_call.try_to_change(flag)][1:] if self.drill.scenario.frozen else []
        kill = on_call.kill(flag)
        return Cured("kill_switch", "on-call", kill.asked_s, kill.answered_s, (*tried, kill) if tried else ())

    def _by_rollback(self, on_call: OnCall) -> Cured:
        """The engine freezes flags by itself."""
        asked_s = time.monotonic()
        self.wait(self.engine.rollback("users are harmed"))
        done_s, flag = time.monotonic(), self._flag().name
        return Cured("rollback", "on-call", asked_s, done_s, (on_call.try_to_change(flag), on_call.kill(flag)))

    def _by_redeploy(self, on_call: OnCall) -> Cured:  # noqa: ARG002 - as the others
        """Of this tree with a harmless change: what a fix would be."""
        asked_s = time.monotonic()
        fix = self.wait(self.engine.build(self.home.root / FIX))
        self.wait(self.engine.publish(fix["digest"]))
        self.wait(self.engine.deploy(fix["digest"], "the fix"), allowed=ENDED)
        return Cured("redeploy", "on-call", asked_s, time.monotonic(), fix=fix["digest"], fix_built_anew=fix["built"])

    def _flag(self) -> Flag:
        assert self.drill.scenario.flag is not None
        return self.drill.scenario.flag

    def wait_until_users_are_well(self) -> None:
        """As the client sees it; the checks judge this again from the whole record."""
        confirm_s = self.drill.scenario.confirm_s
        self.view.phase(f"confirm {confirm_s:g} s within the SLO", usual_s=confirm_s)
        told = decisions.fold(self.live.entries, self.canary["digest"])
        from_s, slo = told.reverted_s or told.ended_s or time.monotonic(), self.slo()

        def well() -> bool:
            """For half a second more than will be judged: the last answer of the bad lane may come after the switch."""
            calm_s = from_s if self.cured is None else self._last_bad_s(self.cured.asked_s)
            return recovered(self._since(calm_s), calm_s, slo, confirm_s + 0.5) is not None

        self.until(well, bound_s=confirm_s + CALM_MAX_S)

    def _last_bad_s(self, from_s: float) -> float:
        return max([from_s, *(one.done_s for one in self._since(from_s) if one.failed)])

    def stop_the_traffic(self) -> ClientTotals | None:
        """Before the orders are counted: one that is still on its way would look lost or not by chance."""
        self.view.phase("stop the traffic, count the orders", usual_s=2)
        assert self.traffic is not None
        self.traffic.check()
        client, self.traffic = self.traffic.stop(), None
        self._tick()
        return client

    def count_the_orders(self) -> OrderCheck:
        table = orders.stored(Environment(self.home, self.env).database.psql(orders.SQL))
        return orders.compare(self.live.responses, table)

    def conclude(self, client: ClientTotals | None, checked: OrderCheck) -> Report:
        self.view.phase("write the report", usual_s=2)
        shutil.copy(self.live.ledger.path, self.folder / "ledger.jsonl")
        facts = self.facts(client, checked)
        context = Context(
            run=self.name,
            runtime=self.kind,
            baseline=self.baseline,
            canary=self.canary["digest"],
            revision=self.canary["revision"],
            built_anew=self.canary["built"],
            machine=self.machine.describe(),
            setup_s=float(os.environ["SLIPWAY_SETUP_S"]) if os.environ.get("SLIPWAY_SETUP_S") else None,
            run_s=time.monotonic() - self.started_s,
            entries=self.live.entries,
            fail_at=1 / self.policy.gate.false_alarm_share,
        )
        return fold(self.drill, facts, context)

    def facts(self, client: ClientTotals | None, checked: OrderCheck) -> Facts:
        scenario, slo = self.drill.scenario, self.slo()
        told = decisions.fold(self.live.entries, self.canary["digest"])
        came = sorted(self.live.responses, key=lambda response: response.done_s)
        of = lanes(came, self.canary["digest"], [shift.at_s for shift in told.shifts])
        cured = self.cured or by_the_engine(decisions.of(self.live.entries, self.canary["digest"]))
        when = moments(told, came, of, lambda response: is_bad(scenario, slo, response), slo, scenario.confirm_s, cured)
        return Facts(scenario, slo, told, came, of, client, when, times(when, self.canary["took_s"]), checked, cured, self.steps.done)

    def begin_to_leave(self, *, keep_logs: bool) -> None:
        """Idempotent. Stopping everything takes as long as drawing the report: both at once."""
        if self.down is not None:
            return
        self.engine.stop_all()
        if self.traffic:
            self.traffic.stop()
        self.keep_logs = keep_logs
        if keep_logs and self.home.env(self.env).exists():
            Environment(self.home, self.env).place.save_logs(self.logs / "store")
        if keep_logs and (self.home.env(self.env) / "logs").is_dir():
            shutil.copytree(self.home.env(self.env) / "logs", self.logs / "store", dirs_exist_ok=True)
        if not self.keep:
            self.down = self.engine.down()

    def slo(self) -> Slo:
        gate = self.policy.gate
        indicators = gate.indicators
        return Slo(gate.slow_ms, indicators.failures.slo_bad_share, indicators.slow.slo_bad_share, indicators.client.slo_bad_share)

    def _since(self, from_s: float) -> list[Response]:
        return sorted((response for response in self.live.responses if response.done_s >= from_s), key=lambda response: response.done_s)

    # Waiting, while the view stays alive; for the steps, too.

    def wait(self, call: Call, allowed: tuple[int, ...] = (0,)) -> dict[str, Any]:
        while call.running():
            self._tick()
        self._tick()
        return call.answer(allowed=allowed)

    def until(self, true: Callable[[], bool], bound_s: float) -> None:
        end_s = time.monotonic() + bound_s
        while time.monotonic() < end_s and not true():
            self._tick()

    def _tick(self) -> None:
        for sentence in self.live.poll():
            self.view.say(sentence)
        if self.traffic:
            self.traffic.check()
            self.view.show(self.live.now())
        time.sleep(TICK_S)


@contextmanager
def cleaned_up(run: Run) -> Iterator[None]:
    """However the drill ends, also by Ctrl-C: its rollout is aborted, its traffic and environment are gone. A failure keeps its logs."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("The drill was interrupted.", remedy=f"Nothing of it runs any more. Its logs are in {run.logs}.") from None
    finally:
        with patient():
            run.view.phase("stop everything", usual_s=3)
            run.begin_to_leave(keep_logs=True)
            if run.down:
                run.down.wait()
                run.down.answer()
            if not run.keep_logs:
                shutil.rmtree(run.logs)


@contextmanager
def patient() -> Iterator[None]:
    """A second Ctrl-C does not break the cleaning up; that is bounded anyway."""
    before = {number: signal.signal(number, _not_now) for number in SIGNALS}  # not SIG_IGN: our children would inherit that
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _not_now(number: int, frame: object) -> None:
    pass


def new_name(home: Home, drill: Drill) -> str:
    """`20261123-133045-bad-release`, and its folder below reports/ is made: no other run gets the same."""
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{re.sub('[^a-z0-9-]+', '-', drill.name.lower())[:24]}"
    for number in range(1, 100):
        name = stamp if number == 1 else f"{stamp}-{number}"
        try:
            (home.reports() / name).mkdir(parents=True)
        except FileExistsError:
            continue
        return name
    raise AssertionError("a hundred runs within one second")
