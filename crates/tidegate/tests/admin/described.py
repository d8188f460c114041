"""Checks an OpenAPI document, and answers against it. Called by described.rs, which sends both as JSON."""

import json
import sys

from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate


def media(document, answer):
    """The description of an answer's body; a status that is not described is described by `default`."""
    responses = document["paths"][answer["path"]][answer["method"]]["responses"]
    response = responses.get(str(answer["status"]), responses.get("default"))
    content = response.get("content", {})
    if answer["type"] not in content and content:
        raise SystemExit(f"{answer['method']} {answer['path']} {answer['status']}: {answer['type']} is not described")
    return content.get(answer["type"])


def main():
    given = json.load(sys.stdin)
    document = given["document"]
    validate(document)
    checked = 0
    for answer in given["answers"]:
        described = media(document, answer)
        if described is None or not answer["type"].endswith("json"):
            continue
        # References in an answer's schema lead into the document.
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **described["schema"]}
        schema["components"] = document["components"]
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(answer["body"])
        checked += 1
    if checked < 12:
        raise SystemExit(f"only {checked} answers were checked")


if __name__ == "__main__":
    main()
