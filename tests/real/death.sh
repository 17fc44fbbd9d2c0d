#!/bin/bash
# Deaths: of the machine, of the command, of the daemon, in the middle of things. Whoever is left
# says so in one line, and the next command works.
. "$(dirname "$0")/lib.sh"

machine_kill() {
    kill -9 "$(status_value machine_pid)"
}

start_follower() {
    timeout -k 1 20 "$oak" run --name "$1" busybox sh -c 'echo ready; sleep 1000' >"$work/$1.out" 2>"$work/$1.err" &
    pid=$!
    wait_for 10 grep -q ready "$work/$1.out"
}

# The machine.
start_follower first
run_oak run -d --name second busybox sleep 1000
timeout -k 1 20 "$oak" wait second >"$work/wait.out" 2>"$work/wait.err" &
waiter=$!
timeout -k 1 20 "$oak" exec -i second cat >"$work/exec.out" 2>"$work/exec.err" < <(sleep 5) &
executor=$!
sleep 0.3
machine_kill
start=$(date +%s%N)
wait $pid
code=$?
echo "# a follower knew after $((($(date +%s%N) - start) / 1000000)) ms"
[ $code -eq 125 ] && [ "$(grep -c '^oak: the machine died' "$work/first.err")" = 1 ]
result $? "when the machine dies an attached command says so in one line, and ends with 125"
wait $waiter
[ $? -eq 125 ] && grep -q '^oak: the machine died' "$work/wait.err"
result $? "so does one that waits"
wait $executor
[ $? -eq 125 ] && grep -q '^oak: the machine died' "$work/exec.err"
result $? "and one that executes"
run_oak ps -aq
expect "without a machine there are no containers" 0 ""
run_oak run --rm busybox echo again
expect "the next run starts a machine, with its images" 0 "again"
run_oak ps -aq
expect "containers of the machine that died are gone" 0 ""
run_oak run -d --name first busybox true
expect "and their names are free" 0 "*"
run_oak rm -f first

# A machine that dies during an import.
mkdir -p "$work/content/data"
head -c 48M /dev/urandom >"$work/content/data/noise"
tar -C "$work/content" -cf "$work/large.tar" data
/usr/bin/python3 "$root/tests/real/make_image.py" "$layout" "$work/large" large '{}' "$work/large.tar"
free=$(statistic store.free_bytes)
"$oak" load -q -i "$work/large" >"$work/load.out" 2>"$work/load.err" &
pid=$!
# It stands still whenever we look, so that it cannot be through in between.
for ((i = 0; i < 2000; i++)); do
    kill -STOP $pid
    [ "$(statistic store.free_bytes)" -ge "$free" ] || break
    kill -CONT $pid
    sleep 0.002
done
machine_kill
kill -CONT $pid
wait $pid
code=$?
[ $code -ne 0 ] && [ "$(grep -c '^oak: ' "$work/load.err")" = 1 ]
result $? "when the machine dies during an import, that fails in one line"
cat "$work/load.err" | sed 's/^/# /'
run_oak images --format '{{.Repository}}'
expect "half an image is none" 0 "busybox"
LIMIT=60 run_oak load -q -i "$work/large"
expect "importing it again works" 0 "Loaded image: large:latest"
[ "$(timeout -k 1 60 "$oak" run --rm large sha256sum /data/noise)" = "$(sha256sum <"$work/content/data/noise" | cut -d' ' -f1)  /data/noise" ]
result $? "and every byte is right"

# The command.
start_follower orphan
kill -9 "$(pgrep -P $pid)"
wait $pid 2>/dev/null
wait_for 5 sh -c "[ \$('$oak' machine status | awk '\$1 == \"sessions\" { print \$2 }') = 0 ]"
result $? "a command that is killed leaves no session behind"
run_oak ps --format '{{.Names}}'
expect "and its container lives on, as docker's" 0 "orphan"
run_oak logs orphan
expect "with its output" 0 "ready"
run_oak rm -f orphan
expect "it can be removed" 0 "orphan"
timeout -k 1 20 "$oak" run --rm --name cleaned busybox sh -c 'echo ready; sleep 1' >"$work/cleaned" 2>&1 &
pid=$!
wait_for 10 grep -q ready "$work/cleaned"
kill -9 "$(pgrep -P $pid)"
wait $pid 2>/dev/null
wait_for 10 sh -c "[ -z \"\$('$oak' ps -aq)\" ]"
result $? "one with --rm is removed when it ends, though nobody waits"
run_oak run --rm busybox echo next
expect "the next command works" 0 "next"

# The daemon.
start_follower last
machine=$(status_value machine_pid)
kill -9 "$(status_value daemon_pid)"
wait $pid
code=$?
[ $code -eq 125 ] && [ "$(grep -c '^oak: ' "$work/last.err")" = 1 ]
result $? "when the daemon dies a command says so in one line"
sed 's/^/# /' "$work/last.err"
wait_for 5 sh -c "! kill -0 $machine"
result $? "its machine goes with it"
run_oak run --rm busybox echo anew
expect "and the next run starts both" 0 "anew"

# What a container does to itself.
run_oak run -d --name bomb -m 64m busybox sh -c 'while :; do sh -c "sleep 100" & done'
sleep 1
LIMIT=10 run_oak run --rm busybox echo neighbour
expect "neighbours of a container that forks without end do not notice" 0 "neighbour"
run_oak rm -f bomb
expect "and it can be removed" 0 "bomb"
[ "$(statistic memory.bytes)" = 0 ]
result $? "with every byte that it took"
done_testing
