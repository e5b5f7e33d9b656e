"""Makes an IAM user that has one managed policy and nothing else; prints the keys.

    make_user.py NAME POLICY
"""

import json
import os
import sys

import botocore.session

iam = botocore.session.get_session().create_client(
    "iam", endpoint_url=os.environ["AWS_ENDPOINT_URL"]
)
name, policy = sys.argv[1:]
iam.create_user(UserName=name)
iam.attach_user_policy(UserName=name, PolicyArn=policy)
key = iam.create_access_key(UserName=name)["AccessKey"]
print(json.dumps({"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}))
