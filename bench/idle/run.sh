#!/bin/bash
# What an idle container costs: OAK_BENCH_IDLE of them (200) at once in a machine of 1 GiB. Prints
# rows (name, value, unit, conditions): what leaves the machine's free memory, and of that what is
# charged to the container, to its personality and to its application.
set -u
cd "$(dirname "$0")/../.." || exit 1
oak=build/host/oak
count=${OAK_BENCH_IDLE:-200}
OAK_STATE=$(mktemp -d)
export OAK_STATE
finish() {
    timeout -k 1 10 "$oak" machine stop >/dev/null 2>&1
    rm -rf "$OAK_STATE"
}
trap finish EXIT

counter() {
    timeout -k 1 10 "$oak" machine statistics ${2+"$2"} | awk -v key="$1" '$1 == key { print $2 }'
}

# row NAME TOTAL UNIT CONDITIONS: a container's share.
row() {
    printf '%s\t%s\t%s\t%s\n' "$1" "$(($2 / count))" "$3" "$4"
}

{ "$oak" machine start --memory 1G && "$oak" load -q -i build/images/busybox; } >/dev/null 2>&1 || exit 1
# The image's pages and what is made at first use.
for _ in 1 2 3; do
    timeout -k 1 30 "$oak" run --rm busybox sleep 0 || exit 1
done
sleep 1
free=$(counter machine.memory_free_bytes)
objects=$(counter machine.objects)
cache=$(counter store.cache_bytes)
for ((i = 0; i < count; i++)); do
    timeout -k 1 30 "$oak" run -d --name "idle-$i" busybox sleep 100000 >/dev/null || exit 1
done
sleep 1
charged=0
application=0
for ((i = 0; i < count; i++)); do
    read -r all part < <(timeout -k 1 10 "$oak" machine statistics "idle-$i" |
        awk '$1 == "memory.bytes" { a = $2 } $1 == "application.memory.bytes" { b = $2 } END { print a, b }')
    charged=$((charged + all)) application=$((application + part))
done
conditions="$count containers of sleep at once, 1 GiB; a container's share"
row idle.bytes $((free - $(counter machine.memory_free_bytes) - $(counter store.cache_bytes) + cache)) bytes \
    "$conditions of the machine's free memory, without the page cache"
row idle.charged.bytes "$charged" bytes "$conditions of what its account pays for: frames, tables, objects"
row idle.personality.bytes $((charged - application)) bytes "of which: personality and kernel objects"
row idle.application.bytes "$application" bytes "of which: the application's frames, tables, objects"
row idle.objects $(($(counter machine.objects) - objects)) objects "$conditions of kernel objects"
