"""The process on the leader: each tick reads the settings, looks, decides, begins what is to be done, and says so."""

from __future__ import annotations

import argparse
import operator
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.execute.execute import Actions, Begun, Executor, World, in_thread
from toilctl.autoscaler.execute.playbooks import Playbooks
from toilctl.autoscaler.journal import costs, never_run
from toilctl.autoscaler.journal.report import STATE_DIR, ResultReport, TickReport, moment
from toilctl.autoscaler.journal.writer import Journal
from toilctl.autoscaler.metrics.exporter import Exporter
from toilctl.autoscaler.model import workflow_limits
from toilctl.autoscaler.model.plan import Infeasible, ScalingPlan
from toilctl.autoscaler.model.playbook_events import Ended, Event, LaunchAnswered
from toilctl.autoscaler.model.reasons import EndReason
from toilctl.autoscaler.model.settings import SETTINGS_FILE, AutoscalerSettings, SettingsFile
from toilctl.autoscaler.observe.observe import Memory, Observation, asked_for, engine_of, observe, unread
from toilctl.autoscaler.service import reporting
from toilctl.autoscaler.service.guard import Guard, alone
from toilctl.autoscaler.service.signals import Signals
from toilctl.engines.client import EngineClient
from toilctl.nodes.watch.systemd import ALIVE, tell_systemd
from toilctl.system import aws
from toilctl.system.waiting import wait_until
from toilctl.values.errors import ToilctlError

ENVIRONMENT_FILE: Final = "/etc/toilctl/autoscaler.env"
KEPT_ERRORS: Final = 20
DEFAULT_INTERVAL_S: Final = 30.0
"""While there are no settings that say it."""
_STOP_S: Final = 30.0
_LOOK_S: Final = 0.5
"""Between two looks for notices and new settings: a node that EC2 takes away has two minutes."""
_NOT_JOINED: Final = ("booting", "late", "leaving", "stopped")
"""Phases of nodes that the engine may not have had; an older report tells them."""


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Reach:
    """How the outside is reached."""

    actions_of: Callable[[AutoscalerSettings], Actions]
    engine_of: Callable[[AutoscalerSettings], EngineClient] = engine_of
    clock: Callable[[], datetime] = utc_now
    spawn: Callable[[Callable[[], None]], None] = in_thread
    asked_for: Callable[[], Sequence[workflow_limits.Wish]] = asked_for
    unread: Callable[[], Sequence[str]] = unread
    tell_never_run: Callable[[Sequence[Infeasible]], None] = never_run.tell


class Autoscaler:
    """What is kept from tick to tick; all of it may be lost."""

    def __init__(self, settings: SettingsFile, journal: Journal, reach: Reach) -> None:
        self._file, self._journal, self._reach = settings, journal, reach
        self.memory, self.guard, self.exporter = Memory(), Guard(), Exporter()
        self._executor = Executor(self.memory.under_way, reach.spawn)
        self._errors: deque[ResultReport] = deque(maxlen=KEPT_ERRORS)
        self._results: list[ResultReport] = []
        self._node_errors: dict[str, str] = {}
        self._wake_at: datetime | None = None
        self._followed: AutoscalerSettings | None = None
        """The file's, with what workflows asked for at the last tick."""
        self._last = journal.last()
        if self._last:
            self.memory.spot.restore(self._last.spot_records)
            self.guard.started = reach.clock()
            known = (node.instance_id for node in self._last.nodes if node.phase not in _NOT_JOINED)
            self.memory.acquaintance.joined.update(known)

    @property
    def interval_s(self) -> float:
        """How long to wait for the next tick."""
        settings = self._followed or self._file.last_good
        usual = settings.policy.tuning.scale_interval_s if settings else DEFAULT_INTERVAL_S
        sooner = min(filter(None, (self.guard.wait_until, self._wake_at)), default=None)
        return usual if sooner is None else min(usual, max(1.0, (sooner - self._reach.clock()).total_seconds()))

    def news(self) -> bool:
        """Look whether EC2 gave a notice since the last tick, which the next one should not wait for."""
        settings = self._file.last_good
        if settings is None:
            return False
        return self.memory.notices.news(settings.region, self.memory.spot_ids, self._reach.clock())

    def tick(self) -> TickReport:
        """Do one round; whatever goes wrong is in its report."""
        began, now = time.monotonic(), self._reach.clock()
        report = reporting.begun(self._last, now)
        try:
            report = self._round(report, now)
        except Exception as error:  # The next tick may fare better.
            report = replace(report, problem="; ".join(filter(None, [report.problem, self._explain(error, now)])))
        report = replace(
            report, results=tuple(self._results), seconds=round(time.monotonic() - began, 3),
            under_way=tuple(run.text() for run in self.memory.under_way.now), errors=tuple(self._errors),
        )  # fmt: skip
        self._results = []
        self._last = report
        if problem := self._journal.write(report):
            print(problem, file=sys.stderr, flush=True)
        self.exporter.ticked(report, self._file.last_good)
        return report

    def absorb(self, now: datetime) -> bool:
        """Take in what playbooks told; return whether some still run."""
        for event in self._executor.events():
            self._absorb(event, now)
        return bool(self.memory.under_way.now)

    def _round(self, report: TickReport, now: datetime) -> TickReport:
        settings = self._followed = self._file.read()
        self.absorb(now)
        self.memory.under_way.forget(now)
        report = replace(report, problem=self._file.problem, advice=self._file.advice)
        if settings is None:
            return report
        report = replace(report, cluster=settings.cluster, paused=settings.policy.paused)
        if not (settings.autoscaled or settings.follows_workflows):
            return replace(report, notes=("This cluster has no limits, so the autoscaler leaves it alone.",))
        wishes = self.memory.asked.of(self._reach.asked_for(), now, settings.policy.tuning.idle_timeout_s)
        asked = workflow_limits.read(wishes, settings.policy, settings.cluster)
        settings = self._followed = settings.widened(asked)
        unsafe = self.guard.problem(settings.region, settings.cluster, now)
        if unsafe:
            return replace(report, problem="; ".join(filter(None, [report.problem, unsafe])))
        report = self._decide_and_act(report, settings, now)
        return replace(report, notes=(*report.notes, *asked.notes, *self._reach.unread()))

    def _decide_and_act(self, report: TickReport, settings: AutoscalerSettings, now: datetime) -> TickReport:
        engine = self._reach.engine_of(settings)
        seen = observe(settings, engine, self.memory, now, costs.spent_usd(report.costs))
        policy = settings.policy if settings.limited else workflow_limits.around(settings.policy, seen.snapshot.nodes)
        with self.exporter.deciding(seen.snapshot):
            plan = decide(seen.snapshot, policy, now)
        self.memory.smoothed, self._wake_at = plan.smoothed, plan.wake_at
        self._reach.tell_never_run(plan.infeasible)
        problem = "; ".join(filter(None, [report.problem, seen.snapshot.engine_problem]))
        report = reporting.decided(replace(report, problem=problem), seen.snapshot, plan, policy, now)
        report = reporting.interrupted(report, self.memory.spot)
        report = replace(report, costs=costs.counted(report.costs, seen.priced), budget=reporting.budget(plan))
        world = World(engine, self._reach.actions_of(settings), seen.nodes, seen.members)
        begun = self._executor.begin(plan, world, now)
        self._note(begun, plan, seen, now)
        return replace(report, actions=begun.actions)

    def _note(self, begun: Begun, plan: ScalingPlan, seen: Observation, now: datetime) -> None:
        for action, ok, message in begun.ended:
            self._result(ResultReport(moment(now), action, ok, message))
        replaced = {one for action in begun.actions if action.action == "replace" for one in action.instance_ids}
        for instance_id, reason in plan.replace.items():
            if instance_id in replaced and reason is EndReason.NEVER_JOINED:
                failed = self._node_errors.get(instance_id, f"{instance_id} did not join in time")
                self.memory.failures.add(seen.nodes[instance_id].node_type, failed, now)
        self._node_errors = {known: why for known, why in self._node_errors.items() if known in seen.nodes}

    def _absorb(self, event: Event, now: datetime) -> None:
        run = self.memory.under_way.absorb(event, now)
        if isinstance(event, LaunchAnswered) and (event.launched or event.refusals):
            self.memory.refusals.answered(event.node_type, now, launched=bool(event.launched))
        if isinstance(event, LaunchAnswered) and event.refusals:
            settings = self._file.last_good
            zones = settings.policy.zones if settings else ()
            self.memory.refusals.add(event.node_type, event.refusals, zones, now)
            self._result(reporting.refusal_of(event, now))
        if isinstance(event, Ended) and run:
            self._node_errors |= event.failed_nodes
            seconds = round((now - run.begun_at).total_seconds(), 1)
            self._result(ResultReport(moment(now), str(run.kind), event.ok, event.message, seconds))
            # Why it failed may be that the cluster is being destroyed, or that an answer was lost.
            self.guard.passed = self.guard.passed and event.ok

    def _result(self, result: ResultReport) -> None:
        self._results.append(result)
        if not result.ok:
            self._errors.appendleft(result)

    def _explain(self, error: Exception, now: datetime) -> str:
        known = error if isinstance(error, ToilctlError) else aws.explain(error)
        if known is None:
            traceback.print_exception(error)
        message = str(known or f"{type(error).__name__}: {error}")
        self._errors.appendleft(ResultReport(moment(now), "tick", ok=False, message=message))
        return message


def run(autoscaler: Autoscaler, settings: SettingsFile, signals: Signals) -> None:
    """Tick until told to stop; at once when the settings change, or EC2 gives notice of an interruption."""
    while not signals.stop.is_set():
        began = time.monotonic()
        tell_systemd(ALIVE)
        signals.hurry.clear()
        written = settings.changed_at()
        autoscaler.tick()
        wait_s = autoscaler.interval_s
        while time.monotonic() - began < wait_s and not signals.hurry.is_set():
            tell_systemd(ALIVE)
            if signals.stop.wait(_LOOK_S) or settings.changed_at() != written or autoscaler.news():
                break


def finish(autoscaler: Autoscaler, seconds: float) -> None:
    """Wait until the playbooks that were begun have ended."""
    wait_until(lambda: autoscaler.absorb(utc_now()), operator.not_, seconds, 0.1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    arguments = _parse(argv)
    try:
        _take_environment(arguments.environment)
        with alone(arguments.state_dir):
            _work(arguments.command, arguments.settings, arguments.state_dir)
    except ToilctlError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _take_environment(path: Path) -> None:
    """Take over the service's environment, which systemd does not give to a process that is started by hand."""
    if "TOILCTL_SELF" in os.environ or not path.exists():
        return
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    os.environ.update(line.partition("=")[::2] for line in lines)


def _work(command: str, settings_path: Path, state_dir: Path) -> None:
    signals = Signals(threading.Event(), threading.Event())
    settings, journal = SettingsFile(settings_path), Journal(state_dir)
    autoscaler = Autoscaler(settings, journal, Reach(lambda one: Playbooks(one, state_dir, signals.stop)))
    with signals.heeded():
        if command == "once":
            autoscaler.tick()
            while autoscaler.guard.wait_until and not signals.stop.wait(autoscaler.interval_s):
                autoscaler.tick()
            finish(autoscaler, seconds=float("inf"))
        else:
            run(autoscaler, settings, signals)
            finish(autoscaler, _STOP_S)
    journal.close()


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="toilctl-autoscaler", description=__doc__)
    parser.add_argument(
        "command", nargs="?", choices=("run", "once"), default="run",
        help="run: tick until stopped; once: one tick, and all that it begins (default: run)",
    )  # fmt: skip
    settings = os.environ.get("TOILCTL_AUTOSCALER_SETTINGS", SETTINGS_FILE)
    parser.add_argument("--settings", type=Path, default=settings, help="default: %(default)s")
    state_dir = os.environ.get("TOILCTL_AUTOSCALER_STATE_DIR", STATE_DIR)
    parser.add_argument("--state-dir", type=Path, default=state_dir, help="default: %(default)s")
    parser.add_argument(
        "--environment", type=Path, default=ENVIRONMENT_FILE,
        help="what the service is given, and else is read here (default: %(default)s)",
    )  # fmt: skip
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
