"""CreateFleet of type instant as EC2 does it: pools in the order of the strategy, instances and errors together.

After "CreateFleet" in the EC2 API reference and "Use an EC2 Fleet of type instant" in the user guide. An instant fleet
is a synchronous one-time request: what could not be had is told in ``Errors``, next to ``Instances``, with status 200.
What depends on a pool (capacity, an instance profile not seen yet, permission to run instances, tags for spot requests
on an on-demand fleet) is an entry in ``Errors``; what is wrong with the fleet as a whole (two overrides of the same
instance type and zone, an unknown template) refuses the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.base.faults import Faults
from toilctl.local.aws.ec2 import launching, offerings
from toilctl.local.aws.ec2.launch_checks import Account, max_price, resolve
from toilctl.local.aws.ec2.launching import Launch
from toilctl.local.aws.ec2.offerings import Stock
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.values import aws_errors
from toilctl.values.wording import ON_DEMAND

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.instances import Instance
    from moto.ec2.models.launch_templates import LaunchTemplate

_LAST: Final = float("inf")
_BY_PRIORITY: Final = ("prioritized", "capacity-optimized-prioritized")
_BY_PRICE: Final = ("lowest-price", "lowestPrice", "price-capacity-optimized")
_NOT_LAUNCH_DATA: Final = ("Priority", "MaxPrice", "WeightedCapacity")

Data = Mapping[str, Any]
Check = Callable[[Launch], None]
"""Raises a Refusal when the caller may not launch that."""


@dataclass(frozen=True)
class Pool:
    """One override of one template: what EC2 calls a pool of capacity."""

    template: LaunchTemplate
    version: str
    override: Data
    data: Data
    market: str

    @property
    def place(self) -> Data:
        """How the answer names the pool."""
        specification = {"LaunchTemplateId": self.template.id, "Version": self.version}
        return {"LaunchTemplateSpecification": specification, "Overrides": dict(self.override)}


@dataclass
class FleetOutcome:
    """What became of a pool."""

    pool: Pool
    launch: Launch | None = None
    granted: int = 0
    refusal: Refusal | None = None


class Fleet:
    """One request, from its parameters to its answer."""

    def __init__(self, account: Account, params: Data, stock: Stock, faults: Faults, may_launch: Check) -> None:
        """Read a request.

        :raises Refusal: for one that is wrong as a whole.
        """
        self._account = account
        self._params = params
        self._stock = stock
        self._faults = faults
        self._may_launch = may_launch
        target = params.get("TargetCapacitySpecification") or {}
        self.count = int(target.get("TotalTargetCapacity", 0))
        self.market = target.get("DefaultTargetCapacityType") or ON_DEMAND
        self.options: Data = params.get("SpotOptions" if self.market == "spot" else "OnDemandOptions") or {}
        self.pools = _pools(account.backend, params, self.market)
        self._check(target)

    def launch(self, fleet_id: str) -> dict[str, Any]:
        """Launch what can be had, the first pool as far as it goes, then the next; return the answer."""
        instances: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        enough, left = self._enough(), self.count
        for pool in self._ordered():
            if not left:
                break
            outcome = self._ask(pool, left)
            if outcome.refusal:
                errors.append(_error(outcome, outcome.refusal))
            if outcome.granted and enough:
                instances.append(self._start(outcome, fleet_id))
                left -= outcome.granted
        return {"FleetId": fleet_id, "Errors": errors, "Instances": instances}

    def _ask(self, pool: Pool, count: int) -> FleetOutcome:
        try:
            launch = resolve(self._account, pool.data, pool.market)
            launch = replace(launch, template_id=pool.template.id, max_price=self._max_price(pool))
            self._may_launch(launch)
        except Refusal as refusal:
            return FleetOutcome(pool, refusal=refusal)
        granted, short = self._stock.grant(
            launch.instance_type, launch.zone, launch.market, count, max_price=launch.max_price
        )
        return FleetOutcome(pool, launch, granted, short)

    def _enough(self) -> bool:
        """Whether the pools together give the least that the request is content with."""
        least = int(self.options.get("MinTargetCapacity") or 0)
        return not least or sum(self._ask(pool, self.count).granted for pool in self.pools) >= least

    def _start(self, outcome: FleetOutcome, fleet_id: str) -> dict[str, Any]:
        pool, launch = outcome.pool, outcome.launch
        assert launch is not None  # noqa: S101 - nothing is granted without
        managed = {
            "aws:ec2:fleet-id": fleet_id,
            "aws:ec2launchtemplate:id": pool.template.id,
            "aws:ec2launchtemplate:version": pool.version,
        }
        started = launching.start(replace(launch, managed_tags=managed), outcome.granted).instances
        self._stock.take(launch.instance_type, launch.zone, launch.market, len(started))
        return {
            "LaunchTemplateAndOverrides": pool.place,
            "Lifecycle": pool.market,
            "InstanceIds": [instance.id for instance in started],
            "InstanceType": launch.instance_type,
        }

    def _ordered(self) -> Sequence[Pool]:
        strategy = self.options.get("AllocationStrategy") or "lowest-price"
        if strategy in _BY_PRIORITY:
            return sorted(self.pools, key=lambda pool: float(pool.override.get("Priority", _LAST)))
        return sorted(self.pools, key=self._price) if strategy in _BY_PRICE else self.pools

    def _price(self, pool: Pool) -> float:
        name = pool.data.get("InstanceType", "")
        zone = _zone(self._account.backend, pool.data)
        spot = self.market == "spot"
        return offerings.spot_price(self._faults, name, zone) if spot else offerings.on_demand_price(name)

    def _max_price(self, pool: Pool) -> float | None:
        market_options = (pool.data.get("InstanceMarketOptions") or {}).get("SpotOptions") or {}
        price = pool.override.get("MaxPrice") or market_options.get("MaxPrice")
        return max_price(price) if self.market == "spot" else None

    def _check(self, target: Data) -> None:
        if self._params.get("Type") != "instant":
            raise Refusal("InvalidParameterValue", "The rehearsal cloud has fleets of type instant only.")
        if self.count < 1:
            raise Refusal("InvalidParameterValue", "TotalTargetCapacity must be at least 1.")
        split = int(target.get("SpotTargetCapacity") or 0), int(target.get("OnDemandTargetCapacity") or 0)
        if any(split) and self.count not in split:
            raise Refusal("InvalidParameterValue", "The rehearsal cloud has fleets of one market only.")
        seen = set()
        for pool in self.pools:
            name = pool.data.get("InstanceType", "")
            if offerings.instance_type(name) is None:
                raise Refusal("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
            place = name, _zone(self._account.backend, pool.data)
            if place in seen:
                raise Refusal("InvalidFleetConfig", "The fleet configuration contains duplicate instance pools.")
            seen.add(place)


@dataclass
class InstantFleet:
    """A fleet as DescribeFleets shows it."""

    backend: EC2Backend
    id: str
    type: str
    target_capacity_specification: Data
    instances: list[Instance]
    state: str = "active"
    replace_unhealthy_instances: bool = False
    target_capacity: int = 0
    tags: Sequence[Data] = ()

    def terminate_instances(self) -> None:
        """End the fleet's instances, as DeleteFleets asks."""
        self.backend.terminate_instances([i.id for i in self.instances if i.state != "terminated"])


def _pools(backend: EC2Backend, params: Data, market: str) -> list[Pool]:
    # A fleet's own tags for instances lie over the template's; those for the fleet itself are no instance's.
    tags = [one for one in params.get("TagSpecifications") or [] if one.get("ResourceType") != "fleet"]
    found = []
    for config in params.get("LaunchTemplateConfigs") or []:
        specification = config["LaunchTemplateSpecification"]
        template = find_template(backend, specification)
        version = template.get_version(specification.get("Version") or "$Default")
        for override in config.get("Overrides") or [{}]:
            used = {key: value for key, value in override.items() if key not in _NOT_LAUNCH_DATA}
            data = launching.merged(version.data, {**used, "TagSpecifications": tags})
            found.append(Pool(template, str(version.number), override, data, market))
    if not found:
        raise Refusal("MissingParameter", "The request must contain the parameter LaunchTemplateConfigs")
    return found


def find_template(backend: EC2Backend, specification: Data) -> LaunchTemplate:
    """Find a launch template by id or name.

    :raises Refusal: when there is none.
    """
    template_id, name = specification.get("LaunchTemplateId"), specification.get("LaunchTemplateName")
    wanted = template_id or backend.launch_template_name_to_ids.get(str(name))
    template = backend.launch_templates.get(str(wanted))
    if template is None:
        code = "InvalidLaunchTemplateId.NotFound" if template_id else "InvalidLaunchTemplateName.NotFoundException"
        raise Refusal(code, f"The specified launch template, {template_id or name}, does not exist.")
    return template


def _zone(backend: EC2Backend, data: Data) -> str:
    interface: Data = next(iter(data.get("NetworkInterfaces") or []), {})
    subnet_id = data.get("SubnetId") or interface.get("SubnetId")
    for by_id in backend.subnets.values():
        if subnet_id in by_id:
            return str(by_id[subnet_id].availability_zone)
    return str((data.get("Placement") or {}).get("AvailabilityZone", ""))


def _error(outcome: FleetOutcome, refusal: Refusal) -> dict[str, Any]:
    code, message = refusal.code, refusal.message
    if code == aws_errors.UNSUPPORTED:
        code, message = aws_errors.FLEET_CONFIGURATION, message.partition(" Please retry")[0]
    return {
        "LaunchTemplateAndOverrides": outcome.pool.place,
        "Lifecycle": outcome.pool.market,
        "ErrorCode": code,
        "ErrorMessage": message,
    }
