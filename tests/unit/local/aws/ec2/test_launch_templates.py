"""Launch templates as EC2 describes them."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.conftest import Account, code

DATA = {"InstanceType": "t2.micro"}


def test_all_templates_are_listed_however_many_there_are(account: Account) -> None:
    for number in range(20):
        account.ec2.create_launch_template(LaunchTemplateName=f"many-{number}", LaunchTemplateData=DATA)
    pages = account.ec2.get_paginator("describe_launch_templates").paginate(PaginationConfig={"PageSize": 8})
    names = [one["LaunchTemplateName"] for page in pages for one in page["LaunchTemplates"]]
    assert len(names) == len(set(names)) == 21
    assert len(account.ec2.describe_launch_templates()["LaunchTemplates"]) == 21


def test_tags_that_a_template_got_later_are_shown(account: Account) -> None:
    account.ec2.create_tags(Resources=[account.template], Tags=[{"Key": "k", "Value": "v"}])
    (found,) = account.ec2.describe_launch_templates(LaunchTemplateIds=[account.template])["LaunchTemplates"]
    assert found["Tags"] == [{"Key": "k", "Value": "v"}]


def test_a_new_template_may_be_missing_for_a_while(account: Account) -> None:
    account.cloud.faults.set("template-lag", seconds=5)
    made = account.ec2.create_launch_template(LaunchTemplateName="late", LaunchTemplateData=DATA)["LaunchTemplate"]
    wanted = [{"Name": "launch-template-name", "Values": ["late"]}]
    assert account.ec2.describe_launch_templates(Filters=wanted)["LaunchTemplates"] == []
    with pytest.raises(ClientError) as by_name:
        account.ec2.describe_launch_templates(LaunchTemplateNames=["late"])
    with pytest.raises(ClientError) as by_id:
        account.ec2.describe_launch_template_versions(LaunchTemplateId=made["LaunchTemplateId"], Versions=["$Latest"])
    assert code(by_name) == "InvalidLaunchTemplateName.NotFoundException"
    assert code(by_id) == "InvalidLaunchTemplateId.NotFound"
    account.cloud.advance(5)
    assert len(account.ec2.describe_launch_templates(LaunchTemplateNames=["late"])["LaunchTemplates"]) == 1


def test_a_new_template_or_version_may_be_refused_by_launches_for_a_while(account: Account) -> None:
    account.cloud.faults.set("template-lag", seconds=5)
    made = account.ec2.create_launch_template(LaunchTemplateName="late", LaunchTemplateData=DATA)["LaunchTemplate"]
    data = {"InstanceType": "t3.micro"}
    source = {"LaunchTemplateId": account.template, "SourceVersion": "1", "LaunchTemplateData": data}
    number = account.ec2.create_launch_template_version(**source)["LaunchTemplateVersion"]["VersionNumber"]

    def launch(template: str, version: str) -> None:
        specification = {"LaunchTemplateId": template, "Version": version}
        overrides = [{"InstanceType": "t2.micro", "SubnetId": account.subnets["us-west-2a"]}]
        config = {"LaunchTemplateSpecification": specification, "Overrides": overrides}
        account.fleet(LaunchTemplateConfigs=[config])

    with pytest.raises(ClientError) as template:
        launch(made["LaunchTemplateId"], "1")
    with pytest.raises(ClientError) as version:
        launch(account.template, str(number))
    with pytest.raises(ClientError) as of_an_instance:
        account.run(LaunchTemplate={"LaunchTemplateId": account.template, "Version": str(number)})
    assert code(template) == "InvalidLaunchTemplateId.NotFound"
    assert code(version) == code(of_an_instance) == "InvalidLaunchTemplateId.VersionNotFound"
    launch(account.template, "$Latest")
    account.cloud.advance(5)
    launch(account.template, str(number))
