"""The manual, alert rules and the autoscaler speak of the same metrics."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.checkout import ROOT
from tests.unit.autoscaler.builders import NOW, backed_off, busy, job, policy, snapshot
from toilctl.autoscaler.decide.decide import decide
from toilctl.autoscaler.journal.report import ActionReport, ResultReport, TickReport
from toilctl.autoscaler.metrics.registry import Metrics
from toilctl.autoscaler.service import reporting

RULES = [
    rule
    for group in yaml.safe_load((ROOT / "roles/autoscaler/files/alerts.rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
ROW = re.compile(r"^\| `(toilctl_\w+)` \| (\w+) \|([^|]*)\|[^|]+\|$", re.MULTILINE)
SELECTOR = re.compile(r"\b(toilctl_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
OF_THE_SERVER = {"job", "instance"}
"""Labels that every Prometheus server adds."""


def names(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def made() -> dict[str, tuple[str, set[str]]]:
    """Kind and labels of each metric, as a server reads them after a tick with a bit of everything."""
    worker, running = busy("i-1")
    seen = snapshot([*running, job(), job(cores=500)], [worker], back_offs=(backed_off("c4.8xlarge:0.6"),))
    rules = policy()
    at = reporting.moment(NOW)
    report = TickReport(at, 1, "1.0", "my", False, results=(ResultReport(at, "launch", False, "no"),))
    report = reporting.decided(report, seen, decide(seen, rules, NOW), rules, NOW)
    every: dict[str, Any] = vars(report) | {
        "actions": (ActionReport("launch", "demand", "r3.8xlarge", 1),),
        "interruptions": (SimpleNamespace(instance_type="c4.8xlarge", zone="us-west-2a", kind="stop"),),
    }
    metrics = Metrics()
    metrics.observe(SimpleNamespace(**every), seen, 0.1)  # type: ignore[arg-type]
    text = generate_latest(metrics.registry).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        labels = set().union(*(one.labels for one in family.samples)) - {"le"}
        assert family.samples, f"{family.name}: the tick has none of it"
        assert family.documentation.endswith(".")
        found[f"{family.name}{'_total' if family.type == 'counter' else ''}"] = (family.type, labels)
    return found


MADE = made()


def test_manual_has_every_metric_with_its_kind_and_labels() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text()
    table = {name: (kind, names(labels)) for name, kind, labels in ROW.findall(page)}
    assert table == MADE


def test_names_follow_prometheus_guide() -> None:
    for name, (kind, _) in MADE.items():
        assert name.startswith("toilctl_")
        assert name.endswith("_total") is (kind == "counter"), name
        assert name.endswith("_seconds") or kind != "histogram", name
        assert not re.search(r"_(ms|minutes|hours|percent)$", name)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_names_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    known = set(OF_THE_SERVER)
    selectors = SELECTOR.findall(rule["expr"])
    assert selectors
    for name, matchers in selectors:
        kind, labels = MADE.get(name) or MADE[name.removesuffix("_count")]
        assert name in MADE or kind == "histogram"
        assert set(MATCHER.findall(matchers)) <= labels | OF_THE_SERVER, name
        known |= labels
    grouped = [re.split(r",\s*", one) for one in re.findall(r"\bby \(([^)]*)\)", rule["expr"])]
    assert {label for one in grouped for label in one} <= known
    kept = OF_THE_SERVER if grouped else known
    told = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", told)) <= kept
    assert set(re.findall(r"\btoilctl_\w+", told)) <= set(MADE)


def test_alerts_say_what_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        # Several clusters have one server: an alert says which of them it is about.
        assert "$labels.instance" in rule["annotations"]["summary"]
