"""Deploys the template to the emulator, as `sam deploy` does it to AWS: packages to S3, the SAM
transform, one stack. Prints the stack's outputs as one JSON object.

    deploy.py TEMPLATE STACK CODE PARAMETERS

CODE is a JSON object of a function's (or layer's) directory in the template to the file that is its
program (or the directory that is the layer); PARAMETERS is one of parameter to value. Where the
emulator is, and who asks, stands in the environment.
"""

import io
import json
import os
import pathlib
import sys
import time
import zipfile

import botocore.session
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

BUCKET = "packages"


def client(service):
    return botocore.session.get_session().create_client(
        service, endpoint_url=os.environ["AWS_ENDPOINT_URL"]
    )


def package(source):
    """A function's program as `bootstrap`, or a layer's files, zipped."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        if source.is_dir():
            for file in sorted(source.iterdir()):
                archive.write(file, file.name)
        else:
            entry = zipfile.ZipInfo("bootstrap")
            entry.external_attr = 0o755 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, source.read_bytes())
    return packed.getvalue()


class NoManagedPolicies:
    """The template names none, so that none has to be looked up."""

    def load(self):
        return {}


def transformed(template, code, s3):
    """The template as CloudFormation gets it."""
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        for key in ("CodeUri", "ContentUri"):
            if isinstance(properties.get(key), str):
                source = code[properties[key].strip("./")]
                s3.put_object(Bucket=BUCKET, Key=f"{name}.zip", Body=package(pathlib.Path(source)))
                properties[key] = {"Bucket": BUCKET, "Key": f"{name}.zip"}
    made = transform(template, {}, NoManagedPolicies())
    resources = made["Resources"]
    for name, resource in list(resources.items()):
        # CloudFormation makes a number of a parameter's text; the emulator leaves it text.
        scaling = resource.get("Properties", {}).get("ScalingConfig", {})
        most = scaling.get("MaximumConcurrency")
        if isinstance(most, dict) and "Ref" in most:
            parameter = template["Parameters"][most["Ref"]]
            scaling["MaximumConcurrency"] = parameter["Default"]
        # The same with what is true or false.
        protected = resource.get("Properties", {}).get("DeletionProtectionEnabled", {})
        if "Ref" in protected:
            parameter = template["Parameters"][protected["Ref"]]
            resource["Properties"]["DeletionProtectionEnabled"] = parameter["Default"] == "true"
        # The emulator speaks no TLS, which the policies of the queues demand.
        if resource["Type"] == "AWS::SQS::QueuePolicy":
            document = resource["Properties"]["PolicyDocument"]
            document["Statement"] = [
                statement
                for statement in document["Statement"]
                if "aws:SecureTransport" not in statement["Condition"].get("Bool", {})
            ]
            if not document["Statement"]:
                del resources[name]
        if resource["Type"] == "AWS::ApiGatewayV2::Api":
            resources.update(routes(name, resource["Properties"]))
    return made


def routes(api, properties):
    """The routes of an API that is described by an OpenAPI document, which the emulator does not
    read, as resources of their own."""
    resources = {}
    for path, methods in properties.pop("Body")["paths"].items():
        for method, operation in methods.items():
            integration = operation["x-amazon-apigateway-integration"]
            name = f"{api}{method}{''.join(filter(str.isalnum, path))}"
            resources[f"{name}Integration"] = {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    "ApiId": {"Ref": api},
                    "IntegrationType": integration["type"].upper(),
                    "IntegrationUri": integration["uri"],
                    "PayloadFormatVersion": integration["payloadFormatVersion"],
                },
            }
            resources[f"{name}Route"] = {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {
                    "ApiId": {"Ref": api},
                    "RouteKey": f"{method.upper()} {path}",
                    "Target": {"Fn::Join": ["/", ["integrations", {"Ref": f"{name}Integration"}]]},
                },
            }
    properties.update(Name=api, ProtocolType="HTTP")
    return resources


def back_up(template, stack, cloudformation):
    """Switches point-in-time recovery on for the tables that ask for it, which the emulator's
    CloudFormation leaves out."""
    dynamodb = client("dynamodb")
    for made in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]:
        resource = template["Resources"][made["LogicalResourceId"]]
        if wanted := resource.get("Properties", {}).get("PointInTimeRecoverySpecification"):
            dynamodb.update_continuous_backups(
                TableName=made["PhysicalResourceId"], PointInTimeRecoverySpecification=wanted
            )


def main(template, stack, code, parameters):
    s3, cloudformation = client("s3"), client("cloudformation")
    s3.create_bucket(Bucket=BUCKET)
    body = transformed(yaml_parse(open(template).read()), json.loads(code), s3)
    s3.put_object(Bucket=BUCKET, Key=f"{stack}.json", Body=json.dumps(body).encode())
    cloudformation.create_stack(
        StackName=stack,
        TemplateURL=f"{os.environ['AWS_ENDPOINT_URL']}/{BUCKET}/{stack}.json",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in json.loads(parameters).items()
        ],
    )
    until = time.monotonic() + 60
    while time.monotonic() < until:
        made = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        if made["StackStatus"] == "CREATE_COMPLETE":
            back_up(body, stack, cloudformation)
            outputs = made.get("Outputs", [])
            print(json.dumps({it["OutputKey"]: it["OutputValue"] for it in outputs}))
            return
        if not made["StackStatus"].endswith("_IN_PROGRESS"):
            break
        time.sleep(0.1)
    for event in cloudformation.describe_stack_events(StackName=stack)["StackEvents"]:
        if "FAILED" in event["ResourceStatus"]:
            print(event["LogicalResourceId"], event.get("ResourceStatusReason"), file=sys.stderr)
    sys.exit(f"the stack is {made['StackStatus']}")


main(*sys.argv[1:])
