"""Prints, as one JSON object, what CloudFormation gets of a SAM template: what `sam deploy` makes of
it, without the packages.

    translate.py TEMPLATE
"""

import json
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """The template names none, so that none has to be looked up."""

    def load(self):
        return {}


template = yaml_parse(open(sys.argv[1]).read())
for resource in template["Resources"].values():
    properties = resource.get("Properties", {})
    for key in ("CodeUri", "ContentUri"):
        if isinstance(properties.get(key), str):
            # Where `sam package` puts it; the transform refuses a directory.
            properties[key] = {"Bucket": "packages", "Key": properties[key].strip("./") + ".zip"}
print(json.dumps(transform(template, {}, NoManagedPolicies()), indent=1))
