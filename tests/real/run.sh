#!/bin/bash
# oak run on the real machine: streams, exit codes, and every flag, as a docker user expects them.
. "$(dirname "$0")/lib.sh"

run_oak run --rm busybox echo hello
expect "run shows the container's output" 0 "hello"
run_oak run --rm busybox sh -c 'echo out; echo err >&2; exit 7'
expect "stdout, stderr and the exit code stay apart" 7 "out" "err"
run_oak run --rm busybox sh -c 'kill -9 $$'
expect "a signal's death is 128 + its number" 137 ""
run_oak run --rm busybox sh -c 'kill -TERM $$; echo survived'
expect "a first process without a handler ignores its own SIGTERM" 0 "survived"
run_oak run --rm busybox sh -c 'sh -c "kill -SEGV \$\$"; exit $?'
expect "a child's death by a signal is seen by its shell" 139 "" "*"
run_oak run --rm -i busybox cat <<<typed
expect "with -i stdin reaches the container, and its end too" 0 "typed"
run_oak run --rm busybox cat <<<typed
expect "without -i the container reads end of file" 0 ""
run_oak run --rm busybox no-such-program
expect "a command that is not there is 127" 127 "" "oak: *no-such-program*"
run_oak run --rm busybox /etc
expect "a directory as the command is 126" 126 "" "oak: */etc*"
run_oak run --rm busybox /etc/passwd
expect "a file without the right to execute is 126" 126 "" "oak: */etc/passwd*"
run_oak run --rm no-such-image true
expect "an image that is not there is 125 and says what to do" 125 "" "oak: *no-such-image*oak pull*"
run_oak run --no-such busybox
expect "an unknown flag is 125" 125 "" "oak: run: unknown flag: --no-such*"
run_oak ps -aq
expect "--rm leaves nothing, not even of containers that did not start" 0 ""

run_oak run --rm -e A=1 --env=B=2 -eC= busybox sh -c 'echo "$A $B [$C]"; env | grep -c ^C='
expect "-e sets variables, empty ones too" 0 "1 2 []
1"
printf '# comment\nD=3 4\n\nFROM_HOST\n' >"$work/env"
FROM_HOST=5 run_oak run --rm --env-file "$work/env" busybox sh -c 'echo "$D" $FROM_HOST'
expect "--env-file sets variables, and takes those without a value from outside" 0 "3 4 5"
run_oak run --rm busybox sh -c 'echo "$HOME $PATH"'
expect "HOME and PATH are there without asking" 0 "/root */bin*"
run_oak run --rm -w /etc busybox pwd
expect "-w is the working directory" 0 "/etc"
run_oak run --rm -w /made/here busybox pwd
expect "a working directory that is missing is made" 0 "/made/here"
run_oak run --rm -u nobody busybox id -u
expect "-u takes a name of the image's passwd" 0 "65534"
run_oak run --rm -u 1000:1001 busybox sh -c 'id -u; id -g; cat /root/x 2>&1; : >/etc/x'
expect "-u UID:GID has no right to root's files" 1 "1000
1001
*ermission denied*" "*ermission denied*"
run_oak run --rm -u no-such-user busybox true
expect "an unknown user is refused" 125 "" "oak: *no-such-user*"
run_oak run --rm --entrypoint /bin/echo busybox a b
expect "--entrypoint replaces the image's command too" 0 "a b"
run_oak run --rm --hostname forest busybox sh -c 'hostname; uname -n; grep -c forest /etc/hosts; cat /etc/hostname'
expect "--hostname is in uname, /etc/hosts and /etc/hostname" 0 "forest
forest
1
forest"
run_oak run --rm busybox sh -c 'hostname'
expect "without --hostname it is the short identifier" 0 "????????????"
run_oak run --rm busybox sh -c 'grep localhost /etc/hosts; test -f /etc/resolv.conf && echo resolv'
expect "/etc/hosts and /etc/resolv.conf are generated" 0 "127.0.0.1*localhost*resolv"
run_oak run --rm --read-only busybox sh -c 'echo x >/x'
expect "--read-only refuses to write" 1 "" "*ead-only file system*"
run_oak run --rm --read-only --tmpfs /scratch busybox sh -c 'echo kept >/scratch/x && cat /scratch/x'
expect "and --tmpfs may be written nevertheless" 0 "kept"
run_oak run --rm --tmpfs /small:size=64k busybox sh -c 'dd if=/dev/zero of=/small/x bs=1k count=128 2>&1 | grep -o "No space.*"; wc -c </small/x'
expect "--tmpfs keeps its size" 0 "No space left on device
65536"
run_oak run --rm -m 32m busybox sh -c 'dd if=/dev/zero of=/dev/null bs=4M count=4 2>/dev/null && echo fits'
expect "--memory leaves what is below it alone" 0 "fits"
run_oak run -m 32m --name hungry busybox sh -c 'exec dd if=/dev/zero of=/dev/null bs=200M count=1'
expect "--memory ends who wants more, with SIGKILL" 137 "" "*"
run_oak inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' hungry
expect "and inspect says why" 0 "true 137"
run_oak rm hungry
expect "such a container can be removed" 0 "hungry"
run_oak run --rm -m 5 busybox true
expect "a senseless memory limit is refused" 125 "" "oak: run: --memory*"

for flag in -v=/a:/b -p=80:80 --network=host --privileged --cap-add=ALL --cpuset-cpus=2 --init -P; do
    run_oak run $flag busybox true
    expect "$flag is refused in one line that names it" 125 "" "oak: run: ${flag%%=*} is not supported yet*"
done

run_oak run -d --name one busybox sh -c 'echo up; sleep 1000'
expect "-d prints the identifier" 0 "????????????????????????????????????????????????????????????????"
id=$out
run_oak run -d --name one busybox true
expect "a name that is taken is refused" 125 "" "oak: the container name one is in use*"
run_oak ps
expect "ps shows what runs" 0 "CONTAINER ID*${id:0:12}*busybox*Up*one"
run_oak rm -f one
expect "rm -f removes what runs" 0 "one"
run_oak run -d --rm --name brief busybox true
wait_for 5 sh -c "! $oak inspect brief"
result $? "-d --rm removes the container when it ends"
run_oak run --cidfile "$work/cid" --rm busybox true
expect "--cidfile is written" 0 ""
[ "$(wc -c <"$work/cid")" -eq 64 ]
result $? "with the identifier"

# A container's own way to look at itself.
run_oak run --rm busybox sh -c 'echo $$; ls /proc/self/fd | wc -l; cat /proc/1/comm; :'
expect "the command is process 1" 0 "1
4
sh"
run_oak run --rm busybox sh -c 'echo o >/dev/stdout; echo e >>/dev/stderr; echo i | cat /dev/stdin'
expect "its streams may be opened again by name" 0 "o
i" "e"
run_oak run --rm -u nobody busybox sh -c 'echo o >/dev/stdout; echo e >/dev/stderr'
expect "by another user, too" 0 "o" "e"
run_oak run --rm busybox sh -c 'touch /new && rm /bin/true && ls /new && ! test -e /bin/true'
expect "the image's files may be changed" 0 "/new"
run_oak run --rm busybox sh -c 'ls /new 2>&1; true'
expect "in this container only" 0 "*No such file*"

head -c 20000000 /dev/urandom >"$work/big"
sum=$(sha256sum <"$work/big")
[ "$(timeout -k 1 60 "$oak" run --rm -i busybox cat <"$work/big" | sha256sum)" = "$sum" ]
result $? "20 MB go in and come out unchanged"
[ "$(timeout -k 1 20 "$oak" run --rm busybox sh -c 'cat /dev/zero' | head -c 10 | wc -c)" = 10 ]
result $? "a reader that goes away ends the command"
"$oak" ps -q | xargs -r "$oak" rm -f >/dev/null

timeout -k 1 20 "$oak" run --rm --name signalled busybox sh -c \
    'trap "echo caught; exit 9" TERM; echo ready; while :; do sleep 0.05; done' >"$work/signalled" &
pid=$!
wait_for 5 grep -q ready "$work/signalled"
kill -TERM "$(pgrep -P $pid -x oak || echo $pid)"
wait $pid
code=$?
[ $code -eq 9 ] && grep -q caught "$work/signalled"
result $? "a signal to the command reaches the container"
done_testing
