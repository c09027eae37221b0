"""Checks envelopes with the libraries of others: securesystemslib verifies the signatures,
in-toto's own types take the statements, jsonschema holds them against the schemas.

usage: envelopes.py SCHEMAS FILE …   prints one line for each file
"""

import base64
import json
import pathlib
import sys

import jsonschema
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from referencing import Registry, Resource
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey


def main(schemas: pathlib.Path, files: list[str]) -> None:
    resources = []
    for file in schemas.glob("*.json"):
        content = json.loads(file.read_text())
        resources.append((content["$id"], Resource.from_contents(content)))
    registry = Registry().with_resources(resources)
    statement_schema = dict(resources)[
        "https://semper.example/schemas/statement.json"
    ].contents
    envelope_schema = dict(resources)["https://semper.example/schemas/envelope.json"].contents
    for file in files:
        outer = json.loads(pathlib.Path(file).read_bytes())
        jsonschema.validate(outer, envelope_schema, registry=registry)
        leaf = x509.load_pem_x509_certificate(outer["signatures"][0]["chain"][0].encode())
        raw = leaf.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        keyid = outer["signatures"][0]["keyid"]
        key = SSlibKey(keyid, "ed25519", "ed25519", {"public": raw.hex()})
        Envelope.from_dict(outer).verify([key], 1)

        payload = json.loads(base64.b64decode(outer["payload"]))
        Statement.copy_from_pb(
            json_format.ParseDict(payload, statement_pb2.Statement())
        ).validate()
        jsonschema.validate(payload, statement_schema, registry=registry)
        print(payload["predicateType"], payload["subject"][0]["digest"]["sha256"])


main(pathlib.Path(sys.argv[1]), sys.argv[2:])
