#!/bin/bash
# TAP: the bring-up harness with a small program in the personality's place.
cd "$(dirname "$0")" || exit 1
kernel=build/tests/linux-stand-in.elf
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
        printf '%s\n' "$log" | sed 's/^/# /'
        failed=1
    fi
}
count() { # count TIMES LINE: so many lines say it
    [ "$(grep -cE "$2" <<<"$log")" = "$1" ]
}
memory_kept() {
    local numbers
    numbers=$(sed -nE 's/.*memory free before ([0-9]+), .* ([0-9]+), .* ([0-9]+).*/\1 \2 \3/p' \
        <<<"$log")
    [ -n "$numbers" ] && set -- $numbers && [ "$1" = "$3" ] && [ "$2" = "$3" ]
}

log=$(./bringup.sh -k $kernel -e -n 20 -i 'one\stwo\nthree' 'first second')
code=$?
check "the container's exit code comes back" [ $code = 7 ]
check "every run printed its first argument" count 20 'out: first$'
check "every run got its input, to its last incomplete line" count 20 'err: three$'
check "a space and a newline can be given as input" count 20 'err: one two$'
check "every run was launched and ended" count 20 'ended code 7 '
check "twenty containers leave no memory behind" memory_kept

check "every container is destroyed without an error" count 0 'destroy the container'

log=$(./bringup.sh -k $kernel -p build/user/tests/linux-stand-in.elf -e -n 2 fault)
code=$?
check "a personality that faults ends its container with 255" [ $code = 255 ]
check "the fault is reported with its place" \
    count 2 'container faulted: cause 3 vector 6 .*stand_in[.]c:'
check "and with the way there" \
    count 2 'container (called from|on the stack:) ffff80001004.* clone_entry'

log=$(./bringup.sh -k $kernel -t 8 -e hang)
code=$?
check "a container that does not end is given up after the limit" [ $code = 124 ]
check "and what it uses is reported before" count 1 'still running after 5[0-9]{3} ms: cpu [0-9]+ ms'

log=$(./bringup.sh -k $kernel 'echo hello')
check "without exec the command is a shell's" count 1 'out: /bin/sh$'

log=$(./bringup.sh -k $kernel -e -o memory=1 "$(printf 'a%.0s' {1..900})")
check "a long line is printed in pieces" count 2 'out: a{400}$'

log=$(./bringup.sh -k $kernel ' ')
code=$?
check "an empty command is an error of the harness" [ $code = 125 ]
echo "1..$number"
exit $failed
