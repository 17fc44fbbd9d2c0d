#!/usr/bin/python3
"""Writes an OCI layout: make_image.py LAYOUT DIRECTORY NAME CONFIG-JSON [TAR...].

LAYOUT's image with another name and configuration, and with further layers, uncompressed.
"""
import hashlib
import json
import os
import shutil
import sys


def blob_read(directory, about):
    with open(os.path.join(directory, "blobs", *about["digest"].split(":")), "rb") as file:
        return file.read()


def blob_write(directory, media, data):
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(directory, "blobs/sha256", digest), "wb") as file:
        file.write(data)
    return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}


def main():
    layout, directory, name, config = sys.argv[1:5]
    kind = "application/vnd.oci.image."
    shutil.copytree(layout, directory)
    with open(os.path.join(directory, "index.json"), encoding="utf-8") as file:
        index = json.load(file)
    manifest = json.loads(blob_read(directory, index["manifests"][0]))
    configuration = json.loads(blob_read(directory, manifest["config"]))
    configuration["config"].update(json.loads(config))
    for tar in sys.argv[5:]:
        with open(tar, "rb") as file:
            about = blob_write(directory, kind + "layer.v1.tar", file.read())
        manifest["layers"].append(about)
        configuration["rootfs"]["diff_ids"].append(about["digest"])
    manifest["config"] = blob_write(directory, kind + "config.v1+json",
                                    json.dumps(configuration).encode())
    about = blob_write(directory, manifest["mediaType"], json.dumps(manifest).encode())
    about["annotations"] = {"org.opencontainers.image.ref.name": name}
    with open(os.path.join(directory, "index.json"), "w", encoding="utf-8") as file:
        json.dump({"schemaVersion": 2, "manifests": [about]}, file)


main()
