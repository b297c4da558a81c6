"""Hands each tick to the metrics where the settings name a port for them; the loop never fails for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.model.settings import AutoscalerSettings
from toilctl.autoscaler.model.snapshot import Snapshot

if TYPE_CHECKING:
    from toilctl.autoscaler.metrics.registry import Metrics


class Exporter:
    """Gathers what a tick's metrics are made of, and has them made at its end."""

    def __init__(self) -> None:
        self._metrics: Metrics | None = None
        self._snapshot: Snapshot | None = None
        self._decided_s: float | None = None
        self._problem = ""

    @contextmanager
    def deciding(self, snapshot: Snapshot) -> Iterator[None]:
        """Measure the decision on a snapshot."""
        began = time.perf_counter()
        yield
        self._snapshot, self._decided_s = snapshot, time.perf_counter() - began

    def ticked(self, report: TickReport, settings: AutoscalerSettings | None) -> None:
        """Take in a tick at its end; a problem is told once on standard error, and the next tick tries again."""
        snapshot, decided_s = self._snapshot, self._decided_s
        self._snapshot = self._decided_s = None
        try:
            problem = self._export(report, snapshot, decided_s, settings) if settings else ""
        except Exception as error:  # A cluster without metrics is better than one without an autoscaler.
            problem = f"Metrics cannot be made: {type(error).__name__}: {' '.join(str(error).split())}."
        if problem and problem != self._problem:
            print(problem, file=sys.stderr, flush=True)
        self._problem = problem

    def close(self) -> None:
        """Serve no longer."""
        if self._metrics:
            self._metrics.serve("", 0)

    def _export(
        self, report: TickReport, snapshot: Snapshot | None, decided_s: float | None, settings: AutoscalerSettings
    ) -> str:
        if not settings.metrics_port:
            self.close()
            return ""
        if self._metrics is None:
            from toilctl.autoscaler.metrics.registry import Metrics

            self._metrics = Metrics()
        self._metrics.observe(report, snapshot, decided_s)
        return self._metrics.serve(settings.leader_address, settings.metrics_port)
