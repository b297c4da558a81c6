"""The EC2 actions that moto gets wrong or lacks, in the place of its own.

Each takes the cloud and moto's response object, which has the parsed parameters, and returns moto's result object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.base import account
from toilctl.local.aws.base.patches import Patches
from toilctl.local.aws.ec2 import disk_keys, instant_fleet, launching, offerings
from toilctl.local.aws.ec2.launch_checks import Account, max_price, resolve
from toilctl.local.aws.ec2.launching import Launch
from toilctl.local.aws.moto_routes import CALL_KEY
from toilctl.local.aws.requests.call import Call
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.values import aws_errors
from toilctl.values.wording import ON_DEMAND

if TYPE_CHECKING:
    from moto.core.responses import ActionResult

    from toilctl.local.aws.ec2.rehearsed import Rehearsed

_LINUX: Final = frozenset({"Linux/UNIX", "Linux/UNIX (Amazon VPC)"})


def install(patches: Patches, cloud: Rehearsed) -> None:
    """Answer these actions ourselves."""
    from moto.ec2.responses.elastic_block_store import ElasticBlockStore
    from moto.ec2.responses.fleets import Fleets
    from moto.ec2.responses.general import General
    from moto.ec2.responses.instances import InstanceResponse
    from moto.ec2.responses.spot_instances import SpotInstances

    patches.replace(InstanceResponse, "run_instances", lambda response: run_instances(cloud, response))
    patches.replace(Fleets, "create_fleet", lambda response: create_fleet(cloud, response))
    patches.replace(SpotInstances, "describe_spot_price_history", lambda response: spot_prices(cloud, response))
    patches.replace(General, "get_console_output", lambda response: console_output(cloud, response))
    patches.add(ElasticBlockStore, "get_ebs_default_kms_key_id", default_disk_key)


def run_instances(cloud: Rehearsed, response: Any) -> ActionResult:
    """RunInstances: MinCount at least and MaxCount at most, or nothing."""
    from moto.core.responses import ActionResult

    backend, params = response.ec2_backend, response.params
    least, most = int(params.get("MinCount") or 1), int(params.get("MaxCount") or 1)
    if not 1 <= least <= most:
        raise Refusal("InvalidParameterValue", f"Value ({most}) for parameter maxCount is invalid.")
    launch = _resolved(cloud, backend, params)
    _authorise(cloud, response, launch)
    response.error_on_dryrun()
    if launch.market == "spot":
        _need_role(cloud, "spot.amazonaws.com")
    place = launch.instance_type, launch.zone, launch.market
    granted, refusal = cloud.stock.grant(*place, most, max_price=launch.max_price)
    if granted < least:
        raise refusal or Refusal(aws_errors.NO_CAPACITY, "Insufficient capacity.", 500)
    reservation = launching.start(launch, granted)
    cloud.stock.take(*place, granted)
    disk_keys.end_refused(backend, cloud.lifetimes, reservation.instances)
    return ActionResult(reservation)


def create_fleet(cloud: Rehearsed, response: Any) -> ActionResult:
    """CreateFleet of type instant, which needs no service-linked role but spot's."""
    from moto.core.responses import ActionResult
    from moto.ec2.utils import random_fleet_id

    backend, params = response.ec2_backend, response.params

    def may_launch(launch: Launch) -> None:
        _authorise(cloud, response, launch)
        if launch.market == "spot":
            _need_role(cloud, "spot.amazonaws.com")

    response.error_on_dryrun()
    fleet_id = random_fleet_id()
    fleet = instant_fleet.Fleet(_account(cloud, backend), params, cloud.stock, cloud.faults, may_launch)
    answer = fleet.launch(fleet_id)
    started = [backend.get_instance(i) for group in answer["Instances"] for i in group["InstanceIds"]]
    disk_keys.end_refused(backend, cloud.lifetimes, started)
    tags = [one["Tags"] for one in params.get("TagSpecifications") or [] if one.get("ResourceType") == "fleet"]
    backend.create_tags([fleet_id], {tag["Key"]: tag["Value"] for group in tags for tag in group})
    target = params["TargetCapacitySpecification"]
    own = [tag for group in tags for tag in group]
    backend.fleets[fleet_id] = instant_fleet.InstantFleet(backend, fleet_id, "instant", target, started, tags=own)
    return ActionResult(answer)


def spot_prices(cloud: Rehearsed, response: Any) -> ActionResult:
    """DescribeSpotPriceHistory: the price now, by instance type and zone."""
    from moto.core.responses import ActionResult

    params, region = response.params, response.region
    filters = {one["Name"]: one.get("Values", []) for one in params.get("Filters") or []}
    names = params.get("InstanceTypes") or filters.get("instance-type") or offerings.offered(region)
    products = params.get("ProductDescriptions") or filters.get("product-description")
    if products and not _LINUX.intersection(products):
        names = []
    zone = params.get("AvailabilityZone")
    wanted = [zone] if zone else filters.get("availability-zone")
    history = [
        {
            "InstanceType": name, "AvailabilityZone": place, "ProductDescription": "Linux/UNIX",
            "SpotPrice": f"{offerings.spot_price(cloud.faults, name, place):.6f}", "Timestamp": cloud.clock.utcnow(),
        }
        for name in names
        for place in offerings.zones(region, name)
        if not wanted or place in wanted
    ]  # fmt: skip
    return ActionResult({"SpotPriceHistory": history, "NextToken": ""})


def console_output(cloud: Rehearsed, response: Any) -> ActionResult:
    """GetConsoleOutput: what the host wrote, or nothing without hosts."""
    import base64

    from moto.core.responses import ActionResult
    from moto.core.types import Base64EncodedString

    instance = response.ec2_backend.get_instance(response.params["InstanceId"])
    encoded = Base64EncodedString.from_encoded_bytes(base64.b64encode(cloud.console(instance.id).encode()))
    return ActionResult({"InstanceId": instance.id, "Timestamp": cloud.clock.utcnow(), "Output": encoded})


def default_disk_key(response: Any) -> ActionResult:
    """GetEbsDefaultKmsKeyId: the account's own key that ModifyEbsDefaultKmsKeyId chose, else the alias of AWS's."""
    from moto.core.responses import ActionResult

    return ActionResult({"KmsKeyId": disk_keys.default(response.ec2_backend)})


def _resolved(cloud: Rehearsed, backend: Any, params: Mapping[str, Any]) -> Launch:
    template_data: Mapping[str, Any] = {}
    template_id, managed = "", {}
    if specification := params.get("LaunchTemplate"):
        template = instant_fleet.find_template(backend, specification)
        version = template.get_version(specification.get("Version") or "$Default")
        template_data, template_id = version.data, template.id
        managed = {"aws:ec2launchtemplate:id": template_id, "aws:ec2launchtemplate:version": str(version.number)}
    if params.get("NetworkInterfaces") and params.get("SubnetId"):
        text = "Network interfaces and an instance-level subnet ID may not be specified on the same request"
        raise Refusal("InvalidParameterCombination", text)
    data = launching.merged(template_data, params)
    options = data.get("InstanceMarketOptions") or {}
    market = options.get("MarketType") or ON_DEMAND
    price = (options.get("SpotOptions") or {}).get("MaxPrice")
    launch = resolve(_account(cloud, backend), data, market)
    return replace(launch, template_id=template_id, managed_tags=managed, max_price=max_price(price))


def _account(cloud: Rehearsed, backend: Any) -> Account:
    return Account(backend, cloud.iam, cloud.clock.utcnow(), cloud.faults.seconds("profile-delay"))


def _authorise(cloud: Rehearsed, response: Any, launch: Launch) -> None:
    call: Call = response.normalized_request.environ[CALL_KEY]
    existing = cloud.resources(call.region)
    cloud.authorise(call, launching.permissions(launch, call.region, cloud.account_id, call.source, existing))


def _need_role(cloud: Rehearsed, service: str) -> None:
    """Refuse when the account lacks a service-linked role; EC2 would try to make it with the caller's permissions."""
    if not account.service_linked_role(cloud.iam, service):
        raise Refusal(
            "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
            "The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances.",
            403,
        )
