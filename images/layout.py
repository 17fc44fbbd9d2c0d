"""OCI image layouts: what is written is the same for the same content, and is never half there."""
import hashlib
import json
import os
import shutil

MEDIA = "application/vnd.oci.image."
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def document(value):
    return json.dumps(value, indent=1, sort_keys=True).encode()


def blob_write(directory, media, data):
    digest = digest_of(data)
    with open(os.path.join(directory, "blobs", *digest.split(":")), "wb") as file:
        file.write(data)
    return {"mediaType": MEDIA + media, "digest": digest, "size": len(data)}


def layout_write(directory, name, config, layer, packed=None):
    """An image NAME of one layer, a tar archive; `packed` is the same, compressed by gzip."""
    fresh = directory + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(os.path.join(fresh, "blobs", "sha256"))
    configuration = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
    }
    if packed is None:
        about = blob_write(fresh, "layer.v1.tar", layer)
    else:
        about = blob_write(fresh, "layer.v1.tar+gzip", packed)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA + "manifest.v1+json",
        "config": blob_write(fresh, "config.v1+json", document(configuration)),
        "layers": [about],
    }
    about = blob_write(fresh, "manifest.v1+json", document(manifest))
    about["annotations"] = {"org.opencontainers.image.ref.name": name}
    about["platform"] = {"architecture": "amd64", "os": "linux"}
    with open(os.path.join(fresh, "index.json"), "wb") as file:
        file.write(document({"schemaVersion": 2, "manifests": [about]}))
    with open(os.path.join(fresh, "oci-layout"), "w", encoding="ascii") as file:
        file.write('{"imageLayoutVersion": "1.0.0"}\n')
    shutil.rmtree(directory, ignore_errors=True)
    os.rename(fresh, directory)
