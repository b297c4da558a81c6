"""Spot requests as EC2 shows them: one per spot instance, in the state that the instance implies.

After "State changes for a Spot request" of the EC2 user guide, for one-time requests: fulfilled while the instance
runs, as its notice says from then on, and closed when it ends; a request that was cancelled stays so, and its instance
runs on. moto keeps requests only for RequestSpotInstances; here RunInstances and CreateFleet make them, too. They are
described for as long as their instances are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.base.faults import Noticed
from toilctl.local.aws.base.patches import Patches
from toilctl.local.aws.ec2 import offerings
from toilctl.local.aws.ec2.instance_states import BY_SPOT, ENDING, Life
from toilctl.local.aws.ec2.interruptions import Notice
from toilctl.local.aws.requests.refusals import Refusal

if TYPE_CHECKING:
    from moto.core.responses import ActionResult
    from moto.ec2.models.instances import Instance

    from toilctl.local.aws.ec2.rehearsed import Rehearsed

Data = Mapping[str, Any]

_FULFILLED: Final = "fulfilled"
_BY_USER: Final = "instance-terminated-by-user"
_CANCELLED: Final = "request-canceled-and-instance-running"
_MESSAGES: Final = {
    _FULFILLED: "Your spot request is fulfilled.",
    Noticed.MARKED: "Your Spot Instance is marked for termination.",
    Noticed.NO_CAPACITY: "Your Spot Instance was terminated due to standard capacity management processes.",
    _BY_USER: "Spot Instance terminated due to user-initiated termination.",
    _CANCELLED: "You canceled the Spot request while the Spot Instance was still running.",
}


@dataclass
class SpotRequest:
    """A request that got its instance."""

    id: str
    instance: Instance
    max_price: float
    """USD per hour."""
    cancelled: bool = False


def install(patches: Patches, cloud: Rehearsed) -> None:
    """Answer the actions on requests ourselves, and keep those that moto makes as our own."""
    from moto.ec2.models.spot_requests import SpotRequestBackend
    from moto.ec2.responses.spot_instances import SpotInstances

    def request_spot_instances(backend: Any, *args: Any, **params: Any) -> Any:
        made = original(backend, *args, **params)
        for one in made:
            keep(one.id, one.instance, float(one.price) if one.price else None)
        return made

    original = patches.replace(SpotRequestBackend, "request_spot_instances", request_spot_instances)
    patches.replace(SpotInstances, "describe_spot_instance_requests", lambda response: describe(cloud, response))
    patches.replace(SpotInstances, "cancel_spot_instance_requests", lambda response: cancel(cloud, response))


def keep(request_id: str, instance: Instance, max_price: float | None) -> SpotRequest:
    """Keep the request of a new spot instance; without a maximum price it is the on-demand price."""
    backend: Any = instance.ec2_backend
    price = offerings.on_demand_price(instance.instance_type) if max_price is None else max_price
    instance.spot_instance_request_id = request_id  # type: ignore[attr-defined]
    request = backend.spot_instance_requests[request_id] = SpotRequest(request_id, instance, price)
    return request


def describe(cloud: Rehearsed, response: Any) -> ActionResult:
    """DescribeSpotInstanceRequests, all or by id, with filters."""
    from moto.core.responses import ActionResult

    filters = {one["Name"]: one.get("Values", []) for one in response.params.get("Filters") or []}
    named = _named(response)
    found = [_described(cloud, request) for request in named]
    matching = [one for one in found if all(_matches_one(one, name, wanted) for name, wanted in filters.items())]
    return ActionResult({"SpotInstanceRequests": matching})


def cancel(cloud: Rehearsed, response: Any) -> ActionResult:
    """CancelSpotInstanceRequests: open and active ones; the instances run on."""
    from moto.core.responses import ActionResult

    response.error_on_dryrun()
    named = _named(response) if response.params.get("SpotInstanceRequestIds") else []
    for request in named:
        request.cancelled = request.cancelled or _described(cloud, request)["State"] == "active"
    states = [{"SpotInstanceRequestId": one.id, "State": "cancelled" if one.cancelled else "closed"} for one in named]
    return ActionResult({"CancelledSpotInstanceRequests": states})


def status(instance_state: str, reason: str, notice: Notice | None, *, cancelled: bool) -> tuple[str, str]:
    """Return a request's state and status code; ``reason`` is the code of the instance's StateReason."""
    if notice and notice.status is Noticed.NO_CAPACITY:
        code: str = Noticed.NO_CAPACITY
    elif instance_state in ENDING:
        code = Noticed.NO_CAPACITY if reason == BY_SPOT else _BY_USER
    elif notice:
        code = notice.status
    else:
        code = _CANCELLED if cancelled else _FULFILLED
    state = "active" if code in (_FULFILLED, Noticed.MARKED) else "closed"
    return "cancelled" if cancelled else state, code


def _named(response: Any) -> list[SpotRequest]:
    known: Mapping[str, SpotRequest] = response.ec2_backend.spot_instance_requests
    ids: Sequence[str] = response.params.get("SpotInstanceRequestIds") or list(known)
    for request_id in ids:
        if request_id not in known:
            text = f"The spot instance request ID '{request_id}' does not exist"
            raise Refusal("InvalidSpotInstanceRequestID.NotFound", text)
    return [known[request_id] for request_id in ids]


def _described(cloud: Rehearsed, request: SpotRequest) -> dict[str, Any]:
    instance, notice = request.instance, cloud.interruptions.notice(request.instance.id)
    state, code = status(instance.state, instance.state_reason.code or "", notice, cancelled=request.cancelled)
    changed = _changed_at(cloud.lifetimes.find(instance.id), notice)
    tags = instance.ec2_backend.tags.get(request.id, {})
    return {
        "SpotInstanceRequestId": request.id, "InstanceId": instance.id, "State": state, "Type": "one-time",
        "Status": {"Code": code, "Message": _MESSAGES[code], "UpdateTime": changed},
        "SpotPrice": f"{request.max_price:.6f}", "ProductDescription": "Linux/UNIX",
        "CreateTime": instance.launch_time, "InstanceInterruptionBehavior": "terminate",
        "LaunchedAvailabilityZone": instance.availability_zone, "LaunchSpecification": _launched(instance),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }  # fmt: skip


def _launched(instance: Instance) -> dict[str, Any]:
    return {
        "ImageId": instance.image_id, "InstanceType": instance.instance_type, "KeyName": instance.key_name,
        "SubnetId": instance.subnet_id, "Placement": {"AvailabilityZone": instance.availability_zone},
        "SecurityGroups": [{"GroupId": group.id, "GroupName": group.name} for group in instance.security_groups],
    }  # fmt: skip


def _changed_at(life: Life | None, notice: Notice | None) -> datetime:
    times = [life.changed_at if life else 0.0, notice.given_at if notice else 0.0]
    return datetime.fromtimestamp(max(times), UTC).replace(tzinfo=None)


_FILTERED: Final[Mapping[str, Callable[[Data], Sequence[str]]]] = {
    "instance-id": lambda one: [one["InstanceId"]],
    "launch.group-id": lambda one: [group["GroupId"] for group in one["LaunchSpecification"]["SecurityGroups"]],
    "launch.instance-type": lambda one: [one["LaunchSpecification"]["InstanceType"]],
    "launched-availability-zone": lambda one: [one["LaunchedAvailabilityZone"]],
    "spot-instance-request-id": lambda one: [one["SpotInstanceRequestId"]],
    "state": lambda one: [one["State"]],
    "status-code": lambda one: [one["Status"]["Code"]],
    "tag-key": lambda one: [tag["Key"] for tag in one["Tags"]],
    "type": lambda one: [one["Type"]],
}


def _matches_one(request: Data, name: str, wanted: Sequence[str]) -> bool:
    if name.startswith("tag:"):
        values = [tag["Value"] for tag in request["Tags"] if tag["Key"] == name.removeprefix("tag:")]
    elif name in _FILTERED:
        values = list(_FILTERED[name](request))
    else:
        raise Refusal("InvalidParameterValue", f"The filter '{name}' is invalid")
    return any(fnmatchcase(value, pattern) for value in values for pattern in wanted)
