#!/usr/bin/python3
"""Writes an OCI image layout with one small image: make_image.py DIRECTORY NAME [CONFIG-JSON]."""
import hashlib
import io
import json
import os
import sys
import tarfile


def blob_write(directory, data):
    digest = hashlib.sha256(data).hexdigest()
    path = os.path.join(directory, "blobs", "sha256")
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, digest), "wb") as file:
        file.write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


def layer_make(name):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("etc")
        entry.type = tarfile.DIRTYPE
        entry.mode = 0o755
        tar.addfile(entry)
        data = (name + "\n").encode() * 100
        entry = tarfile.TarInfo("etc/motd")
        entry.size = len(data)
        entry.mode = 0o644
        tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def main():
    directory, name = sys.argv[1:3]
    config = {"Cmd": ["/bin/echo", "the image's command"], "Env": ["FROM_IMAGE=yes"]}
    if len(sys.argv) > 3:
        config = json.loads(sys.argv[3])
    layer = layer_make(name)
    layer_about = blob_write(directory, layer)
    layer_about["mediaType"] = "application/vnd.oci.image.layer.v1.tar"
    image = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer_about["digest"]]},
    }
    config_about = blob_write(directory, json.dumps(image).encode())
    config_about["mediaType"] = "application/vnd.oci.image.config.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config_about,
        "layers": [layer_about],
    }
    manifest_about = blob_write(directory, json.dumps(manifest).encode())
    manifest_about["mediaType"] = manifest["mediaType"]
    manifest_about["annotations"] = {"org.opencontainers.image.ref.name": name}
    with open(os.path.join(directory, "index.json"), "w") as file:
        json.dump({"schemaVersion": 2, "manifests": [manifest_about]}, file)
    with open(os.path.join(directory, "oci-layout"), "w") as file:
        json.dump({"imageLayoutVersion": "1.0.0"}, file)


main()
