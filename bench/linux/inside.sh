#!/bin/bash
# What is measured, in a container of Oak and in the Linux guest alike: inside.sh insns|ns [NAME].
# Prints "bench: NAME VALUE" for each item, or for those whose name begins with NAME, and at last
# "bench: end".
unit=$1 only=${2-}
cd "$(dirname "$0")" || exit 1
here=$PWD
watch() {
    case $1 in
    "$only"*) ./stopwatch "$unit" "$@" ;;
    esac
}
./micro "$unit" "$only"
watch python.pass 1 python3 -c pass
watch untar 1 tar -xf "$here/data/small.tar"
watch find 1 find / -xdev
watch gcc 1 gcc -O2 -c "$here/data/program.c"
watch sqlite.insert 500 sqlite3 rows.db ".read $here/data/rows.sql"
redis-server --port 6379 --save '' --daemonize yes --logfile /tmp/redis.log >/dev/null
for command in set get; do
    watch "redis.$command" 3000 redis-benchmark -q -n 3000 -c 10 -t "$command"
done
redis-cli shutdown nosave
echo "bench: end"
