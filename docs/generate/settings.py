"""The settings of autoscaling: option, variable, default, what can be."""

from __future__ import annotations

from collections.abc import Iterator

from docs.generate.commands import walk
from docs.generate.markdown import code, page, plain, table
from toilctl.system import variables
from toilctl.values import tags
from toilctl.values.tuning import SETTINGS


def text() -> str:
    """Return the page."""
    return page(
        "Settings of autoscaling",
        "Each can be given to [`launch-cluster`](commands.md#launch-cluster), and later to "
        "[`autoscale`](commands.md#autoscale): what is not named stays as it is. Playbooks take the variable. "
        f"A cluster keeps them in the tags `{tags.LIMITS}` (numbers of workers), `{tags.AUTOSCALER}` (how eager "
        f"scaling is) and `{tags.DEFAULT_PREEMPTIBLE}` of its security group; the leader follows "
        "`/etc/toilctl/cluster.yml`, which is made of them.",
        "## Numbers of workers",
        table(("option", "means", "default"), _counts()),
        "The variable `limits` has both numbers of each node type, such as `c4.8xlarge:0.6=0..20`. `--workers` says "
        "how many workers there are to begin with; without it, it is the minimum.",
        "## How eager scaling is",
        table(("option", "variable", "means", "can be", "default"), _tuning()),
        "## Which jobs run on spot workers",
        table(("option", "variable", "means", "default"), _preemptible()),
    )


def _option(name: str) -> tuple[str, str]:
    (found,) = [one for one in dict(walk())["launch-cluster"].params if one.name == name]
    return str(found.opts[0]), str(found.help)


def _counts() -> Iterator[tuple[str, ...]]:
    for name, default in (("min_nodes", "`0`"), ("max_nodes", "none: the cluster is not autoscaled")):
        option, about = _option(name)
        yield code(option), plain(about), default


def _tuning() -> Iterator[tuple[str, ...]]:
    defaults = variables.defaults()
    for name, one in SETTINGS.items():
        yield code(one.flag), code(name), plain(one.help), plain(one.values), code(defaults[name])


def _preemptible() -> Iterator[tuple[str, ...]]:
    option, about = _option("default_preemptible")
    yield code(option), code("default_preemptible"), plain(about), "no"
