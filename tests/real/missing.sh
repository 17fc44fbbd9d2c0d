#!/bin/bash
# What programs ask for and does not exist is counted by name, exactly, and inspect shows it.
. "$(dirname "$0")/lib.sh"

run_oak run -d --name asks busybox sh -c 'until [ -e /done ]; do sleep 0.1; done'
expect "a container runs" 0 "????????????????????????????????????????????????????????????????"
run_oak cp "$root/build/tests/real-missing" asks:/missing
expect "a program is copied into it" 0 ""

# counted: what inspect says was asked for, and how often.
counted() {
    timeout -k 1 10 "$oak" inspect asks | sed -nE 's/^ *"missing\.(.*)": ([0-9]+),?$/\1: \2/p' | sort
}
# is_counted EXPECTED WHAT
is_counted() {
    out=$(counted)
    [ "$out" = "$1" ] || echo "# counted $out"
    [ "$out" = "$1" ]
    result $? "$2"
}
is_counted "" "nothing was asked for yet"
run_oak exec asks /missing 1
is_counted $'io_uring_setup: 1\nprctl option 9999: 1\nsetsockopt level 1 option 9998: 1' \
    "a call and two options that do not exist are named, each once"
run_oak exec asks /missing 1000
counts=$'io_uring_setup: 1001\nprctl option 9999: 2\nsetsockopt level 1 option 9998: 2'
is_counted "$counts" "and counted each time"
run_oak exec asks touch /done
run_oak wait asks
is_counted "$counts" "and still known when the container has ended"
done_testing
