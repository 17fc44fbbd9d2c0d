#!/bin/bash
# Many clients at once, each with more output than any buffer between it and its container.
. "$(dirname "$0")/lib.sh"

run_oak run -d --name big busybox sleep 1000
run_oak exec big sh -c 'dd if=/dev/urandom of=/big bs=64k count=40 2>/dev/null; md5sum </big'
sum=$out
readers=()
for i in $(seq 12); do
    timeout 60 "$oak" exec big cat /big >"$work/big.$i" 2>/dev/null &
    readers+=($!)
done
good=0
for i in $(seq 12); do
    wait "${readers[i - 1]}" && [ "$(md5sum <"$work/big.$i")" = "$sum" ] || good=1
done
result $good "what twelve clients read at once arrives whole"
good=0
starters=()
for i in $(seq 24); do
    timeout 60 "$oak" run --rm busybox sh -c "seq $i 2000; exit $i" >"$work/run.$i" 2>/dev/null &
    starters+=($!)
done
for i in $(seq 24); do
    wait "${starters[i - 1]}"
    [ $? -eq "$i" ] && [ "$(md5sum <"$work/run.$i")" = "$(seq "$i" 2000 | md5sum)" ] || good=1
done
result $good "24 containers at once each give their own output and code"
run_oak rm -f big
wait_for 5 [ "$(statistic memory.bytes)" = 0 ]
result $? "nothing is left of any of them"
done_testing
