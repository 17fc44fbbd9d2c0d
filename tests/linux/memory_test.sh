#!/bin/bash
# TAP: what happens when a container's memory is used up: by the applications, or by what the
# personality needs for them.
cd "$(dirname "$0")" || exit 1
number=0
failed=0
log=

check() { # check WHAT COMMAND...
    local what=$1
    shift
    number=$((number + 1))
    if "$@"; then
        echo "ok $number - $what"
    else
        echo "not ok $number - $what"
        printf '%s\n' "$log" | tail -n 40 | sed 's/^/# /'
        failed=1
    fi
}
count() { # count TIMES LINE: so many lines say it
    [ "$(grep -cE "$2" <<<"$log")" = "$1" ]
}

log=$(./bringup.sh -d -o memory=16 'tail /dev/zero; echo code $?; echo still here')
check "a process that touches more than the limit is killed" count 1 'out: code 137$'
check "its shell goes on" count 1 'out: still here$'
check "and the container is said to have been short of memory" \
    count 1 'ended code 0, out of memory'

log=$(./bringup.sh -d -o memory=16 'sleep 100 & tail /dev/zero & wait $!; kill %1 && echo spared')
check "the biggest process is killed, not a small one" count 1 'out: spared$'

log=$(./bringup.sh -d -o memory=16 'exec tail /dev/zero')
check "a main process that is killed so ends its container with 137" \
    count 1 'ended code 137, out of memory'

log=$(./bringup.sh -d -o memory=16 \
    'dd if=/dev/zero of=/tmp/x bs=4k 2>&1 | cat; rm /tmp/x; sleep 0 && echo freed')
check "files that fill the memory leave the container usable once they are removed" \
    count 1 'out: freed$'

log=$(./bringup.sh -k build/tests/linux-programs.elf -o memory=32 '/tests/remap 5000; echo code $?')
check "mremap moves what there is no room for twice" count 1 'out: moved: there 1, content 1$'

log=$(./bringup.sh -d -o memory=1 'echo never')
check "a limit that is too small to start is one clear line" \
    count 1 'launched .*: exec: .*: the memory limit is too small'

bomb='exec 2>/dev/null; f() { f | f & }; f'
pause='i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done' # without a process
log=$(./bringup.sh -d -t 120 -n 3 -o memory=8 \
    "$bomb; $pause; echo still here; kill -9 -1; $pause; $pause; sleep 1; sleep 1; echo alone")
check "processes without end do not end the personality" count 0 'ended code 255|faulted'
check "the shell that started them goes on" count 3 'out: still here$'
check "and when they are killed there is room again" count 3 'out: alone$'

log=$(./bringup.sh -d -t 120 -o memory=32 "$bomb; i=0; while [ \$i -lt 300 ]; do i=\$((i+1)); done
    echo still here; kill -9 -1; echo killed")
check "nor do they in a larger container" count 1 'out: killed$'

log=$(./bringup.sh -d -t 120 -o memory=8 'for i in 1 2 3 4 5 6 7 8; do
    for j in $(seq 1 40); do sleep 1000 2>/dev/null & done; kill $(jobs -p) 2>/dev/null; wait; done
    echo reused')
check "what ended processes held is used again" count 1 'out: reused$'
log=$(./bringup.sh -d 'set -- $(grep MemTotal /proc/meminfo); echo total $2; free >/dev/null')
check "without a limit programs are told of a machine that could be" count 1 'out: total 4194304$'
check "a call that programs do well without is not reported as missing" \
    count 0 'missing system call 334'
echo "1..$number"
exit $failed
