"""The autoscaler's metrics as Prometheus reads them: kept from tick to tick, and served over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from toilctl.autoscaler import measures
from toilctl.autoscaler.measures import OTHER, Measure, Numbers, Waits
from toilctl.autoscaler.model import NoticeKind, Snapshot
from toilctl.autoscaler.plan import Reason
from toilctl.autoscaler.report import ActionReport, InterruptionReport, Report

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_ENDING: Final = ("scale-in", "replace")
_REASONS: Final = (
    Reason.IDLE, Reason.OVER_MAXIMUM, Reason.NEVER_JOINED, Reason.LOST, Reason.STOPPED, Reason.INTERRUPTED_DRAIN,
    Reason.REBALANCE,
)  # fmt: skip
"""Why a node goes. Counters that begin at 0 show their first step, too."""
INTERRUPTION_KINDS: Final = tuple(NoticeKind)


class Metrics:
    """What Prometheus may know of an autoscaler, in a registry of its own."""

    def __init__(self) -> None:
        # When a counter was made is twice as many lines, and nothing here asks for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._last, self._waits, self._server = _Last(), Waits(), _Server(self.registry)
        self.registry.register(self._last)
        self._counters = {one: _counter(one, self.registry) for one in measures.COUNTERS}
        self._histograms = {one: _histogram(one, self.registry) for one in measures.HISTOGRAMS}
        self._launched: set[str] = set()
        self._codes: set[str] = set()
        for reason in _REASONS:
            self._counters[measures.TERMINATIONS].labels(reason)

    def observe(self, report: Report, snapshot: Snapshot | None, decided_s: float | None) -> None:
        """Take in a tick: its report, what it saw, and how many seconds ``decide`` took, where it came so far."""
        self._last.take(measures.gauges(report, snapshot), report.usd)
        self._histograms[measures.TICK_TIME].observe(report.seconds)
        if decided_s is not None:
            self._histograms[measures.DECISION_TIME].observe(decided_s)
        if report.jobs_known and snapshot is not None:
            for seconds in self._waits.over(snapshot.demand.jobs, datetime.fromisoformat(report.at)):
                self._histograms[measures.WAIT_TIME].observe(seconds)
        for action, reason in measures.failures(report):
            self._counters[measures.FAILURES].labels(action, self._code(reason)).inc()
        self._count_launches(report)
        for one in report.actions:
            if one.action in _ENDING:
                self._counters[measures.TERMINATIONS].labels(one.reason).inc(len(one.instance_ids))
        for interruption in report.interruptions:
            self._count_interruption(interruption)

    def serve(self, address: str, port: int) -> str:
        """Serve there from now on, and no longer elsewhere; port 0 serves nowhere.

        Returns why that cannot be, in one line; the next call tries again. Empty when it is served.
        """
        return self._server.move(address, port)

    def _count_launches(self, report: Report) -> None:
        counter, launches = self._counters[measures.LAUNCHES], list(_launches(report))
        known = {*report.desired, *report.node_counts, *(one.node_type for one in launches)}
        if report.nodes_known:
            for gone in self._launched - known:
                counter.remove(gone)
            self._launched = known
        for node_type in known:
            counter.labels(node_type)
        for one in launches:
            counter.labels(one.node_type).inc(one.count)

    def _count_interruption(self, one: InterruptionReport) -> None:
        kind = one.kind if one.kind in INTERRUPTION_KINDS else OTHER
        self._counters[measures.INTERRUPTIONS].labels(one.instance_type, one.zone, kind).inc()

    def _code(self, reason: str) -> str:
        """Return a reason as a label: no text that somebody else makes up may be one, nor ever more of them."""
        if reason not in self._codes and (len(self._codes) >= measures.MOST_CODES or not _CODE.fullmatch(reason)):
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
        total = CounterMetricFamily(_stem(measures.USD), measures.USD.meaning, value=self._usd)
        self._families = (*(_gauge(one, values) for one, values in numbers.items()), total)

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


class _Server:
    """One HTTP server in threads of its own, and where it is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry, self._where = registry, ("", 0)
        self._server: WSGIServer | None = None

    def move(self, address: str, port: int) -> str:
        if self._server and self._where == (address, port):
            return ""
        self._stop()
        if not port:
            return ""
        try:
            self._server, _ = start_http_server(port, address, self._registry)
        except OSError as error:
            return f"Metrics cannot be served at {address} port {port}: {error.strerror or error}."
        self._where = (address, port)
        return ""

    def _stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def _launches(report: Report) -> Iterator[ActionReport]:
    return (one for one in report.actions if one.action == "launch")


def _stem(measure: Measure) -> str:
    """Return a counter's name as prometheus_client wants it: it adds the ending itself."""
    return measure.name.removesuffix("_total")


def _gauge(measure: Measure, numbers: Numbers) -> Metric:
    family = GaugeMetricFamily(measure.name, measure.meaning, labels=measure.labels)
    for labels, number in numbers.items():
        family.add_metric(labels, float(number))
    return family


def _counter(measure: Measure, registry: CollectorRegistry) -> Counter:
    return Counter(_stem(measure), measure.meaning, measure.labels, registry=registry)


def _histogram(measure: Measure, registry: CollectorRegistry) -> Histogram:
    return Histogram(measure.name, measure.meaning, measure.labels, registry=registry, buckets=measure.buckets)
