#!/bin/bash
# The machine's life: started by the first who needs it, once; gone when it dies, and everyone who
# used it is told; clean after kill -9 of any of its processes.
. "$(dirname "$0")/lib.sh"

run_oak machine status
expect "a machine that was never started is reported as stopped" 1 "*stopped*"

run_oak machine start
expect "a machine starts, and says nothing when all is well" 0 "" ""
run_oak machine status --json
expect "its status is JSON" 0 '*"state": "running"*'

daemon=$(status_value daemon_pid)
engine=$(status_value machine_pid)
run_oak machine start
expect "starting what runs already is no error" 0 ""
[ "$(status_value daemon_pid)" = "$daemon" ]
result $? "and starts no second machine"

run_oak machine stop
expect "it stops" 0 ""
# cat ends when nobody holds the pipe any more.
timeout -k 1 20 sh -c "{ $oak machine start 9>&1 >/dev/null; } | cat"
result $? "the daemon keeps no descriptor that the command was started with"
daemon=$(status_value daemon_pid)
engine=$(status_value machine_pid)
run_oak machine stop
! kill -0 "$daemon" 2>/dev/null || sleep 0.2
! kill -0 "$engine" 2>/dev/null
result $? "and its QEMU is gone when stop returns"
run_oak machine stop
expect "stopping what does not run is no error" 0 ""

# Ten at once: the lock lets one start it, all get it.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    "$oak" machine start &
done
wait
[ "$(status_value clients)" = 1 ] && [ "$(pgrep -f "$OAK_STATE/store.img" | wc -l)" = 1 ]
result $? "ten simultaneous starts make one machine"

daemon=$(status_value daemon_pid)
engine=$(status_value machine_pid)
kill -9 "$daemon"
wait_for 5 sh -c "! kill -0 $engine"
result $? "QEMU dies with a daemon that is killed with -9"
run_oak machine start
expect "the next command starts a new machine in spite of the stale socket" 0 ""

kill -9 "$(status_value machine_pid)"
wait_for 5 sh -c "! $oak machine status"
result $? "the daemon ends when QEMU is killed"
run_oak machine start
expect "and the next command starts a new machine" 0 ""
run_oak machine stop

export OAK_ACCELERATOR=auto FAKE_MODE=hang-kvm
if [ -w /dev/kvm ]; then
    begin=$(date +%s%N)
    run_oak machine start
    took=$((($(date +%s%N) - begin) / 1000000))
    expect "a KVM that hangs is given up, in one line" 0 "" \
        "*starting the Oak machine*KVM does not work here*"
    [ $took -lt 4000 ]
    result $? "within two seconds and the start itself"
    run_oak machine stop
    run_oak machine start
    expect "and that is remembered" 0 "" ""
    run_oak machine stop
    sed -i 's/ qemu-[0-9]*/ qemu-0/' "$OAK_STATE/accelerator"
    run_oak machine start
    expect "until what the answer depends on has changed" 0 "" "*KVM does not work here*"
    run_oak machine stop
    rm "$OAK_STATE/accelerator"
    run_oak machine start
    expect "or the answer was deleted" 0 "" "*KVM does not work here*"
    run_oak machine stop
    FAKE_MODE= run_oak machine start --accelerator kvm
    expect "KVM that is asked for is tried whatever is remembered" 0 "" ""
    [ "$(status_value accelerator)" = kvm ]
    result $? "and used"
    run_oak machine stop
    FAKE_MODE= run_oak machine start
    [ "$(status_value accelerator)" = kvm ]
    result $? "and remembered when it works"
    run_oak machine stop
else
    result 0 "KVM that hangs is given up # SKIP no /dev/kvm"
fi
export OAK_ACCELERATOR=tcg

export FAKE_MODE=garbage
run_oak machine start
expect "an engine that sends no frames fails the start in one line" 125 "" \
    "oak: the machine did not start*"
export FAKE_MODE=
OAK_QEMU=/nonexistent run_oak machine start
expect "a missing QEMU is named, with what to do" 125 "" "oak: qemu-system-x86_64 was not found*"
OAK_KERNEL=/nonexistent run_oak machine start
expect "a missing kernel is named, with what to do" 125 "" "oak: *oak.elf was not found*"
run_oak machine start --cpus 1000
expect "a value out of range is refused" 125 "" "oak: machine start: '1000' is no value for --cpus"

long=$work/$(printf 'd%.0s' {1..120})
OAK_STATE=$long run_oak machine start
expect "a state directory with a long path works" 0 ""
OAK_STATE=$long run_oak machine stop
exit ${failed:-0}
