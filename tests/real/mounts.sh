#!/bin/bash
# What a mount forbids: files that are executed, set-id bits, device nodes. As docker, unless --tmpfs is
# told otherwise.
. "$(dirname "$0")/lib.sh"

run_oak run -d --name box --tmpfs /plain --tmpfs /exec:exec --tmpfs /suid:exec,suid,dev busybox sleep 1000
expect "a container with three mounts runs" 0 "????????????????????????????????????????????????????????????????"
for place in plain exec suid root; do
    run_oak cp "$root/build/tests/real-identity" box:/$place/identity
    [ $place = root ] || run_oak exec box chmod 4755 /$place/identity
done
run_oak exec box chmod 4755 /root/identity
run_oak exec box chmod 755 /root
run_oak exec box grep -E ' /(plain|exec|suid) ' /proc/mounts
expect "mounts says what each forbids" 0 "tmpfs /plain tmpfs rw,nosuid,nodev,noexec,relatime 0 0
tmpfs /exec tmpfs rw,nosuid,nodev,relatime 0 0
tmpfs /suid tmpfs rw,relatime 0 0"
run_oak exec box sh -c 'for i in /proc /sys /dev/shm /dev/pts /dev; do grep " $i " /proc/mounts; done'
expect "and so do those that every container has" 0 "proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0
sysfs /sys sysfs ro,nosuid,nodev,noexec,relatime 0 0
shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime 0 0
devpts /dev/pts devpts rw,nosuid,noexec,relatime 0 0
tmpfs /dev tmpfs rw,nosuid,relatime 0 0"

run_oak exec -u 1000 box /plain/identity
expect "nothing is executed from a mount that forbids it" 126 "" "*ermission denied*"
run_oak exec -u 1000 box /exec/identity
expect "a set-id bit gives nothing where it is forbidden" 0 "1000 1000"
run_oak exec -u 1000 box /suid/identity
expect "and acts where it is not" 0 "1000 0"
run_oak exec -u 1000 box /root/identity
expect "and in the image's own files" 0 "1000 0"
run_oak exec box sh -c 'for i in /exec /suid; do mknod $i/null c 1 3 && (echo x >$i/null) 2>/dev/null; echo $?; done'
expect "a device node is not opened where that is forbidden" 0 "1
0"
done_testing
