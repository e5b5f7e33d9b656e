"""Prints, as one JSON list, what the operations of the services that are called are named in code."""

import json

import botocore.session
from botocore import xform_name

session = botocore.session.get_session()
services = ("dynamodb", "sqs", "secretsmanager", "sts", "kms", "cloudformation")
models = (session.get_service_model(service) for service in services)
print(json.dumps(sorted({xform_name(name) for model in models for name in model.operation_names})))
