#!/usr/bin/python3
"""Writes an OCI image layout with busybox as its userland: mkimage.py BUSYBOX DIRECTORY.

The same busybox gives the same bytes: owners, times and the order of files are fixed. The directory
is made aside and renamed, so that it is never half there.
"""
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile

DIRECTORIES = ["bin", "dev", "etc", "home", "lib", "mnt", "opt", "proc", "root", "run", "sbin", "sys",
               "tmp", "usr", "usr/bin", "usr/sbin", "usr/lib", "var", "var/log", "var/spool", "var/tmp"]
MODES = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
                  "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
                  "nobody:x:65534:65534:nobody:/home:/bin/false\n",
    "etc/group": "root:x:0:\ndaemon:x:1:\ntty:x:5:\nusers:x:100:\nnogroup:x:65534:\n",
    "etc/shells": "/bin/sh\n/bin/ash\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/profile": "export PS1='\\w \\$ '\n",
}


def entry_add(tar, name, kind, mode, data=b"", target=""):
    about = tarfile.TarInfo(name)
    about.type = kind
    about.mode = mode
    about.size = len(data)
    about.linkname = target
    tar.addfile(about, io.BytesIO(data))


def applets(busybox):
    listed = subprocess.run([busybox, "--list-full"], capture_output=True, text=True, check=True)
    return sorted(name for name in set(listed.stdout.split()) - {"bin/busybox"} if "/" in name)


def layer_make(busybox):
    buffer = io.BytesIO()
    with open(busybox, "rb") as file:
        program = file.read()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in DIRECTORIES:
            entry_add(tar, name, tarfile.DIRTYPE, MODES.get(name, 0o755))
        entry_add(tar, "bin/busybox", tarfile.REGTYPE, 0o755, program)
        for name in applets(busybox):
            entry_add(tar, name, tarfile.SYMTYPE, 0o777, target="/bin/busybox")
        for name, text in FILES.items():
            entry_add(tar, name, tarfile.REGTYPE, 0o644, text.encode())
    return buffer.getvalue()


def blob_write(directory, media, data):
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(directory, "blobs", "sha256", digest), "wb") as file:
        file.write(data)
    return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}


def document(value):
    return json.dumps(value, indent=1, sort_keys=True).encode()


def layout_write(directory, layer):
    kind = "application/vnd.oci.image."
    os.makedirs(os.path.join(directory, "blobs", "sha256"))
    configuration = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["sh"],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind + "manifest.v1+json",
        "config": blob_write(directory, kind + "config.v1+json", document(configuration)),
        "layers": [blob_write(directory, kind + "layer.v1.tar+gzip",
                              gzip.compress(layer, compresslevel=6, mtime=0))],
    }
    about = blob_write(directory, manifest["mediaType"], document(manifest))
    about["annotations"] = {"org.opencontainers.image.ref.name": "busybox"}
    about["platform"] = {"architecture": "amd64", "os": "linux"}
    with open(os.path.join(directory, "index.json"), "wb") as file:
        file.write(document({"schemaVersion": 2, "manifests": [about]}))
    with open(os.path.join(directory, "oci-layout"), "w") as file:
        file.write('{"imageLayoutVersion": "1.0.0"}\n')


def main():
    busybox, directory = sys.argv[1:]
    fresh = directory + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    layout_write(fresh, layer_make(busybox))
    shutil.rmtree(directory, ignore_errors=True)
    os.rename(fresh, directory)


main()
