#!/bin/bash
# Limits of CPU time, memory and processes on the real machine, changed while a container runs, and oak
# stats, which shows what is used.
. "$(dirname "$0")/lib.sh"

limits='{{.HostConfig.Memory}} {{.HostConfig.CpuShares}} {{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}} {{.HostConfig.PidsLimit}}'

run_oak run -d --name busy --cpus 0.25 -c 512 -m 64m --pids-limit 20 busybox \
    sh -c 'while :; do :; done'
expect "run takes limits of CPU time, memory and processes" 0 "????????????????????????????????????????????????????????????????"
run_oak inspect -f "$limits" busy
expect "inspect tells them in docker's units" 0 "67108864 512 25000 100000 20"
run_oak exec busy cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/memory.max
expect "and the container finds its quota where Linux has it" 0 $'25000 100000\n20\n*'

# throttled: the container has been held back for more than that many ns since it began.
throttled() {
    [ "$(statistic cpu.throttled_ns busy)" -gt "$1" ]
}
wait_for 10 throttled 500000000
result $? "a quota holds a container back"

# share: the hundredths of a CPU that the container used in a while of three seconds.
share() {
    local used began
    used=$(statistic cpu.ns busy) began=$(statistic machine.uptime_ns busy)
    sleep 3
    echo $((($(statistic cpu.ns busy) - used) * 100 / ($(statistic machine.uptime_ns busy) - began)))
}
# share_is LOW HIGH: in one of a few whiles; the host may be busy.
share_is() {
    for _ in 1 2 3 4; do
        local used
        used=$(share)
        [ "$used" -ge "$1" ] && [ "$used" -le "$2" ] && return 0
        echo "# used $used of 100"
    done
    return 1
}
share_is 10 35
result $? "to a quarter of a CPU"
run_oak update --cpus 0 --pids-limit -1 -m 96m busy
expect "update prints the name" 0 "busy"
run_oak inspect -f "$limits" busy
expect "and changes what it was told to, no more" 0 "100663296 512 0 100000 0"
run_oak exec busy cat /sys/fs/cgroup/cpu.max
expect "of which the container is told" 0 "max 100000"
share_is 50 110
result $? "a quota taken away while the container runs holds it back no more"

run_oak stats --no-stream
expect "stats has docker's columns" 0 "CONTAINER ID*NAME*CPU %*MEM USAGE / LIMIT*MEM %*NET I/O*BLOCK I/O*PIDS*busy*%*B / 96MiB*%*1"
run_oak stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' busy
expect "and formats" 0 "busy 1 * / 96MiB"
run_oak stats --no-stream --format json
expect "and JSON" 0 '{*"CPUPerc":*"Name":*"busy"*}'
timeout -k 1 5 "$oak" stats >"$work/live"
[ "$(grep -c 'CONTAINER ID' "$work/live")" -ge 2 ]
result $? "without --no-stream it shows them again and again"
run_oak stats --no-stream no-such
expect "stats of what is not there says so" 1 "" "oak: no such container: no-such*"
run_oak rm -f busy
run_oak stats --no-stream
expect "where nothing runs only the titles are shown" 0 "CONTAINER ID*PIDS"

run_oak run --rm --pids-limit 4 busybox sh -c 'for i in 1 2 3 4 5 6; do sleep 1 & done; wait'
[ $code -ne 0 ] || grep -q fork "$work/err"
result $? "--pids-limit refuses a process too many"
run_oak run --rm --pids-limit 4 busybox sh -c 'sleep 0.1 & sleep 0.1 & wait; echo fits'
expect "and lets in what fits" 0 "fits"

for flag in --cpus=0.001 --cpus=x --cpu-shares=1 --cpu-quota=10 --cpu-period=10 --pids-limit=x; do
    run_oak run $flag busybox true
    expect "$flag is refused" 125 "" "oak: run: ${flag%%=*} takes *"
    run_oak update $flag busybox
    expect "by update as well" 125 "" "oak: update: ${flag%%=*} takes *"
done
run_oak run --cpus 1 --cpu-quota 10000 busybox true
expect "--cpus and --cpu-quota exclude each other" 125 "" "oak: run: --cpus says what*"
run_oak update --cpus 1 no-such
expect "update of what is not there says so" 1 "" "oak: no such container: no-such*"
done_testing
