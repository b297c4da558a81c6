"""A new launch that lacked a permission: what it made is removed again, as far as that is allowed."""

from __future__ import annotations

from toilctl.system import inventory, progress
from toilctl.values.aws_errors import DENIED
from toilctl.values.errors import CredentialsError, LeftoversError, ToilctlError
from toilctl.verbs.clusters import destroy
from toilctl.verbs.clusters.launch_plan import LaunchPlan
from toilctl.verbs.provisioner import Provisioner


def refused(error: CredentialsError, plan: LaunchPlan, provisioner: Provisioner) -> CredentialsError:
    """Return a launch's error with what became of what it made; of a cluster that was there, nothing is touched."""
    if not _lacks_permission(error) or plan.exists:
        return error
    if any(node.live for node in inventory.instances_of(plan.region, plan.cluster)):
        # They cost, and a launch with the permission goes on with them: their owner decides.
        return error
    progress.note(f"{error.message} What was made is removed.")
    try:
        destroy.destroy(plan.cluster, None, plan.region, provisioner)
    except LeftoversError as left:
        return CredentialsError(
            f"{error.message} {left.message}", error.next_step, **error.facts, left=left.facts["left"]
        )
    except ToilctlError as trouble:
        text = f"What it made could not be removed: {trouble.message}"
        return CredentialsError(f"{error.message} {text}", error.next_step, **error.facts)
    return CredentialsError(f"{error.message} What was made is removed again.", error.next_step, **error.facts)


def _lacks_permission(error: CredentialsError) -> bool:
    """Tell a denied action, or a service-linked role that may not be made, from credentials that do not hold."""
    return error.facts.get("aws_code") in DENIED or "service" in error.facts
