#!/bin/sh
# Run programs one after the other, each in an empty folder, with lines around its output that say
# where it begins and how it ends: each.sh PROGRAMS SCRATCH DATA NAME... The same on Linux and in a
# container.
umask 022
programs=$1 scratch=$2 data=$3
shift 3
for name; do
    mkdir "$scratch/$name"
    cd "$scratch/$name" || exit 1
    echo "begin $name"
    env -i PATH=/bin:/usr/bin TEST_DATA="$data" timeout -s KILL 60 "$programs/$name" </dev/null 2>&1
    echo "end $name: code $?"
done
