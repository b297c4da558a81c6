"""Launch templates as EC2 describes them: a moment after they were made, in pages, with the tags that they have now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws.base.patches import Patches
from toilctl.local.aws.requests.refusals import Refusal
from toilctl.values.aws_limits import MAX_RESULTS

if TYPE_CHECKING:
    from moto.core.responses import ActionResult

    from toilctl.local.aws.ec2.rehearsed import Rehearsed

_PAGE: Final = MAX_RESULTS["DescribeLaunchTemplates"][1]


def install(patches: Patches, cloud: Rehearsed) -> None:
    """Answer DescribeLaunchTemplates ourselves, and hide what EC2 would not show yet, from launches, too."""
    from moto.ec2.exceptions import InvalidLaunchTemplateVersionNotFound
    from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateBackend
    from moto.ec2.responses.launch_templates import LaunchTemplates

    def create(backend: Any, *args: Any, **params: Any) -> Any:
        made = original_create(backend, *args, **params)
        made.visible_from = _visible_from(cloud)
        return made

    def create_version(template: Any, *args: Any, **params: Any) -> Any:
        made = original_create_version(template, *args, **params)
        made.visible_from = _visible_from(cloud)
        return made

    def version(template: Any, number: Any) -> Any:
        _check_visible(cloud, template)
        if str(number).lower() == "$latest":
            return next(one for one in reversed(template.versions) if _is_visible(cloud, one))
        found = original_version(template, number)
        if not _is_visible(cloud, found):
            raise InvalidLaunchTemplateVersionNotFound(template_id=template.id, version=number)
        return found

    def described(backend: Any, *args: Any, **params: Any) -> Any:
        found = original(backend, *args, **params)
        return [template for template in found if _is_visible(cloud, template)]

    def versions(backend: Any, *args: Any, **params: Any) -> Any:
        found = original_versions(backend, *args, **params)
        for template, _ in found:
            _check_visible(cloud, template)
        return [(template, one) for template, one in found if _is_visible(cloud, one)]

    original_create = patches.replace(LaunchTemplateBackend, "create_launch_template", create)
    original_create_version = patches.replace(LaunchTemplate, "create_version", create_version)
    original_version = patches.replace(LaunchTemplate, "get_version", version)
    original = patches.replace(LaunchTemplateBackend, "describe_launch_templates", described)
    original_versions = patches.replace(LaunchTemplateBackend, "describe_launch_template_versions", versions)
    patches.replace(LaunchTemplates, "describe_launch_templates", describe)


def describe(response: Any) -> ActionResult:
    """DescribeLaunchTemplates, all or by id or name, with filters, a page at a time."""
    from moto.core.responses import ActionResult

    params = response.params
    names = params.get("LaunchTemplateNames") or []
    response.error_on_dryrun()
    found = response.ec2_backend.describe_launch_templates(
        template_names=names, template_ids=params.get("LaunchTemplateIds") or [],
        filters=response._filters_from_querystring(),
    )  # fmt: skip
    if len(found) < len(names):
        text = "At least one of the launch templates specified in the request does not exist."
        raise Refusal("InvalidLaunchTemplateName.NotFoundException", text)
    start = int(params.get("NextToken") or 0)
    end = start + int(params.get("MaxResults") or _PAGE)
    account = response.current_account
    templates = [
        {
            "CreateTime": one.create_time, "CreatedBy": f"arn:{response.partition}:iam::{account}:root",
            "DefaultVersionNumber": one.default_version_number, "LatestVersionNumber": one.latest_version_number,
            "LaunchTemplateId": one.id, "LaunchTemplateName": one.name, "Tags": one.get_tags(),
        }
        for one in found[start:end]
    ]  # fmt: skip
    return ActionResult({"LaunchTemplates": templates, "NextToken": str(end) if end < len(found) else None})


def _visible_from(cloud: Rehearsed) -> float:
    return cloud.clock.now() + cloud.faults.seconds("template-lag")


def _is_visible(cloud: Rehearsed, made: Any) -> bool:
    """Whether a template or a version is seen."""
    return bool(cloud.clock.now() >= getattr(made, "visible_from", 0.0))


def _check_visible(cloud: Rehearsed, template: Any) -> None:
    if not _is_visible(cloud, template):
        text = f"The specified launch template, with template ID {template.id}, does not exist."
        raise Refusal("InvalidLaunchTemplateId.NotFound", text)
