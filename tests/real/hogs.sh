#!/bin/bash
# Containers that take all they can (processes, memory, descriptors, signals) hurt only themselves: beside
# each of them, and all of them together, a neighbour's work goes on and comes out right, each can be
# killed, and the machine has afterwards what it had before.
. "$(dirname "$0")/lib.sh"

declare -A hog=(
    [processes]='f() { f | f & }; f; sleep 1000'
    [memory]='while :; do tail /dev/zero; done'
    [descriptors]='take() { i=3; while :; do eval "exec $i</etc/passwd"; i=$((i + 1)); done; }
        n=0; while [ $n -lt 40 ]; do (take; sleep 1000) & n=$((n + 1)); done; wait'
    [signals]='trap : USR1; n=0; while [ $n -lt 8 ]; do
        sh -c "trap : USR1; while :; do kill -USR1 $$; kill -USR1 0; done" & n=$((n + 1)); done
        while :; do wait; done'
)
names='processes memory descriptors signals'

# What the neighbour does, and what comes out: files, processes, pipes.
task='mkdir /work; cd /work; i=0; while [ $i -lt 40 ]; do echo $i >file$i; cat file$i | tr 0-9 a-j >$i.out
    i=$((i + 1)); done; cat *.out | sort | md5sum; seq 1 20000 | md5sum; cd /; rm -r /work'
run_oak run --rm busybox sh -c "$task"
expected=$out

free_bytes() {
    statistic machine.memory_free_bytes
}
works() { # works WHAT
    LIMIT=60 run_oak exec neighbour sh -c "$task"
    expect "$1" 0 "$expected"
}
hog_start() {
    run_oak run -d --name "$1" -m 48m busybox sh -c "${hog[$1]}" 2>/dev/null
}
hog_end() {
    LIMIT=60 run_oak rm -f "$1"
    expect "the hog of $1 can be killed" 0 "$1"
}

run_oak run -d --name neighbour busybox sleep 1000
expect "a neighbour runs" 0 "????????????????????????????????????????????????????????????????"
works "it works"
before=$(free_bytes)
for name in $names; do
    hog_start "$name"
    sleep 1
    works "beside one that takes all $name it can"
    running "$name"
    result $? "which was not ended for it"
    hog_end "$name"
done
for name in $names; do
    hog_start "$name"
done
sleep 1
works "beside all of them"
running neighbour
result $? "the neighbour was not ended"
for name in $names; do
    hog_end "$name"
done
is_free() {
    [ "$(free_bytes)" -ge $((before - 32 * 4096)) ]
}
wait_for 20 is_free
result $? "and what they took is given back"
done_testing
