#!/usr/bin/python3
"""Writes an image in one of many forms, proper and improper: image_kinds.py KIND PATH."""
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

OCI = "application/vnd.oci.image."
OURS = {"os": "linux", "architecture": "amd64"}
OTHER = {"os": "linux", "architecture": "arm64"}


def entry(tar, name, data=None, **fields):
    about = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(about, key, value)
    about.size = len(data) if data is not None else 0
    tar.addfile(about, io.BytesIO(data) if data is not None else None)


def layer(*entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data, fields in entries:
            entry(tar, name, data, **fields)
    return buffer.getvalue()


DIRECTORY = ("etc", None, {"type": tarfile.DIRTYPE, "mode": 0o755})
LOWER = layer(DIRECTORY, ("etc/motd", b"lower\n", {}), ("etc/gone", b"gone\n", {}))
UPPER = layer(("etc/motd", b"upper\n", {}), ("etc/.wh.gone", b"", {}))
HOSTILE = {
    "parent": [("etc/../../outside", b"evil\n", {})],
    "link": [("way", None, {"type": tarfile.SYMTYPE, "linkname": "../../../tmp"}),
             ("way/file", b"evil\n", {})],
    "hardlink": [("way", None, {"type": tarfile.LNKTYPE, "linkname": "../../etc/passwd"})],
    "device": [("null", None, {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})],
    "name": [("x" * 300, b"", {})],
    "deep": [("d/" * 300 + "f", b"", {})],
}


class Layout:
    """The files of an OCI layout, in memory."""

    def __init__(self):
        self.files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        self.manifests = []

    def blob(self, media, data):
        digest = hashlib.sha256(data).hexdigest()
        self.files["blobs/sha256/" + digest] = data
        return {"mediaType": OCI + media, "digest": "sha256:" + digest, "size": len(data)}

    def image(self, layers, platform=None, zipped=True, difference=b"", command="image"):
        platform = platform or OURS
        config = dict(platform, config={"Cmd": ["/bin/echo", command], "Env": ["A=b"]},
                      created="2024-05-06T07:08:09.5Z",
                      rootfs={"type": "layers", "diff_ids": [
                          "sha256:" + hashlib.sha256(one + difference).hexdigest() for one in layers]})
        descriptors = []
        for number, one in enumerate(layers):
            packed = zipped and number % 2 == 0
            descriptors.append(self.blob("layer.v1.tar" + ("+gzip" if packed else ""),
                                         gzip.compress(one, mtime=0) if packed else one))
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                    "config": self.blob("config.v1+json", json.dumps(config).encode()),
                    "layers": descriptors}
        self.last = manifest
        return self.blob("manifest.v1+json", json.dumps(manifest).encode())

    def add(self, descriptor, name, platform=None):
        descriptor = dict(descriptor)
        if name:
            descriptor["annotations"] = {"org.opencontainers.image.ref.name": name}
        if platform:
            descriptor["platform"] = platform
        self.manifests.append(descriptor)

    def all_files(self):
        index = json.dumps({"schemaVersion": 2, "manifests": self.manifests}).encode()
        return dict(self.files, **{"index.json": index})


def directory_write(files, path):
    for name, data in files.items():
        place = os.path.join(path, name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(data)


def archive_write(files, path, mode="w", links=None):
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            entry(tar, name, data)
        for name, target in (links or {}).items():
            entry(tar, name, type=tarfile.SYMTYPE, linkname=target)


def saved_write(path):
    config = json.dumps(dict(OURS, config={"Cmd": ["sh"]}, rootfs={"type": "layers", "diff_ids": [
        "sha256:" + hashlib.sha256(one).hexdigest() for one in (LOWER, UPPER, LOWER)]})).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": ["saved:1", "saved:latest"],
                 "Layers": ["one/layer.tar", "two/layer.tar", "three/layer.tar"]}]
    archive_write({name: config, "one/layer.tar": LOWER, "two/layer.tar": UPPER,
                   "manifest.json": json.dumps(manifest).encode()}, path,
                  links={"three/layer.tar": "../one/layer.tar"})


def damage(layout, path, kind):
    files = layout.all_files()
    manifest = layout.last
    which = {"digest": manifest["layers"][0], "missing": manifest["layers"][1],
             "config": manifest["config"]}[kind]
    name = "blobs/sha256/" + which["digest"].split(":")[1]
    if kind == "missing":
        del files[name]
    else:
        files[name] = files[name][:-5] + bytes([files[name][-5] ^ 1]) + files[name][-4:]
    directory_write(files, path)


def bomb_write(path, megabytes):
    """A layer that unpacks to much more than it is; made in pieces."""
    layout = Layout()
    packed = io.BytesIO()
    digest = hashlib.sha256()
    about = tarfile.TarInfo("zeros")
    about.size = megabytes << 20
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, compresslevel=1) as file:
        for piece in [about.tobuf()] + [bytes(1 << 20)] * megabytes + [bytes(1024)]:
            digest.update(piece)
            file.write(piece)
    config = dict(OURS, config={}, rootfs={"diff_ids": ["sha256:" + digest.hexdigest()]})
    manifest = {"schemaVersion": 2, "config": layout.blob("config.v1+json", json.dumps(config).encode()),
                "layers": [layout.blob("layer.v1.tar+gzip", packed.getvalue())]}
    layout.add(layout.blob("manifest.v1+json", json.dumps(manifest).encode()), "bomb")
    directory_write(layout.all_files(), path)


def main():
    kind, path = sys.argv[1:]
    layout = Layout()
    if kind == "saved":
        saved_write(path)
    elif kind in ("bomb", "large"):
        bomb_write(path, 200 if kind == "bomb" else 40)
    elif kind in HOSTILE:
        layout.add(layout.image([LOWER, layer(DIRECTORY, *HOSTILE[kind])]), kind)
        directory_write(layout.all_files(), path)
    elif kind in ("digest", "missing", "config"):
        layout.add(layout.image([LOWER, UPPER]), kind)
        damage(layout, path, kind)
    elif kind == "difference":
        layout.add(layout.image([LOWER], difference=b"x"), kind)
        directory_write(layout.all_files(), path)
    elif kind == "index":
        nested = {"schemaVersion": 2, "manifests": [
            dict(layout.image([UPPER], OTHER), platform=OTHER),
            dict(layout.image([LOWER, UPPER]), platform=OURS)]}
        layout.add(layout.blob("index.v1+json", json.dumps(nested).encode()), kind)
        directory_write(layout.all_files(), path)
    elif kind == "arm":
        layout.add(layout.image([LOWER], OTHER), kind, OTHER)
        directory_write(layout.all_files(), path)
    elif kind == "several":
        layout.add(layout.image([LOWER], command="first"), "first:1")
        layout.add(layout.image([UPPER], command="second"), "second")
        directory_write(layout.all_files(), path)
    elif kind == "halfbad":
        layout.add(layout.image([LOWER], command="first"), "first:1")
        layout.add(layout.image([UPPER], difference=b"x"), "second")
        directory_write(layout.all_files(), path)
    elif kind == "badname":
        layout.add(layout.image([LOWER]), "no proper; name")
        directory_write(layout.all_files(), path)
    else:
        layout.add(layout.image([LOWER, UPPER]), "" if kind == "nameless" else "kind:" + kind)
        files = layout.all_files()
        if kind.startswith("archive"):
            archive_write(files, path, "w:gz" if kind == "archive-gz" else "w")
        else:
            directory_write(files, path)


main()
