"""Carries a plan out: un-drains at once, and begins playbooks that run beside the ticks and tell how they end."""

from __future__ import annotations

import queue
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from toilctl.autoscaler.journal.report import ActionReport
from toilctl.autoscaler.memory.playbook_runs import OWN_INTENT, PlaybookKind, PlaybookRun, UnderWay
from toilctl.autoscaler.model.plan import ScaleIn, ScaleOut, ScalingPlan
from toilctl.autoscaler.model.playbook_events import Ended, Event, Tell
from toilctl.autoscaler.model.reasons import EndReason, KeepReason
from toilctl.engines import client
from toilctl.engines.client import EngineClient, EngineNode
from toilctl.values.cluster import Node, NodeState
from toilctl.values.errors import EngineError

_ALSO_BUSY: Final = (EndReason.OVER_MAXIMUM, EndReason.RETURN_TO_SPOT)
"""Why nodes are drained that still run jobs."""


class Actions(Protocol):
    """What changes the cluster. Each call takes as long as it takes, and may be made in any thread."""

    def scale_out(self, intent: str, launches: Sequence[ScaleOut], tell: Tell) -> Ended:
        """Launch nodes under an intent and set them up; without launches, set up those that it has."""

    def scale_in(self, run: str, nodes: Mapping[str, Node], *, force: bool) -> Ended:
        """Drain nodes, given by instance id, and terminate those that run nothing; with ``force``, all of them."""

    def save_console(self, instance_id: str) -> None:
        """Keep what a node wrote to its console, since it is about to be terminated."""


@dataclass(frozen=True)
class World:
    """What a plan is carried out on."""

    engine: EngineClient
    actions: Actions
    nodes: Mapping[str, Node]
    """By instance id."""
    members: Mapping[str, EngineNode]
    """Those that the engine has, by instance id."""


@dataclass(frozen=True)
class Begun:
    """What a tick began, and what ended or failed at once."""

    actions: tuple[ActionReport, ...]
    ended: tuple[tuple[str, bool, str], ...] = ()
    """Action, whether it went well, and what to say of it."""


def in_thread(work: Callable[[], None]) -> None:
    """Do work beside the ticks; it does not keep the process alive."""
    threading.Thread(target=work, daemon=True).start()


class Executor:
    """Begins what a plan says, as far as what is under way lets it; a later plan has the rest again."""

    def __init__(self, under_way: UnderWay, spawn: Callable[[Callable[[], None]], None] = in_thread) -> None:
        self._under_way, self._spawn = under_way, spawn
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def events(self) -> tuple[Event, ...]:
        """Return what playbooks told since the last call."""
        found: list[Event] = []
        while not self._events.empty():
            found.append(self._events.get())
        return tuple(found)

    def begin(self, plan: ScalingPlan, world: World, now: datetime) -> Begun:
        """Begin what can be begun now: a node that is needed again is kept before another one is launched."""
        given_up, unheard = _give_up(plan, world)
        undrained, ended = _undrain(plan.undrain, world)
        begun = [
            *given_up,
            *undrained,
            *self._launch(plan.launches, world, now),
            *self._set_up(plan.set_up, world, now),
            *self._scale_in(plan, world, now),
        ]
        return Begun(tuple(begun), (*unheard, *ended))

    def _launch(self, launches: Sequence[ScaleOut], world: World, now: datetime) -> list[ActionReport]:
        if not launches or not self._under_way.may_launch:
            return []
        counts = {one.node_type: one.count for one in launches}
        run = PlaybookRun(_name(OWN_INTENT, now), PlaybookKind.LAUNCH, now, counts, launching=True)
        self._start(run, lambda: world.actions.scale_out(run.name, launches, self._events.put))
        return [ActionReport("launch", one.reason, str(one.node_type), one.count) for one in launches]

    def _set_up(self, instance_ids: Iterable[str], world: World, now: datetime) -> list[ActionReport]:
        by_intent: dict[str, list[str]] = {}
        for instance_id in instance_ids:
            by_intent.setdefault(world.nodes[instance_id].intent, []).append(instance_id)
        begun = []
        for intent, ids in sorted(by_intent.items()):
            # Nodes that a person launched without an intent cannot be told from others.
            if not intent or not self._under_way.may_set_up:
                continue
            self._start(
                PlaybookRun(intent, PlaybookKind.SET_UP, now, instance_ids=frozenset(ids)),
                lambda intent=intent: world.actions.scale_out(intent, (), self._events.put),  # type: ignore[misc]
            )
            begun.append(ActionReport("set-up", KeepReason.BOOTING, instance_ids=tuple(ids)))
        return begun

    def _scale_in(self, plan: ScalingPlan, world: World, now: datetime) -> list[ActionReport]:
        forced = tuple(plan.replace)
        if not (forced or plan.scale_in) or not self._under_way.may_scale_in:
            return []
        ids = frozenset(forced).union(*(one.instance_ids for one in plan.scale_in))
        run = PlaybookRun(_name("scale-in-", now), PlaybookKind.SCALE_IN, now, instance_ids=ids)
        self._start(run, lambda: _scale_in(run.name, forced, plan.scale_in, world))
        return [
            *(ActionReport("replace", reason, instance_ids=(one,)) for one, reason in plan.replace.items()),
            *(ActionReport("scale-in", one.reason, instance_ids=one.instance_ids) for one in plan.scale_in),
        ]

    def _start(self, run: PlaybookRun, work: Callable[[], Ended]) -> None:
        def report() -> None:
            try:
                self._events.put(work())
            except Exception as error:  # A playbook's end is data, never the end of the loop.
                self._events.put(Ended(run.name, ok=False, message=f"{type(error).__name__}: {error}"))

        self._under_way.begin(run)
        self._spawn(report)


def _give_up(plan: ScalingPlan, world: World) -> tuple[list[ActionReport], tuple[tuple[str, bool, str], ...]]:
    """Tell the engine of nodes that EC2 takes away: no new jobs, and in the end what runs there is to run again."""
    begun, ended = [], []
    for action, ids, ask in (
        ("drain", plan.drain, lambda one: world.engine.drain(one.name)),
        ("evacuate", plan.evacuate, world.engine.evacuate),
    ):
        told = []
        for instance_id in ids:
            try:
                ask(_member(instance_id, world))
                told.append(instance_id)
            except EngineError as error:
                ended.append((action, False, f"{instance_id}: {error.message}"))
        if told:
            begun.append(ActionReport(action, KeepReason.INTERRUPTED, instance_ids=tuple(told)))
    return begun, tuple(ended)


def _undrain(instance_ids: Iterable[str], world: World) -> tuple[list[ActionReport], tuple[tuple[str, bool, str], ...]]:
    asked, ended = [], []
    for instance_id in instance_ids:
        try:
            world.engine.uncordon(_member(instance_id, world).name)
            asked.append(instance_id)
        except EngineError as error:
            ended.append(("undrain", False, f"{instance_id}: {error.message}"))
    if not asked:
        return [], tuple(ended)
    ended += [("undrain", False, f"{one} does not take jobs again yet") for one in _not_taking_jobs(asked, world)]
    return [ActionReport("undrain", KeepReason.NEEDED, instance_ids=tuple(asked))], tuple(ended)


def _member(instance_id: str, world: World) -> EngineNode:
    member = world.members.get(instance_id)
    if member is None:
        raise client.unknown_node(instance_id)
    return member


def _not_taking_jobs(instance_ids: Sequence[str], world: World) -> list[str]:
    try:
        members = client.join(world.engine.nodes(), world.nodes.values())
    except EngineError:
        members = {}
    takers = {one for one, member in members.items() if member.state is NodeState.JOINED}
    return [one for one in instance_ids if one not in takers]


def _scale_in(run: str, forced: Sequence[str], asked: Sequence[ScaleIn], world: World) -> Ended:
    """End the dead nodes first, then those that are still idle: a job may have begun since the plan was made."""
    ended = []
    if forced:
        for instance_id in forced:
            world.actions.save_console(instance_id)
        ended.append(world.actions.scale_in(run, _pick(world, forced), force=True))
    if asked:
        ended.append(_scale_in_idle(run, asked, world))
    return _together(run, ended)


def _scale_in_idle(run: str, asked: Sequence[ScaleIn], world: World) -> Ended:
    try:
        going = _still_idle(asked, world)
    except EngineError as error:
        return Ended(run, ok=False, message=f"nothing goes, since nobody knows what is idle: {error.message}")
    if not going:
        return Ended(run, ok=True, message="nothing is idle any more")
    return world.actions.scale_in(run, _pick(world, going), force=False)


def _still_idle(asked: Sequence[ScaleIn], world: World) -> list[str]:
    """Return the nodes that the engine says run nothing now; some may end their jobs first."""
    members = client.join(world.engine.nodes(), world.nodes.values())
    return [
        instance_id
        for one in asked
        for instance_id in one.instance_ids
        if one.reason in _ALSO_BUSY or (instance_id in members and members[instance_id].idle)
    ]


def _pick(world: World, instance_ids: Iterable[str]) -> dict[str, Node]:
    return {instance_id: world.nodes[instance_id] for instance_id in instance_ids}


def _together(run: str, ended: Sequence[Ended]) -> Ended:
    return Ended(
        run,
        ok=all(one.ok for one in ended),
        message="; ".join(one.message for one in ended),
        terminated=frozenset().union(*(one.terminated for one in ended)),
    )


def _name(prefix: str, now: datetime) -> str:
    return f"{prefix}{now.astimezone(UTC):%Y%m%dt%H%M%S}-{secrets.token_hex(2)}"
