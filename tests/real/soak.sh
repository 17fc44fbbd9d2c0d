#!/bin/bash
# Many containers, OAK_SOAK of them (200), 16 at a time, that end in every way: afterwards nothing is
# charged to containers, the kernel has the same objects, and as much memory is free, or spare in the
# kernel's slabs and object table, or holds pages of images as before: to the byte.
. "$(dirname "$0")/lib.sh"
total=${OAK_SOAK:-200}
workers=16
export LC_ALL=C

# container NUMBER: one life. Prints what was not as it should be.
container() {
    local name=soak-$1 got
    case $(($1 % 8)) in
    0) got=$("$oak" run --rm --name "$name" busybox sh -c 'exit 7'; echo $?); [ "$got" = 7 ] ;;
    1) got=$("$oak" run --rm --name "$name" busybox seq 1 20000 | md5sum); [ "$got" = "$sequence" ] ;;
    2) got=$("$oak" run --rm --name "$name" busybox sh -c 'kill -9 $$'; echo $?); [ "$got" = 137 ] ;;
    3) got=$(head -c 200000 /dev/zero | "$oak" run --rm -i --name "$name" busybox wc -c); [ "$got" = 200000 ] ;;
    4)
        "$oak" run -d --name "$name" busybox sleep 1000 >/dev/null &&
            got=$("$oak" exec "$name" echo inside) && [ "$got" = inside ] &&
            "$oak" rm -f "$name" >/dev/null
        ;;
    5)
        "$oak" run -d --name "$name" busybox sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.02; done' >/dev/null &&
            wait_for 20 logged "$name" up && "$oak" stop "$name" >/dev/null &&
            got=$("$oak" wait "$name") && [ "$got" = 3 ] && "$oak" rm "$name" >/dev/null
        ;;
    6)
        got=$("$oak" run --rm --name "$name" busybox sh -c \
            'for i in 1 2 3 4; do (echo $i >/tmp/$i; cat /tmp/$i | sort) & done; wait' | sort | tr -d '\n')
        [ "$got" = 1234 ]
        ;;
    7)
        "$oak" run --name "$name" busybox sh -c 'while :; do echo noise; done' >/dev/null 2>&1 &
        wait_for 20 running "$name" && "$oak" kill "$name" >/dev/null
        wait $!
        got=$?
        [ $got = 137 ] && "$oak" rm "$name" >/dev/null
        ;;
    esac || echo "$name: got $got"
}

worker() {
    local number
    for ((number = $1; number < total; number += workers)); do
        container "$number"
    done
}

# measure: bytes that are free or hold pages of images, which stay in memory when they were read;
# objects, and what is charged to containers. The idle CPUs take a moment to give back what ended last.
measure() {
    timeout -k 1 10 "$oak" machine statistics | awk '
        $1 ~ /^(memory.bytes|machine.objects|containers)$/ { print $1, $2 }
        $1 ~ /^(machine.memory_(free|spare)_bytes|store.cache_bytes)$/ { sum += $2; parts = parts " " $1 " " $2 }
        END { print "free_spare_or_image_bytes", sum; print parts >"'"$work/parts"'" }'
}

settled() {
    measure >"$work/after"
    [ "$(wc -l <"$work/after")" -eq 4 ] && cmp -s "$work/before" "$work/after"
}

sequence=$(seq 1 20000 | md5sum)
# Once, all of it, so that what is made at first use is there: the image's pages, slabs, tables.
for ((i = 0; i < 3 * workers; i++)); do
    container $i &
    [ $((i % workers)) -ne 0 ] || wait
done >"$work/warm" 2>&1
wait
sleep 1
measure >"$work/before"
cp "$work/parts" "$work/parts_before"
for ((i = 0; i < workers; i++)); do
    worker $i &
done >"$work/troubles" 2>&1
wait
[ ! -s "$work/troubles" ]
result $? "$total containers end as they should, $workers at a time"
head -n 20 "$work/troubles" | sed 's/^/  /'
run_oak ps -aq
expect "none is left" 0 ""
wait_for 10 settled
result $? "charges, objects and free memory are what they were"
paste "$work/before" "$work/after" | awk '{ print "# " $1 ": before " $2 ", after " $4 ", difference " $4 - $2 }'
sed 's/^/# before:/' "$work/parts_before"
sed 's/^/# after:/' "$work/parts"
run_oak run --rm busybox echo end
expect "and the machine serves on" 0 "end"
done_testing
