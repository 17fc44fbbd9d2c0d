#!/bin/bash
# The image that is changed, with one of each kind of file, inode and attribute: make_image.sh IMAGE.
# walk.c names its files. Without root it lacks device nodes and large user numbers.
set -eu
image=$(realpath "$1")
folder=$(mktemp -d -p "$(dirname "$image")")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
repeat() { # repeat COUNT CHARACTER
    head -c "$1" /dev/zero | tr '\0' "$2"
}
mkdir -p tree/dir/sub tree/many tree/labels
printf 'in a folder' >tree/dir/sub/file
printf hello >tree/tail
repeat 8192 p >tree/plain
repeat 5000 t >tree/mixed
: >tree/nothing
ln tree/plain tree/dir/hard
ln -s dir/sub/file tree/link
ln -s "$(repeat 300 l)" tree/long
mkfifo tree/fifo
if [ "$(id -u)" = 0 ]; then
    mknod tree/null c 1 3
    mknod tree/block b 259 70000
    chown -h 100000:100001 tree/tail tree/link # only the larger inodes hold them
fi
for i in $(seq -w 0 69); do
    : >"tree/many/$i$(repeat 80 x)"
done
for i in 1 2 3; do
    : >tree/labels/$i
done
python3 - <<'END'
import os
for name in "123":
    os.setxattr("tree/labels/" + name, "user.same", b"alike")
os.setxattr("tree/labels/1", "user.own", b"x" * 20)
END
chmod 4751 tree/mixed
# Without a checksum, which would tell Linux of each change in the first block.
mkfs.erofs --quiet -E nosbcrc -T 1600000000 -U 00000000-0000-0000-0000-000000000001 "$image" tree >/dev/null
