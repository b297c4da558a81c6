#!/usr/bin/python
"""Ansible module: delete what instances of a cluster leave behind."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_cluster_leftovers
short_description: Delete what instances of a cluster leave behind
description: Launch templates, volumes, interfaces and spot requests with the cluster's tag, of all its generations.
options:
  region: {type: str, required: true, description: The AWS region.}
  cluster: {type: str, required: true, description: The cluster's name.}
"""

RETURN = r"""
deleted: {type: list, returned: always, description: The ids of what was deleted.}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.toilctl_aws import IDS_PER_CALL, chunks, connect, is_not_found, run


def delete_all(ec2, cluster):
    """Delete each kind; what another run deletes meanwhile is as good."""
    deleted = cancelled(ec2, spot_requests(ec2, cluster))
    for found, delete in (
        (templates, lambda i: ec2.delete_launch_template(LaunchTemplateId=i)),
        (volumes, lambda i: ec2.delete_volume(VolumeId=i)),
        (interfaces, lambda i: ec2.delete_network_interface(NetworkInterfaceId=i)),
    ):
        deleted += [resource_id for resource_id in found(ec2, cluster) if gone(delete, resource_id)]
    return {"changed": bool(deleted), "deleted": deleted}


def cancelled(ec2, request_ids):
    """Cancel spot requests, as many at once as EC2 takes: each worker has had one. Return those that there were."""

    def cancel(ids):
        ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=ids)

    found = []
    for some in chunks(request_ids, IDS_PER_CALL):
        # Where EC2 has forgotten one of them meanwhile, it cancels none.
        found += some if gone(cancel, some) else [one for one in some if gone(cancel, [one])]
    return found


def gone(delete, what):
    """Delete one, or those of one call; return whether this call did."""
    from botocore.exceptions import ClientError

    try:
        delete(what)
    except ClientError as error:
        if not is_not_found(error):
            raise
        return False
    return True


def tagged(cluster, **more):
    """Return the filters for what carries the cluster's tag."""
    own = [{"Name": "tag:toilctl:cluster", "Values": [cluster]}]
    return own + [{"Name": name, "Values": values} for name, values in more.items()]


def pages(ec2, call, key, wanted):
    """Return everything that a paginated call lists."""
    return [item for page in ec2.get_paginator(call).paginate(Filters=wanted) for item in page[key]]


def spot_requests(ec2, cluster):
    """Return the requests that could still launch something."""
    found = pages(
        ec2, "describe_spot_instance_requests", "SpotInstanceRequests", tagged(cluster, state=["open", "active"])
    )
    return [request["SpotInstanceRequestId"] for request in found]


def templates(ec2, cluster):
    """Return the launch templates."""
    found = pages(ec2, "describe_launch_templates", "LaunchTemplates", tagged(cluster))
    return [template["LaunchTemplateId"] for template in found]


def volumes(ec2, cluster):
    """Return the volumes that nothing uses; those of ending instances go with them."""
    found = pages(ec2, "describe_volumes", "Volumes", tagged(cluster, status=["available"]))
    return [volume["VolumeId"] for volume in found]


def interfaces(ec2, cluster):
    """Return the interfaces that nothing uses."""
    found = pages(ec2, "describe_network_interfaces", "NetworkInterfaces", tagged(cluster, status=["available"]))
    return [interface["NetworkInterfaceId"] for interface in found]


def main():
    """Run the module."""
    module = AnsibleModule({"region": {"type": "str", "required": True}, "cluster": {"type": "str", "required": True}})
    run(module, lambda: delete_all(connect("ec2", module.params["region"]), module.params["cluster"]))


if __name__ == "__main__":
    main()
