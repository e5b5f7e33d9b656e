"""Prints what each role and the operators' policy allow: pairs of action and resource.

    roles.py STACK
"""

import json
import os
import sys

import botocore.session

session = botocore.session.get_session()
cloudformation, iam = (
    session.create_client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    for service in ("cloudformation", "iam")
)


def many(value):
    return value if isinstance(value, list) else [value]


def allowed(policy):
    for statement in policy["Statement"]:
        for action in many(statement["Action"]):
            for resource in many(statement["Resource"]):
                yield [action, resource]


def rights(role):
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        yield from allowed(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])


def managed(arn):
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)
    return allowed(document["PolicyVersion"]["Document"])


resources = cloudformation.describe_stack_resources(StackName=sys.argv[1])["StackResources"]
roles = {
    resource["LogicalResourceId"].removesuffix("Role"): resource["PhysicalResourceId"]
    for resource in resources
    if resource["ResourceType"] == "AWS::IAM::Role"
}
found = {function: list(rights(role)) for function, role in roles.items()}
for resource in resources:
    if resource["ResourceType"] == "AWS::IAM::ManagedPolicy":
        found["Operator"] = list(managed(resource["PhysicalResourceId"]))
print(json.dumps(found))
