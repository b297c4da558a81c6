"""The autoscaler's metrics and the alert rules about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import yaml

from docs.generate.markdown import code, page, plain, table
from toilctl.autoscaler.metrics import definitions
from toilctl.autoscaler.metrics.definitions import Measure
from toilctl.system import paths, variables

_FILLED_IN: Final = re.compile(r"{{ \$(?:labels\.)?(\w+) }}")
_RULES: Final = "roles/autoscaler/files/alerts.rules.yml"


def text() -> str:
    """Return the page."""
    found = [one for one in vars(definitions).values() if isinstance(one, Measure)]
    rows = ((code(one.name), kind(one), ", ".join(map(code, one.labels)), plain(one.meaning)) for one in found)
    return page(
        "Metrics",
        f"The autoscaler serves them for Prometheus at `/metrics` on port {variables.defaults()['metrics_port']} of "
        "the leader's private address. [](../how-to/metrics.md) says how to reach them.",
        table(("metric", "kind", "labels", "says"), rows),
        "A whether is 1 for yes and 0 for no. What nobody knows at a tick, such as jobs when the engine does not "
        f"answer, has no number until somebody does. Beyond the {definitions.MOST_SHAPES} shapes with the most jobs, "
        f"the others are one, whose labels are `{definitions.OTHER}`.",
        "## Buckets",
        table(("histogram", "buckets, in seconds"), _buckets(found)),
        "## Alerts",
        f"[The rules](../../{_RULES}) are for a server that scrapes leaders under the job name `toilctl`.",
        table(("alert", "severity", "after", "says"), _alerts()),
    )


def kind(measure: Measure) -> str:
    """Return what Prometheus calls it."""
    return "histogram" if measure.buckets else "counter" if measure.name.endswith("_total") else "gauge"


def _buckets(measures: list[Measure]) -> Iterator[tuple[str, str]]:
    for one in measures:
        if one.buckets:
            yield code(one.name), ", ".join(f"{bucket:g}" for bucket in one.buckets)


def _alerts() -> Iterator[tuple[str, ...]]:
    for group in yaml.safe_load((paths.ansible_dir() / _RULES).read_text())["groups"]:
        for rule in group["rules"]:
            told = rule["annotations"]
            says = f"{told['summary']} {told['description']}".replace("{{ $labels.instance }}", "the cluster")
            says = _FILLED_IN.sub(lambda found: found[1].upper(), says)
            yield code(rule["alert"]), rule["labels"]["severity"], rule.get("for", "at once"), plain(says)
