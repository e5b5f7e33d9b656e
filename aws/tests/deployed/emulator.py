"""Starts the emulator with rights enforced, and writes down who asked for what.

Four things that the emulator leaves out are put in: the condition key `dynamodb:LeadingKeys`, that
`aws:PrincipalArn` of a session is its role, that SQS has no rights of their own for batches
(`ChangeMessageVisibility` is the one for its batches, too), and a record of every call. The file that `CALLS` names gets one JSON object per check of a right: who (a
function, or the account itself), the action, the resource, and whether it was allowed.
"""

import json
import os
import pathlib
import runpy
import threading

from ministack.core import iam_actions, iam_evaluator

CALLS = open(os.environ["CALLS"], "a", buffering=1)
LOCK = threading.Lock()

context_of = iam_actions.dynamodb_service_context
enforce = iam_evaluator.enforce
condition_key = iam_evaluator._resolve_condition_key


def partition_keys(request):
    """The partition keys of what a request to DynamoDB reads and writes."""
    for item in request.get("TransactItems", []):
        for part in item.values():
            yield from partition_keys(part)
    for part in request.get("RequestItems", {}).values():
        for key in part.get("Keys", []):
            yield key["pk"]["S"]
    for key in (request.get("Key"), request.get("Item")):
        if key:
            yield key["pk"]["S"]
    # A query of the table, not of an index.
    if "KeyConditionExpression" in request and "IndexName" not in request:
        yield request["ExpressionAttributeValues"][":pk"]["S"]


def context_with_keys(body):
    keys = list(partition_keys(json.loads(body or b"{}")))
    return {**context_of(body), **({"dynamodb:LeadingKeys": keys} if keys else {})}


def condition_key_of_role(key, ctx):
    value = condition_key(key, ctx)
    if key.lower() == "aws:principalarn" and ":assumed-role/" in value:
        account, role = value.split(":")[4], value.split("/")[1]
        return f"arn:aws:iam::{account}:role/{role}"
    return value


def enforce_and_record(access_key_id, iam_action, service, region, resource_arn="*", **context):
    if iam_action.startswith("sqs:"):
        iam_action = iam_action.removesuffix("Batch")
    denied = enforce(
        access_key_id, iam_action, service, region, resource_arn=resource_arn, **context
    )
    caller = iam_evaluator.resolve_caller_identity(access_key_id) or {}
    call = {
        "caller": caller.get("userArn", ""),
        "action": iam_action,
        "resource": resource_arn,
        "allowed": not denied,
    }
    with LOCK:
        CALLS.write(json.dumps(call) + "\n")
    return denied


iam_actions.dynamodb_service_context = context_with_keys
iam_evaluator._resolve_condition_key = condition_key_of_role
iam_evaluator.enforce = enforce_and_record

runpy.run_path(str(pathlib.Path(__file__).parents[3] / "testkit" / "emulator.py"), run_name="__main__")
