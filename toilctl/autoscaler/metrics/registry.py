"""The autoscaler's metrics as Prometheus reads them: kept from tick to tick, and served over HTTP."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from toilctl.autoscaler.journal.report import TickReport
from toilctl.autoscaler.metrics import definitions
from toilctl.autoscaler.metrics.definitions import OTHER, Measure, Numbers, WaitTimer
from toilctl.autoscaler.model.reasons import EndReason
from toilctl.autoscaler.model.snapshot import NoticeKind, Snapshot
from toilctl.nodes.watch.http_service import Answer, HttpService, Request

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_ENDING: Final = ("scale-in", "replace")
INTERRUPTION_KINDS: Final = tuple(NoticeKind)


class Metrics:
    """What Prometheus may know of an autoscaler, in a registry of its own."""

    def __init__(self) -> None:
        # When a counter was made is twice as many lines, and nothing here asks for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._last, self._waits, self._server = _Last(), WaitTimer(), _Server(self.registry)
        self.registry.register(self._last)
        self._counters = {
            one: Counter(_stem(one), one.meaning, one.labels, registry=self.registry) for one in definitions.COUNTERS
        }
        self._histograms = {
            one: Histogram(one.name, one.meaning, one.labels, registry=self.registry, buckets=one.buckets)
            for one in definitions.HISTOGRAMS
        }
        self._launched: set[str] = set()
        self._codes: set[str] = set()
        # Counters that begin at 0 show their first step, too.
        for reason in EndReason:
            self._counters[definitions.TERMINATIONS].labels(reason)

    def observe(self, report: TickReport, snapshot: Snapshot | None, decided_s: float | None) -> None:
        """Take in a tick: its report, what it saw, and how many seconds ``decide`` took, where it came so far."""
        self._last.take(definitions.gauges(report, snapshot), report.usd)
        self._histograms[definitions.TICK_TIME].observe(report.seconds)
        if decided_s is not None:
            self._histograms[definitions.DECISION_TIME].observe(decided_s)
        if report.jobs_known and snapshot is not None:
            for seconds in self._waits.over(snapshot.demand.jobs, datetime.fromisoformat(report.at)):
                self._histograms[definitions.WAIT_TIME].observe(seconds)
        for action, reason in definitions.failures(report):
            self._counters[definitions.FAILURES].labels(action, self._code(reason)).inc()
        self._count_launches(report)
        for one in report.actions:
            if one.action in _ENDING:
                self._counters[definitions.TERMINATIONS].labels(one.reason).inc(len(one.instance_ids))
        for interruption in report.interruptions:
            kind = interruption.kind if interruption.kind in INTERRUPTION_KINDS else OTHER
            labels = (interruption.instance_type, interruption.zone, kind)
            self._counters[definitions.INTERRUPTIONS].labels(*labels).inc()

    def serve(self, address: str, port: int) -> str:
        """Serve there from now on, and no longer elsewhere; port 0 serves nowhere.

        Returns why that cannot be, in one line; the next call tries again. Empty when it is served.
        """
        return self._server.move(address, port)

    def _count_launches(self, report: TickReport) -> None:
        counter = self._counters[definitions.LAUNCHES]
        launches = [one for one in report.actions if one.action == "launch"]
        known = {*report.desired, *report.node_counts, *(one.node_type for one in launches)}
        if report.nodes_known:
            for gone in self._launched - known:
                counter.remove(gone)
            self._launched = known
        for node_type in known:
            counter.labels(node_type)
        for one in launches:
            counter.labels(one.node_type).inc(one.count)

    def _code(self, reason: str) -> str:
        """Return a reason as a label: no text that somebody else makes up may be one, nor ever more of them."""
        if reason not in self._codes and (len(self._codes) >= definitions.MOST_CODES or not _CODE.fullmatch(reason)):
            return OTHER
        self._codes.add(reason)
        return reason


class _Last(Collector):
    """The last tick's numbers; what it does not have is gone, and a scrape never sees half of one."""

    def __init__(self) -> None:
        self._usd = 0.0
        self._families: tuple[Metric, ...] = ()

    def take(self, numbers: Mapping[Measure, Numbers], usd: float) -> None:
        # The autoscaler's own sum may begin anew; a counter may not.
        self._usd = max(self._usd, usd)
        total = CounterMetricFamily(_stem(definitions.USD), definitions.USD.meaning, value=self._usd)
        self._families = (*(_gauge(one, values) for one, values in numbers.items()), total)

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


class _Server:
    """One HTTP service in a thread of its own, and where it is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry, self._where = registry, ("", 0)
        self._running: tuple[HttpService, threading.Thread] | None = None

    def move(self, address: str, port: int) -> str:
        if self._running and self._where == (address, port):
            return ""
        self._stop()
        if not port:
            return ""
        try:
            service = HttpService(address, port, self._respond)
        except OSError as error:
            return f"Metrics cannot be served at {address} port {port}: {error.strerror or error}."
        thread = threading.Thread(target=service.run, name="toilctl-metrics", daemon=True)
        thread.start()
        self._running, self._where = (service, thread), (address, port)
        return ""

    def _respond(self, request: Request) -> Answer | Callable[[], Answer]:
        if request.method != "GET":
            return Answer(501, "There is GET here.")
        # With many node types it takes a moment.
        return lambda: Answer(200, generate_latest(self._registry).decode().removesuffix("\n"), CONTENT_TYPE_LATEST)

    def _stop(self) -> None:
        if self._running:
            service, thread = self._running
            service.stop()
            thread.join()
            self._running = None


def _stem(measure: Measure) -> str:
    """Return a counter's name as prometheus_client wants it: it adds the ending itself."""
    return measure.name.removesuffix("_total")


def _gauge(measure: Measure, numbers: Numbers) -> Metric:
    family = GaugeMetricFamily(measure.name, measure.meaning, labels=measure.labels)
    for labels, number in numbers.items():
        family.add_metric(labels, float(number))
    return family
