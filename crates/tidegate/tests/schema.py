"""Checks YAML files against a JSON Schema as an editor does. Called by schema.rs.

usage: schema.py SCHEMA FILE...     prints a line for each file: `fine`, or where and why it is not
"""

import json
import re
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """The core schema of YAML 1.2, as editors read it: `on` and `off` are words."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def main(schema_path: str, paths: list[str]) -> None:
    """Prints what there is to say of each file."""
    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                document = yaml.load(file, Loader)  # a SafeLoader with fewer words
        except (yaml.YAMLError, ValueError) as error:
            print("no YAML:", type(error).__name__)
            continue
        error = jsonschema.exceptions.best_match(validator.iter_errors(document))
        if error is None:
            print("fine")
        else:
            print("/".join(map(str, error.absolute_path)), error.message.replace("\n", " ")[:120])


main(sys.argv[1], sys.argv[2:])
