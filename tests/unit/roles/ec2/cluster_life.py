"""A cluster's life as one user of AWS: what a launch, a change and a destruction ask of it, without the playbooks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from docs.generate import permissions
from toilctl.local.process.testing import TestCloud
from toilctl.system import aws
from toilctl.values import tags
from toilctl.values.cluster import ClusterName, Zone
from toilctl.values.node_types import NodeType
from toilctl.verbs.checks import instance_types, key_pairs, references, zones_and_images
from toilctl.verbs.checks import permissions as checks
from toilctl.verbs.checks.zones_and_images import Place
from toilctl.verbs.clusters import destroy

Module = Callable[[str], ModuleType]
REGION, CLUSTER = "us-west-2", "my"
ZONES = ("us-west-2a", "us-west-2b")
SPOT = NodeType.parse("r3.large/m5.large:0.6")
LEADER = NodeType.parse("t2.micro")
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
TAGS = {"Owner": "me", "toilctl:zones": ",".join(ZONES), "toilctl:key-pair-name": "k"}
CIDR, ELSEWHERE = "198.51.100.7/32", "203.0.113.9/32"
PARAMETER = "/aws/service/debian/release/12/latest/amd64"


class Life:
    """Its stages, each with the calls that commands and roles make, in their order."""

    def __init__(self, cloud: TestCloud, module: Module, keys: dict[str, str], profile_arn: str = "") -> None:
        """Live with roles of its own, or with a profile that others made."""
        self.cloud, self.module, self.keys, self.profile_arn = cloud, module, keys, profile_arn
        self.tags = {**TAGS, **({tags.PROFILE_ARN: profile_arn} if profile_arn else {})}
        self.group: dict[str, Any] = {}
        self.warnings: list[str] = []

    def whole(self) -> None:
        """Live it."""
        self.plan()
        self.make_network()
        self.settle()
        self.launch(LEADER, "leader", 1)
        self.launch(SPOT, "worker", 2)
        self.change()
        self.destroy()

    def client(self, service: str) -> Any:
        return self.cloud.client(service, **self.keys)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Let what asks AWS by the environment be this user."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.cloud.env.items():
                patch.setenv(name, value)
            for name, value in self.keys.items():
                patch.setenv(name.upper(), value)
            # What is looked at of a subnet is more where nodes are reached by public addresses.
            patch.delenv("TOILCTL_CONNECT_ADDRESS", raising=False)
            yield

    def plan(self) -> None:
        with self.acting():
            checks.check_identity(REGION)
            aws.enabled_regions(REGION)
            group_tags = {**self.tags, tags.CLUSTER: CLUSTER}
            checks.check_permissions(REGION, CLUSTER, self.vpc_id(), group_tags, makes_roles=not self.profile_arn)
            if self.profile_arn:
                references.check_profile(REGION, self.profile_arn)
            zones_and_images.check_zones(REGION, [Zone.parse(zone) for zone in ZONES], None)
            zones_and_images.check_zones(REGION, [], self.quiet_subnet())
            key_pairs.key_pair(REGION, "k")
            image = zones_and_images.image(REGION, None)
            described = instance_types.check(REGION, ZONES, [LEADER, SPOT], image)
            instance_types.check_quota(REGION, [(LEADER, 1), (SPOT, 2)], described)
            (system,) = self.cloud.client("efs").describe_file_systems()["FileSystems"]
            references.check_file_system(REGION, Place((), self.vpc_id()), system["FileSystemId"])

    def vpc_id(self) -> str:
        """Return the network that there is."""
        return str(self.cloud.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"])

    def quiet_subnet(self) -> str:
        """Return a subnet that gives no public addresses by itself, and has a way to the internet."""
        ec2 = self.cloud.client("ec2")
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc_id())
        table = ec2.describe_route_tables()["RouteTables"][0]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        subnet = str(ec2.describe_subnets()["Subnets"][0]["SubnetId"])
        ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})
        return subnet

    def make_network(self) -> None:
        ec2, iam = self.client("ec2"), self.client("iam")
        self.group = self.module("ec2_cluster_group").present(ec2, self.group_options(tags=self.tags))
        if not self.profile_arn:
            place = {"region": REGION, "partition": "aws"}
            self.module("ec2_disk_key").own_keys(ec2, place, self.warnings.append)
            self.module("iam_node_profiles").present(iam, self.profile_options())
        self.module("iam_service_linked_roles").ensure_all(iam, ["spot.amazonaws.com"], self.warnings.append)

    def group_options(self, **options: Any) -> dict[str, Any]:
        usual = {
            "cluster": CLUSTER, "region": REGION, "subnet_id": "", "tags": {}, "fixed_tags": [], "ssh_cidrs": [CIDR],
            "timeout_s": 60,
        }  # fmt: skip
        return usual | options

    def profile_options(self, generation: str = "") -> dict[str, Any]:
        prefix = f"toilctl-{CLUSTER}-{REGION}"
        given = {"region": REGION, "cluster_name": CLUSTER, "ec2_network_profile_prefix": prefix}
        given |= {"ec2_network_group": self.group, "ec2_network_s3_written": [], "ec2_network_disk_statements": []}
        policy = {role: permissions.policy(f"{role}_policy.json.j2", **given) for role in ("leader", "worker")}
        return {
            "cluster": CLUSTER,
            "must_see": not self.profile_arn,
            "trust": TRUST,
            "tags": {"Owner": "me", "toilctl:generation": generation or self.group.get("generation", "")},
            "profiles": [
                {"name": f"{prefix}-{role}", "role": role, "policy": json.dumps(one)} for role, one in policy.items()
            ],
        }

    def launch(self, node_type: NodeType, role: str, count: int, who: Any = None, **template: Any) -> dict[str, Any]:
        ec2, ssm = who or (self.client("ec2"), self.client("ssm"))
        asked = {"cluster": CLUSTER, "region": REGION, "ami_ssm_parameter": PARAMETER, "with_image": True}
        facts = self.module("ec2_launch_facts").gather(ec2, ssm, asked)
        self.module("ec2_instance_type_facts").describe(ec2, list(node_type.instance_types))
        own = {
            **TAGS, "toilctl:cluster": CLUSTER, "toilctl:generation": facts["group"]["generation"],
            "toilctl:role": role, "toilctl:node-type": str(node_type),
        }  # fmt: skip
        kinds = ["network-interface", *(["spot-instances-request"] if node_type.preemptible else [])]
        listed = [{"Key": key, "Value": value} for key, value in sorted(own.items())]
        data = {
            "ImageId": facts["image"]["id"],
            "KeyName": "k",
            "IamInstanceProfile": (
                {"Arn": self.profile_arn} if self.profile_arn else {"Name": f"toilctl-{CLUSTER}-{REGION}-{role}"}
            ),
            "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [facts["group"]["id"]]}],
            "TagSpecifications": [{"ResourceType": kind, "Tags": listed} for kind in kinds],
            **template,
        }
        name = f"toilctl-{CLUSTER}-{role}-{node_type.slug}"
        made = self.module("ec2_node_template").ensure(ec2, name, data, own)
        fleet: dict[str, Any] = self.module("ec2_fleet").ensure(
            ec2,
            {
                "cluster": CLUSTER, "region": REGION, "generation": facts["group"]["generation"],
                "security_group_id": facts["group"]["id"], "role": role, "node_type": str(node_type),
                "slug": node_type.slug, "instance_types": list(node_type.instance_types),
                "spot_bid": node_type.spot_bid, "subnet_ids": [subnet["id"] for subnet in facts["subnets"]],
                "zones": {subnet["id"]: subnet["zone"] for subnet in facts["subnets"]}, "without": [],
                "launch_template": made, "count": count, "count_by": "node-type", "intent": "launch", "tags": own,
                "settle_timeout_s": 60,
            },
        )  # fmt: skip
        waiting = {"cluster": CLUSTER, "region": REGION, "instance_ids": fleet["instance_ids"], "intent": ""}
        self.module("ec2_nodes_running").wait(ec2, {**waiting, "timeout_s": 60})
        return fleet

    def settle(self) -> None:
        """Launch again, with other settings, before there are nodes."""
        root, groups = self.cloud.client("ec2"), self.module("ec2_cluster_group")
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": CIDR}]}
        root.authorize_security_group_ingress(GroupId=self.group["group_id"], IpPermissions=[rule])
        root.create_tags(Resources=[self.group["group_id"]], Tags=[{"Key": "toilctl:shared", "Value": "nfs"}])
        changed = {"tags": {**self.tags, "toilctl:workers": "3"}, "fixed_tags": ["toilctl:shared"]}
        groups.present(self.client("ec2"), self.group_options(**changed))
        if not self.profile_arn:
            self.module("iam_node_profiles").present(self.client("iam"), self.profile_options("fedcba98"))

    def change(self) -> None:
        """Scale, let another address in, and end a node."""
        ec2 = self.client("ec2")
        self.module("ec2_cluster_group").opened(ec2, self.group_options(ssh_cidrs=[ELSEWHERE]))
        self.launch(SPOT, "worker", 3, InstanceInitiatedShutdownBehavior="terminate")
        (one, *_) = running(self.cloud.client("ec2"))
        ending = {"cluster": CLUSTER, "region": REGION, "instance_ids": [one["InstanceId"]], "wait": True}
        self.module("ec2_terminate").terminate(ec2, {**ending, "timeout_s": 60})

    def destroy(self) -> None:
        ec2, iam = self.client("ec2"), self.client("iam")
        self.leave_something()
        groups = self.module("ec2_cluster_group")
        groups.destroying(ec2, self.group_options())
        ending = {"cluster": CLUSTER, "region": REGION, "instance_ids": None, "wait": True, "timeout_s": 60}
        self.module("ec2_terminate").terminate(ec2, ending)
        self.module("ec2_cluster_leftovers").delete_all(ec2, CLUSTER)
        self.module("iam_node_profiles").absent(iam, self.profile_options())
        groups.absent(ec2, self.group_options())
        with self.acting():
            assert destroy.leftovers(REGION, ClusterName(CLUSTER), must_see=not self.profile_arn) == ()

    def leave_something(self) -> None:
        """Make what a destruction finds besides nodes: a disk, an interface, an open request, somebody's policy."""
        ec2, iam = self.cloud.client("ec2"), self.cloud.client("iam")
        tags = [{"Key": "toilctl:cluster", "Value": CLUSTER}]
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        for kind, make, more in (
            ("volume", ec2.create_volume, {"AvailabilityZone": ZONES[0], "Size": 1}),
            ("network-interface", ec2.create_network_interface, {"SubnetId": subnet}),
        ):
            make(TagSpecifications=[{"ResourceType": kind, "Tags": tags}], **more)
        if self.profile_arn:
            return
        document = json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
        )
        made = iam.create_policy(PolicyName="somebodys", PolicyDocument=document)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=f"toilctl-{CLUSTER}-{REGION}-worker", PolicyArn=made)


def running(ec2: Any) -> list[dict[str, Any]]:
    """Return the cluster's workers that run."""
    tags = {"tag:toilctl:cluster": [CLUSTER], "tag:toilctl:role": ["worker"], "instance-state-name": ["running"]}
    found = ec2.describe_instances(Filters=[{"Name": name, "Values": values} for name, values in tags.items()])
    return [one for reservation in found["Reservations"] for one in reservation["Instances"]]
