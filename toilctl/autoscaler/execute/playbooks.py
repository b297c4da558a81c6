"""What changes a cluster in earnest: scale_out.yml and scale_in.yml, run on the leader."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from toilctl.autoscaler.model.plan import ScaleOut
from toilctl.autoscaler.model.playbook_events import (
    Ended,
    LaunchAnswered,
    LaunchingOver,
    LaunchRefusal,
    Tell,
    refusals_of,
)
from toilctl.autoscaler.model.settings import AutoscalerSettings
from toilctl.system import aws, playbooks
from toilctl.system.playbooks import PlaybookResult, PlaybookTarget
from toilctl.values.cluster import Engine, Node
from toilctl.values.errors import ToilctlError
from toilctl.values.node_types import NodeType

KEPT_CONSOLES: Final = 50
_FLEET: Final = "ec2_fleet"
_WAIT: Final = "ec2_nodes_running"
"""The module that waits for what was launched: then no more is asked for."""
_SET_ASIDE: Final = "SetAside"
"""What the launch module says of a launch that leaves out all offerings, and is no news."""
_AFTERWARDS: Final = "Learn the sizes of the instance types"
"""The first play after the launches, of configure.yml."""


@dataclass(frozen=True)
class Playbooks:
    """One tick's actions; ``stop`` ends all playbooks."""

    settings: AutoscalerSettings
    state_dir: Path
    stop: threading.Event

    def scale_out(self, intent: str, launches: Sequence[ScaleOut], tell: Tell) -> Ended:
        """Run scale_out.yml, telling what EC2 answers while it goes on."""
        variables = {
            "launches": [_launch(one, self.settings.raised_gb.get(one.node_type)) for one in launches],
            # A node that is late is replaced; its launch need not wait for it any longer than that.
            "boot_timeout_s": min(self.settings.boot_timeout_s, self.settings.policy.tuning.join_deadline_s),
        }
        result = self._run("scale_out.yml", variables, intent, _Watcher(intent, tell))
        launched = len(result.data.get("launched") or ())
        return _ended(intent, result, f"{launched} launched and set up" if launches else "set up again")

    def scale_in(self, run: str, nodes: Mapping[str, Node], *, force: bool) -> Ended:
        """Run scale_in.yml with no patience: what still runs a job stays drained, and goes at a later tick."""
        variables = {"instance_ids": sorted(nodes), "force": force, "drain_patience_s": 0}
        # An intent of no node narrows the inventory to the leader, so that its size does not matter; Mesos knows nodes
        # by address only, which the whole inventory has.
        intent = run if self.settings.engine is Engine.SLURM else ""
        result = self._run("scale_in.yml", variables, intent, lambda _: None)
        terminated = frozenset(map(str, result.data.get("terminated") or ()))
        busy = len(result.data.get("still_running") or ())
        said = f"{len(terminated)} terminated" + (f", {busy} drained and still busy" if busy else "")
        return _ended(run, result, said, terminated)

    def save_console(self, instance_id: str) -> None:
        """Write EC2's console output to consoles/ID.log, and what went wrong if there is none."""
        # A full disk keeps no dead node in the cluster.
        with suppress(OSError):
            _keep(self.state_dir / "consoles", f"{instance_id}.log", _console(self.settings.region, instance_id))

    def _run(self, playbook: str, variables: Mapping[str, Any], intent: str, watch: playbooks.Watch) -> PlaybookResult:
        target = PlaybookTarget(self.settings.region, self.settings.cluster)
        key = {"ansible_ssh_private_key_file": os.fspath(self.state_dir / "ssh" / "id_ed25519")}
        return playbooks.run(playbook, target, {**variables, **key}, intent=intent, watch=watch, stop=self.stop)


class _Watcher:
    """Turns the events of scale_out.yml into what the next tick has to know."""

    def __init__(self, intent: str, tell: Tell) -> None:
        self._intent, self._tell, self._over = intent, tell, False

    def __call__(self, event: Mapping[str, Any]) -> None:
        data = event.get("event_data") or {}
        kind, action = event.get("event"), str(data.get("task_action", "")).rpartition(".")[2]
        if kind in ("runner_on_ok", "runner_on_failed") and action == _FLEET:
            result = data.get("res") or {}
            # An event's result does not say itself that it failed; one that the task lets pass has this instead.
            failed = kind == "runner_on_failed" or "failed_when_suppressed_exception" in result
            answer = launch_answer(self._intent, result, failed=failed)
            if answer:
                self._tell(answer)
        begins = kind == "playbook_on_task_start" and action == _WAIT
        if not self._over and (begins or (kind == "playbook_on_play_start" and data.get("name") == _AFTERWARDS)):
            self._over = True
            self._tell(LaunchingOver(self._intent))


def launch_answer(intent: str, result: Mapping[str, Any], *, failed: bool = False) -> LaunchAnswered | None:
    """Read a result of the launch module; None when it does not even say of which node type."""
    error = result.get("toilctl_error") or {}
    facts = error.get("facts") or {}
    arguments = (result.get("invocation") or {}).get("module_args") or {}
    node_type = result.get("node_type") or facts.get("node_type") or arguments.get("node_type")
    if not node_type:
        return None
    errors = [one for one in result.get("errors") or facts.get("errors") or () if one.get("code") != _SET_ASIDE]
    # Without these, EC2 has not answered: something else went wrong, before or after it launched.
    answered = "launched" in result or "errors" in facts
    launched = frozenset(map(str, [*(result.get("launched") or ()), *(result.get("instance_ids") or ())]))
    refusals = refusals_of(errors)
    code = str(facts.get("aws_code") or error.get("code") or "Failed")
    if not refusals and code != _SET_ASIDE and (failed or error):
        refusals = (LaunchRefusal(code, str(error.get("message") or result.get("msg") or "")),)
    return LaunchAnswered(intent, NodeType.parse(str(node_type)), launched if answered else None, refusals)


def _launch(launch: ScaleOut, root_gb: int | None) -> dict[str, Any]:
    without = [{"instance_type": one.instance_type, "zone": one.zone} for one in launch.without]
    raised = {} if root_gb is None else {"storage_gb": root_gb}
    return {"node_type": str(launch.node_type), "count": launch.count, "without": without, **raised}


def _ended(run: str, result: PlaybookResult, said: str, terminated: frozenset[str] = frozenset()) -> Ended:
    failed = {one.host: f"{one.task}: {one.message}" for one in result.failures if one.host.startswith("i-")}
    try:
        playbooks.raise_failure(result, "the next ticks go on from here")
    except ToilctlError as error:
        said = f"{error.message.rstrip('.')}. {error.next_step}".strip()
        return Ended(run, ok=False, message=said, terminated=terminated, failed_nodes=failed)
    return Ended(run, ok=True, message=said, terminated=terminated, failed_nodes=failed)


def _keep(directory: Path, name: str, text: str) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in sorted(directory.glob("*.log"), key=lambda file: file.stat().st_mtime)[: -KEPT_CONSOLES + 1]:
        old.unlink(missing_ok=True)
    (directory / name).touch(mode=0o600)
    (directory / name).write_text(text)


def _console(region: str, instance_id: str) -> str:
    try:
        ask = aws.client("ec2", region).get_console_output
        try:
            answer = ask(InstanceId=instance_id, Latest=True)
        except Exception as error:
            # Only instances on Nitro have the latest output; others have that of their boot.
            if aws.error_code(error) not in ("UnsupportedOperation", "InvalidParameterCombination"):
                raise
            answer = ask(InstanceId=instance_id)
    except Exception as error:  # A node without a console goes all the same.
        return f"EC2 gives no console output: {error}\n"
    return str(answer.get("Output") or "EC2 has no console output of it yet.\n")
