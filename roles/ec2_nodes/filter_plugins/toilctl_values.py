"""Filters that read node types, settings and capacities as toilctl does: by its own code. Other roles link to them."""

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
    return asdict(_module("values.capacity").allocatable(_instance_type(facts), int(root_gb)))


def on_instance_store(facts, root_gb):
    """Tell whether a node's jobs use its instance store, as ``allocatable`` reckons."""
    return _module("values.capacity").on_instance_store(_instance_type(facts), int(root_gb))


def storage(settings, spec):
    """Return a node type's root volume, GB, by the tags of its cluster; a type that they do not name gets the first."""
    return _read(lambda: _module("values.worker_tags").NodeStorage.of(settings).gb(_parsed(spec)))


def node_storage(settings):
    """Return the root volumes of a cluster's workers, by its tags, in the one form; empty where nothing is known."""
    return _read(lambda: str(_module("values.worker_tags").NodeStorage.of(settings)))


def storage_tag(sizes, node_types):
    """Return the tag of ``50``, or of ``50,100`` in the order of ``node_types``."""
    given = str(sizes).split(",")
    if len(given) > 1:
        _same_length("node_storage_gb", given, node_types)
    kinds = [_parsed(one) for one in node_types]
    return _read(lambda: str(_module("values.worker_tags").NodeStorage.parse(str(sizes), kinds)))


def workers_tag(counts, node_types):
    """Return the tag of numbers of workers, in the order of ``node_types``; no numbers are none."""
    counts = counts or [0] * len(node_types)
    _same_length("worker_counts", counts, node_types)
    numbers = {_parsed(one): int(count) for one, count in zip(node_types, counts, strict=True)}
    return _module("values.worker_tags").keyed(numbers)


def worker_types(settings):
    """Return the node types of a cluster's workers, by its tags."""
    return _read(lambda: [str(one) for one in _module("values.worker_tags").node_types(settings)])


def setting_names(tag):
    """Return the names of the variables whose values a tag has; it is toilctl:autoscaler."""
    if tag != _module("values.tags").AUTOSCALER:
        raise AnsibleFilterError(f"The tag {tag} has no settings.")
    return list(_module("values.tuning").SETTINGS)


def tuning(text, values):
    """Return all settings of the autoscaler as one text: as in ``text``, else as in ``values``, by their names."""
    return _read(lambda: str(_module("values.tuning").Tuning.parse(text, otherwise=values)))


def orphan_timeout(seconds):
    """Return the variable orphan_timeout_s as a number of seconds; 0 is never."""
    return _read(lambda: int(_module("values.tuning").ORPHAN_TIMEOUT.read(seconds)), "orphan_timeout_s: ")


def launchable(limits):
    """Return the node types of which ``c4.8xlarge:0.6=0..20,…`` allows any."""
    found = _read(lambda: _module("values.scaling_policy").Limits.parse(limits))
    return [str(one.node_type) for one in found if one.max_nodes]


def partition(region):
    """Return what ARNs of a region begin with after ``arn:``."""
    return _read(lambda: _module("system.aws").partition(region))


def dns_suffix(region):
    """Return what names of services end with in a region."""
    return _read(lambda: _module("system.aws").dns_suffix(region))


def s3_tag(places):
    """Return places in S3 as a tag has them."""
    kind = _module("values.s3_places")
    return _read(lambda: kind.written(kind.S3Place.parse(str(one)) for one in places), "s3_write: ")


def s3_objects(text, partition):
    """Return the ARNs of what is in the places that a tag has."""
    return _read(lambda: [one.objects(partition) for one in _module("values.s3_places").read(text)])


def disk_keys(keys, region):
    """Return the statements by which EC2 may use keys for disks in the name of whoever launches."""
    return _module("values.policies").disk_keys(list(keys), region) if keys else []


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


def _instance_type(facts):
    kind = _module("values.capacity").InstanceType
    known = {field.name for field in fields(kind)}
    return kind(**{key: value for key, value in facts.items() if key in known})


def _parsed(spec):
    return _read(lambda: _module("values.node_types").NodeType.parse(str(spec)))


def _same_length(name, given, node_types):
    if len(given) != len(node_types):
        raise AnsibleFilterError(f"{name} has {len(given)} and node_types {len(node_types)}. Give one per node type.")


def _read(parse, what=""):
    """Call a parser; what it refuses is the filter's failure, with ``what`` before it."""
    refusal = _module("values.errors").UsageError
    try:
        return parse()
    except refusal as error:
        raise AnsibleFilterError(f"{what}{error}") from error


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
            "toilctl_disk_keys": disk_keys,
            "toilctl_dns_suffix": dns_suffix,
            "toilctl_node_storage": node_storage,
            "toilctl_on_instance_store": on_instance_store,
            "toilctl_orphan_timeout": orphan_timeout,
            "toilctl_partition": partition,
            "toilctl_s3_objects": s3_objects,
            "toilctl_s3_tag": s3_tag,
            "toilctl_setting_names": setting_names,
            "toilctl_storage": storage,
            "toilctl_storage_tag": storage_tag,
            "toilctl_tuning": tuning,
            "toilctl_worker_types": worker_types,
            "toilctl_workers_tag": workers_tag,
        }
