#!/bin/bash
# The same files for the Linux guest: initramfs.sh FILE ROOT LAYER-TAR INIT.
set -eu
out=$1 root=$2 layer=$3 init=$4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
archive() { # archive FOLDER: its files, as root's
    (cd "$1" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null)
}
tar -C "$folder" -xf "$layer"
cp "$init" "$folder/init"
{
    archive "$root"
    archive "$folder"
} >"$out"
