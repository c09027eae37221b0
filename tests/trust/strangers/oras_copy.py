"""Copies a bundle, an index with all its manifests and blobs, from one registry to another by
the oras client.

usage: oras_copy.py CA USER PASSWORD SOURCE TARGET    (host:port/name:tag)
"""

import hashlib
import json
import os
import sys
import tempfile

import oras.client
import oras.container

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def main(ca: str, user: str, password: str, source: str, target: str) -> None:
    os.environ["REQUESTS_CA_BUNDLE"] = ca
    clients = {}
    for place in (source, target):
        host = place.split("/")[0]
        client = oras.client.OrasClient(hostname=host, tls_verify=True, auth_backend="basic")
        client.auth.set_basic_auth(user, password)
        clients[place] = client
    one, other = oras.container.Container(source), oras.container.Container(target)

    def url(container, rest):
        return f"https://{container.registry}/v2/{container.api_prefix}/{rest}"

    def get(rest):
        accept = {"Accept": f"{INDEX}, {MANIFEST}"}
        response = clients[source].do_request(url(one, rest), "GET", headers=accept)
        response.raise_for_status()
        return response.content

    def put(rest, kind, body):
        headers = {"Content-Type": kind}
        response = clients[target].do_request(url(other, rest), "PUT", headers=headers, data=body)
        assert response.status_code in (200, 201), (response.status_code, response.text)

    index = get(f"manifests/{one.tag}")
    with tempfile.TemporaryDirectory() as folder:
        for descriptor in json.loads(index)["manifests"]:
            bytes_ = get(f"manifests/{descriptor['digest']}")
            manifest = json.loads(bytes_)
            for layer in [manifest["config"], *manifest["layers"]]:
                name = os.path.join(folder, layer["digest"].replace(":", "-"))
                blob = clients[source].get_blob(one, layer["digest"]).content
                assert hashlib.sha256(blob).hexdigest() == layer["digest"].split(":")[1]
                with open(name, "wb") as out:
                    out.write(blob)
                response = clients[target].upload_blob(name, other, layer)
                assert response.status_code in (200, 201, 202), response.status_code
            put(f"manifests/{descriptor['digest']}", MANIFEST, bytes_)
    put(f"manifests/{other.tag}", INDEX, index)
    print("copied", len(json.loads(index)["manifests"]))


main(*sys.argv[1:])
