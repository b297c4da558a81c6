"""What the tags of a cluster mean, in one form whichever release wrote them: so settings are compared."""

from __future__ import annotations

from collections.abc import Mapping

from toilctl.system import variables
from toilctl.values import tags, worker_tags
from toilctl.values.node_types import NodeTypes
from toilctl.values.scaling_policy import Limits
from toilctl.values.tuning import Tuning


def of(settings: Mapping[str, str]) -> dict[str, str]:
    """Return tags with their values in one form, and beside the workers their node types.

    :raises UsageError: for values that cannot be.
    """
    counts = worker_tags.counts(settings)
    own = settings.get(tags.AUTOSCALER, "")
    return {
        **settings,
        tags.NODE_TYPES: str(NodeTypes(counts)),
        tags.WORKERS: worker_tags.keyed(counts),
        tags.NODE_STORAGE: str(worker_tags.NodeStorage.of(settings)),
        tags.LIMITS: str(Limits.parse(settings.get(tags.LIMITS, ""))),
        tags.AUTOSCALER: str(Tuning.parse(own, otherwise=variables.defaults())) if own else "",
        tags.LOGIN_USER: settings.get(tags.LOGIN_USER) or str(variables.defaults()["login_user"]),
        tags.DEFAULT_PREEMPTIBLE: settings.get(tags.DEFAULT_PREEMPTIBLE) or yes_or_no(False),
    }


def yes_or_no(value: bool) -> str:
    """Return a tag's word for a flag."""
    return "yes" if value else "no"
