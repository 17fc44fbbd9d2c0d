#!/usr/bin/python3
"""Makes an OCI image of Debian packages: debian.py RECIPE DEBS ROOT LAYOUT.

The packages that the recipe names and those that they need are downloaded into DEBS, once. ROOT
becomes the image's files in a directory, LAYOUT the image. No maintainer script runs and nothing
needs root: the layer is made from the packages' own archives, and what the scripts of a few packages
would have done stands in the recipe. The same packages give the same bytes.

A recipe has lines of one word and its arguments; # begins a comment:

  from RECIPE            begin with that one's lines
  packages NAME...       Debian packages
  link PATH TARGET       a symbolic link
  directory PATH MODE    a directory
  user NAME ID           a user and group of that name
  source NAME FROM PATH [VERSION]
                         a folder of the sources that one of the packages was built from; of a
                         VERSION near it if Debian's archive has no sources of that one
  env NAME=VALUE         the image's Env
  command WORD...        its Cmd
"""
import io
import os
import subprocess
import sys
import tarfile

import layout

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools/debian-source.sh")
# Debian's directories of which / has only links (the usrmerge package does this).
MERGED = ("bin", "lib", "lib64", "sbin")
# What the images of Debian's docker team leave out, too.
LEFT_OUT = ("usr/share/doc/", "usr/share/info/", "usr/share/locale/", "usr/share/man/",
            "usr/share/lintian/", "usr/share/bug/")
# What base-files and libc-bin copy when they are first installed.
COPIES = {"etc/nsswitch.conf": "usr/share/libc-bin/nsswitch.conf",
          "etc/profile": "usr/share/base-files/profile",
          "root/.bashrc": "usr/share/base-files/dot.bashrc",
          "root/.profile": "usr/share/base-files/dot.profile"}


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def recipe_read(path):
    lines = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split("#")[0].split()
            if words and words[0] == "from":
                lines += recipe_read(os.path.join(os.path.dirname(path), words[1]))
            elif words:
                lines.append(words)
    return lines


def recipe_words(recipe, word):
    return [line[1:] for line in recipe if line[0] == word]


def apt(debs, arguments):
    """apt-get for a system without any package, which keeps its archives in DEBS."""
    options = ["-o", "Dir::State::status=/dev/null", "-o", "Dir::Cache::archives=" + debs,
               "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=", "-qq", "-y",
               "--no-install-recommends"]
    done = subprocess.run(["apt-get", *options, *arguments], stdout=subprocess.PIPE, text=True,
                          check=True)
    return done.stdout


def packages_fetch(packages, debs):
    """The files of the packages and of what they need, by name."""
    os.makedirs(os.path.join(debs, "partial"), exist_ok=True)
    listed = apt("/nonexistent", ["--print-uris", "install", *packages])
    names = sorted(line.split()[1] for line in listed.splitlines() if line.startswith("'"))
    if not all(os.path.exists(os.path.join(debs, name)) for name in names):
        apt(os.path.abspath(debs), ["--download-only", "install", *packages])
    return [os.path.join(debs, name) for name in names]


def merged(name):
    return "usr/" + name if name.split("/")[0] in MERGED else name


class Tree:
    """What the layer will hold, by path: a header and a content each."""

    def __init__(self):
        self.entries = {}
        self.sources = {}  # by a package's name: the name and the version of its source
        for name in MERGED:
            self.directory_add("usr/" + name, 0o755)
            self.link_add(name, "usr/" + name)

    def add(self, about, data=b""):
        about.size = len(data)
        self.entries[about.name] = (about, data)

    def parents_add(self, name):
        parent = os.path.dirname(name)
        if parent and parent not in self.entries:
            self.directory_add(parent, 0o755)

    def make(self, name, kind, mode, data=b"", target=""):
        self.parents_add(name)
        about = tarfile.TarInfo(name)
        about.type, about.mode, about.linkname = kind, mode, target
        self.add(about, data)

    def directory_add(self, name, mode):
        self.make(name, tarfile.DIRTYPE, mode)

    def link_add(self, name, target):
        self.make(name, tarfile.SYMTYPE, 0o777, target=target)

    def file_add(self, name, data, mode=0o644):
        self.make(name, tarfile.REGTYPE, mode, data)

    def data(self, name):
        return self.entries[name][1]

    def package_add(self, deb):
        """Unpacks a package and enters it into dpkg's database."""
        listed = ["/."]
        with tarfile.open(fileobj=io.BytesIO(output("dpkg-deb", "--fsys-tarfile", deb))) as tar:
            for about in tar:
                name = about.name.removeprefix("./").rstrip("/")
                if name in ("", "."):
                    continue
                listed.append("/" + name)
                about.name = merged(name)
                if about.islnk():
                    about.linkname = merged(about.linkname.removeprefix("./"))
                about.pax_headers = {}
                if about.name.startswith(LEFT_OUT) or about.isdir() and about.name in self.entries:
                    continue
                self.add(about, tar.extractfile(about).read() if about.isreg() else b"")
        with tarfile.open(fileobj=io.BytesIO(output("dpkg-deb", "--ctrl-tarfile", deb))) as tar:
            files = {about.name.removeprefix("./"): tar.extractfile(about).read()
                     for about in tar if about.isreg()}
        control = files["control"].decode()
        fields = dict(line.split(": ", 1) for line in control.splitlines() if ": " in line)
        name = fields["Package"]
        source, _, version = fields.get("Source", name).partition(" ")
        self.sources[name] = source, version.strip("()") or fields["Version"]
        if fields.get("Multi-Arch") == "same":
            name += ":" + fields["Architecture"]
        self.file_add("var/lib/dpkg/info/" + name + ".list", "".join(
            line + "\n" for line in listed).encode())
        if "md5sums" in files:
            self.file_add("var/lib/dpkg/info/" + name + ".md5sums", files["md5sums"])
        return control.rstrip("\n").replace("\n", "\nStatus: install ok installed\n", 1) + "\n\n"

    def folder_add(self, folder, name):
        self.directory_add(name, 0o755)
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            inner = name + "/" + entry.name
            if entry.is_symlink():
                self.link_add(inner, os.readlink(entry.path))
            elif entry.is_dir():
                self.folder_add(entry.path, inner)
            else:
                with open(entry.path, "rb") as file:
                    self.file_add(inner, file.read(), 0o755 if os.access(entry.path, os.X_OK)
                                  else 0o644)

    def layer(self):
        buffer = io.BytesIO()
        # Hard links come behind what they link to, whatever their names.
        order = sorted(self.entries, key=lambda name: (self.entries[name][0].islnk(), name))
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name in order:
                about, data = self.entries[name]
                tar.addfile(about, io.BytesIO(data) if about.isreg() else None)
        return buffer.getvalue()


def users_make(tree, recipe):
    for kind, home in (("passwd", ":/nonexistent:/usr/sbin/nologin"), ("group", "")):
        text = tree.data("usr/share/base-passwd/" + kind + ".master").decode().replace(":*:", ":x:")
        for name, number in recipe_words(recipe, "user"):
            text += f"{name}:x:{number}:" + (f"{number}:{home}" if kind == "passwd" else "") + "\n"
        tree.file_add("etc/" + kind, text.encode())


def source_fetch(source, version, debs):
    folder = os.path.join(debs, "sources", source + "-" + version)
    if not os.path.exists(folder):
        subprocess.run([SOURCES, source, version, folder], check=True)
    return folder


def tree_make(recipe, debs):
    tree = Tree()
    packages = [name for names in recipe_words(recipe, "packages") for name in names]
    status = "".join(tree.package_add(deb) for deb in packages_fetch(packages, debs))
    tree.file_add("var/lib/dpkg/status", status.encode())
    users_make(tree, recipe)
    for name, source in COPIES.items():
        tree.file_add(name, tree.data(source))
    for name, mode in recipe_words(recipe, "directory"):
        tree.directory_add(name.lstrip("/"), int(mode, 8))
    for name, target in recipe_words(recipe, "link"):
        tree.link_add(merged(name.lstrip("/")), target)
    for name, folder, path, *near in recipe_words(recipe, "source"):
        source, version = tree.sources[name]
        sources = source_fetch(source, near[0] if near else version, debs)
        tree.folder_add(os.path.join(sources, folder), path.lstrip("/"))
    return tree


def as_root(*command):
    """Runs it as root, of a namespace of our own if we are not."""
    mapped = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]
    subprocess.run([*mapped, *command], check=True)


def root_make(tree, root):
    """The files in a directory; adds the dynamic linker's cache, which only they tell."""
    fresh = root + ".new"
    as_root("rm", "-rf", fresh, root)
    os.makedirs(fresh)
    subprocess.run(["tar", "-xpf", "-", "-C", fresh], input=tree.layer(), check=True)
    as_root("/sbin/ldconfig", "-X", "-r", fresh)
    as_root("rm", "-rf", os.path.join(fresh, "var/cache/ldconfig"))
    with open(os.path.join(fresh, "etc/ld.so.cache"), "rb") as file:
        tree.file_add("etc/ld.so.cache", file.read())
    os.rename(fresh, root)


def main():
    path, debs, root, directory = sys.argv[1:]
    recipe = recipe_read(path)
    tree = tree_make(recipe, debs)
    root_make(tree, root)
    config = {
        "Env": [layout.PATH] + [value for (value,) in recipe_words(recipe, "env")],
        "Cmd": recipe_words(recipe, "command")[-1],
        "WorkingDir": "/",
    }
    layout.layout_write(directory, os.path.basename(path), config, tree.layer())


main()
