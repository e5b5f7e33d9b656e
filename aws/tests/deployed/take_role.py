"""Takes a role of the stack as somebody of the account does; prints the keys of the session.

    take_role.py ARN SESSION
"""

import json
import os
import sys

import botocore.session

sts = botocore.session.get_session().create_client(
    "sts", endpoint_url=os.environ["AWS_ENDPOINT_URL"]
)
role, session = sys.argv[1:]
keys = sts.assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
print(
    json.dumps(
        {
            "id": keys["AccessKeyId"],
            "secret": keys["SecretAccessKey"],
            "token": keys["SessionToken"],
        }
    )
)
