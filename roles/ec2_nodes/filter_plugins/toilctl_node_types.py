"""Filters that read node types and capacities as toilctl does: by its own code."""

from __future__ import annotations

from dataclasses import asdict, fields

from ansible.errors import AnsibleFilterError

NOT_INSTALLED = (
    "toilctl is not installed in the Python that runs Ansible ({python}). Install it there: pip install toilctl."
)


def node_type(spec):
    """Read ``c4.8xlarge/c5.9xlarge:0.6``; return its parts as a dict."""
    parsed = _parsed(spec)
    return {
        "name": str(parsed),
        "slug": parsed.slug,
        "instance_types": list(parsed.instance_types),
        "spot_bid": parsed.spot_bid,
        "preemptible": parsed.preemptible,
    }


def instance_types(specs):
    """Return all instance types that node types name, each once."""
    return sorted({name for spec in specs for name in _parsed(spec).instance_types})


def allocatable(facts, root_gb):
    """Return what jobs may use of a node, from the facts that ec2_instance_type_facts gives of its instance type."""
    capacity = _module("capacity")
    known = {field.name for field in fields(capacity.InstanceType)}
    instance_type = capacity.InstanceType(**{key: value for key, value in facts.items() if key in known})
    return asdict(capacity.allocatable(instance_type, int(root_gb)))


def storage(sizes, node_types, spec):
    """Return a node type's root volume, GB, of ``50``, or ``50,100`` in the order of ``node_types``, comma-separated.

    A node type that is not among them gets the first size.
    """
    given = [int(size) for size in str(sizes).split(",")]
    names = [str(_parsed(name)) for name in node_types.split(",") if name]
    by_name = dict(zip(names, given, strict=False)) if len(given) > 1 else {}
    return by_name.get(str(_parsed(spec)), given[0])


def launchable(limits):
    """Return the node types of which ``c4.8xlarge:0.6=0..20,…`` allows any."""
    try:
        found = _module("autoscaler.policy").Limits.parse(limits)
    except _module("errors").UsageError as error:
        raise AnsibleFilterError(str(error)) from error
    return [str(one.node_type) for one in found if one.max_nodes]


def instance_store(offers):
    """Return the mappings that make instance-store disks appear, for the facts of a node type's instance types.

    NVMe disks appear by themselves. A type with fewer disks than another of its node type ignores what is too much.
    """
    disks = max((offer["instance_store_disks"] for offer in offers if offer["instance_store_mapped"]), default=0)
    letters = "bcdefghijklmnopqrstuvwxy"
    return [
        {"DeviceName": f"/dev/sd{letter}", "VirtualName": f"ephemeral{index}"}
        for index, letter in enumerate(letters[:disks])
    ]


def _parsed(spec):
    try:
        return _module("node_types").NodeType.parse(str(spec))
    except _module("errors").UsageError as error:
        raise AnsibleFilterError(str(error)) from error


def _module(name):
    import importlib
    import sys

    try:
        return importlib.import_module(f"toilctl.{name}")
    except ModuleNotFoundError as error:
        raise AnsibleFilterError(NOT_INSTALLED.format(python=sys.executable)) from error


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """Return the filters by name."""
        return {
            "toilctl_node_type": node_type,
            "toilctl_instance_types": instance_types,
            "toilctl_instance_store": instance_store,
            "toilctl_allocatable": allocatable,
            "toilctl_launchable": launchable,
            "toilctl_storage": storage,
        }
