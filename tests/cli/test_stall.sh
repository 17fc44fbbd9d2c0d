#!/bin/bash
# One client's troubles are its own: who stops reading, floods, or breaks the protocol holds up
# nobody else, and cannot make the daemon grow.
. "$(dirname "$0")/lib.sh"
load_tiny

"$oak" run --rm --name endless tiny yes >/dev/null &
stopped=$!
wait_for 5 sh -c "$oak ps -q | grep -q ."
kill -STOP $stopped
sleep 0.5
good=0
for _ in 1 2 3; do
    LIMIT=5 run_oak run --rm tiny head -c 1000000 /dev/zero
    [ "$code" -eq 0 ] && [ "$(stat -c %s "$work/out")" = 1000000 ] || good=1
done
result $good "a client that stopped reading does not hold up another"
daemon=$(status_value daemon_pid)
before=$(awk '/VmRSS/ { print $2 }' "/proc/$daemon/status")
sleep 1
after=$(awk '/VmRSS/ { print $2 }' "/proc/$daemon/status")
[ $((after - before)) -lt 4096 ]
result $? "and the daemon does not grow while it waits"
kill -CONT $stopped
sleep 0.3
kill -0 $stopped
result $? "it goes on when the client reads again"
kill -TERM $stopped
wait $stopped
[ $? -eq 143 ]
result $? "and ends with the signal's exit code"

/usr/bin/python3 "$root/tests/cli/hostile_client.py" "$OAK_STATE/machine.sock"
code=$?
[ $code -eq 0 ]
result $? "clients that send no frames, overdraw credit, invent it, or answer requests are cut off"
LIMIT=5 run_oak run --rm tiny echo alive
expect "and the others do not notice" 0 "alive" ""
[ "$(status_value daemon_pid)" = "$daemon" ]
result $? "the daemon is still the same"
wait_for 5 sh -c "[ \$($oak machine status | awk '\$1 == \"sessions\" { print \$2 }') = 0 ]"
result $? "and no session is left"

"$oak" machine stop
export FAKE_MODE=overdraw
LIMIT=10 run_oak run --rm tiny echo never
expect "an engine that overdraws credit is ended, and the client told" 125 "" \
    "oak: the machine died (its engine broke the protocol)*"
exit ${failed:-0}
