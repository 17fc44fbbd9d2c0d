#!/bin/sh
# Run attacking programs one after the other and say how each ended: each.sh PROGRAMS NAME...
programs=$1
shift
for name; do
    echo "begin $name"
    /bin/timeout -s KILL 300 "$programs/$name" </dev/null 2>&1
    echo "end $name: code $?"
done
echo "the container goes on"
