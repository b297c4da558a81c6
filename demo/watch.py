"""The autoscaler's journal: followed while the workflow runs, and told as a table at the end."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from rich import box
from rich.table import Table
from stage import DemoError

from toilctl.autoscaler.journal.report import JOURNAL, TickReport

FOLLOW = ("sudo", "tail", "-n", "+1", "-F", JOURNAL)
READ = ("sudo", "cat", JOURNAL)


@contextmanager
def followed(argv: Sequence[str], environment: Mapping[str, str], say: Callable[[str], None]) -> Iterator[None]:
    """Say what the autoscaler begins, while something else goes on; ``argv`` runs ``FOLLOW`` on the leader's host."""
    process = subprocess.Popen(
        argv, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, process_group=0,
    )  # fmt: skip
    threading.Thread(target=_tell, args=(process.stdout, say), daemon=True).start()
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def reports(journal: str) -> list[TickReport]:
    """Read a journal; a line that is being written is passed over."""
    return [TickReport.of(json.loads(line)) for line in journal.splitlines() if line.endswith("}")]


def table(ticks: Sequence[TickReport], style: Mapping[str, Any]) -> Table:
    """Return a row for each tick: demand, nodes, decision with its reason, and cost so far."""
    if not ticks:
        raise DemoError("The autoscaler's journal is empty.")
    shown = Table("time", "jobs", "nodes", "decision and reason", "USD", title="What the autoscaler did", **style)
    shown.columns[-1].justify = "right"
    for tick in ticks:
        demand = f"{tick.running_jobs} run, {tick.waiting_jobs} wait"
        nodes = ", ".join(f"{count} {kind}" for kind, count in tick.node_counts.items() if count) or "none"
        shown.add_row(tick.at[11:19], demand, nodes, decision(tick), f"{tick.usd:.4f}")
    return shown


def decision(tick: TickReport) -> str:
    """Say what a tick began, or why it left everything as it was."""
    if tick.actions:
        return "; ".join(action.text() for action in tick.actions)
    if tick.problem:
        return tick.problem
    reasons = sorted({*(str(one.reason) for one in tick.waiting), *(one.lacking for one in tick.infeasible)})
    phases = ", ".join(f"{count} {phase}" for phase, count in tick.phases.items() if count)
    waits = f"jobs: {', '.join(reasons)}" if reasons else ""
    return "; ".join(filter(None, [phases, waits])) or "nothing to do"


def _tell(lines: IO[str] | None, say: Callable[[str], None]) -> None:
    for line in lines or ():
        for tick in reports(line):
            for action in tick.actions:
                say(f"{tick.at[11:19]}  {action.text()}")
            for result in tick.results:
                if not result.ok:
                    say(f"{tick.at[11:19]}  {result.action}: {result.message}")


STYLE: dict[str, Any] = {"box": box.SIMPLE_HEAD, "title_justify": "left", "title_style": "bold"}
