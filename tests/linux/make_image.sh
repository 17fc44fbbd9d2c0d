#!/bin/bash
# Make an EROFS image of busybox and its applets: make_image.sh FILE [TESTS]. What is in the folder
# TESTS is then in /tests. The same input gives the same bytes.
set -euo pipefail
out=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
mkdir -p bin sbin usr/bin usr/sbin usr/local/bin usr/local/sbin etc root tmp proc dev sys var/tmp
chmod 700 root
chmod 1777 tmp var/tmp
cp /bin/busybox bin/busybox
busybox --list | grep -vx busybox | while read -r applet; do
    ln -s busybox "bin/$applet"
done
printf '%s\n' root:x:0:0:root:/root:/bin/sh nobody:x:65534:65534:nobody:/:/bin/false >etc/passwd
printf '%s\n' root:x:0: nogroup:x:65534: >etc/group
cd - >/dev/null
if [ $# -gt 1 ]; then
    cp -a "$2" "$folder/tests"
fi
rm -f "$out"
mkfs.erofs --quiet -T0 --all-root -U 00000000-0000-4000-8000-000000000001 "$out" "$folder" \
    >/dev/null
