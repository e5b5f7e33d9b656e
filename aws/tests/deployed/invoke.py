"""Invokes a function with an event from a file, and prints what it answers.

    invoke.py FUNCTION EVENT
"""

import os
import sys

import botocore.session

client = botocore.session.get_session().create_client(
    "lambda", endpoint_url=os.environ["AWS_ENDPOINT_URL"]
)
answer = client.invoke(FunctionName=sys.argv[1], Payload=open(sys.argv[2], "rb").read())
payload = answer["Payload"].read().decode()
if "FunctionError" in answer:
    sys.exit(payload)
print(payload)
