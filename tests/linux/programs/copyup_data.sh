#!/bin/sh
# Make the files that copyup.c changes: copyup_data.sh FOLDER.
set -eu
mkdir -p "$1/folder"
cd "$1"
umask 022
echo plain >plain
echo first >log
echo to be truncated >trunc
echo linked >one
ln -f one two
echo attributes >attributes
echo private >private
seq 1 150000 >large
printf old >folder/old
printf stays >folder/stays
ln -sf plain link
chmod 640 plain
echo labelled >labelled
python3 -c '
import os
os.setxattr("labelled", "user.origin", b"image")
os.setxattr("labelled", "user.empty", b"")
os.setxattr("folder", "user.kind", b"folder")
'
