#!/bin/bash
# run, exec and the commands about containers, with docker's words, flags and exit codes.
. "$(dirname "$0")/lib.sh"
load_tiny

run_oak run --rm tiny echo hello
expect "run shows the container's output" 0 "hello" ""
run_oak run --rm tiny
expect "without a command the image's is run" 0 "the image's command" ""
run_oak run --rm tiny sh -c 'echo out; echo err >&2; exit 7'
expect "stdout, stderr and the exit code stay apart" 7 "out" "err"
run_oak run --rm tiny sh -c 'kill -9 $$'
expect "a signal's death is 128 + its number" 137 ""
run_oak run --rm -i tiny cat <<<typed
expect "with -i stdin reaches the container, and its end too" 0 "typed"
run_oak run --rm tiny cat <<<typed
expect "without -i the container reads end of file" 0 ""
run_oak run --rm tiny no-such-program
expect "a command that is not there is 127" 127 "" "oak: no-such-program: command not found*"
run_oak run --rm tiny /etc
expect "one that cannot be executed is 126" 126 "" "oak: /etc: cannot be executed*"
run_oak ps -aq
expect "--rm leaves nothing, not even of containers that did not start" 0 ""

run_oak run --rm -e A=1 -e FROM_IMAGE=no --env=B=2 tiny sh -c 'echo $A $B $FROM_IMAGE'
expect "-e replaces and adds" 0 "1 2 no"
printf '# comment\nC=3 4\n\nFROM_HOST\n' >"$work/env"
FROM_HOST=5 run_oak run --rm --env-file "$work/env" tiny sh -c 'echo "$C" $FROM_HOST $FROM_IMAGE'
expect "--env-file is read as docker does" 0 "3 4 5 yes"
run_oak run --rm -w /etc tiny pwd
expect "-w is the working directory" 0 "/etc"
run_oak run --rm --entrypoint /bin/echo tiny a b
expect "--entrypoint replaces the image's command too" 0 "a b"
run_oak run --rm --hostname=forest tiny sh -c 'echo $HOSTNAME'
expect "--hostname is in the environment" 0 "forest"

for flag in -v=/a:/b -p=80:80 --network=host --privileged --cap-add=ALL --cpuset-cpus=2 --init -P; do
    run_oak run $flag tiny true
    expect "$flag is refused in one line that names it" 125 "" "oak: run: ${flag%%=*} is not supported yet*"
done
run_oak run --no-such tiny
expect "an unknown flag is 125" 125 "" "oak: run: unknown flag: --no-such*"
run_oak run
expect "a missing image is 125" 125 "" "oak: run needs an image*"
run_oak run no-such-image true
expect "an image that is not there says what to do" 125 "" "oak: *no-such-image*oak pull*"
run_oak run ./no-such-path true
expect "and so does a path that is not there" 125 "" "oak: *no-such-path*"
run_oak run -m 5 tiny true
expect "a senseless memory limit is refused" 125 "" "oak: run: --memory*"
run_oak run --name 'a/b' tiny true
expect "a name that is none is refused" 125 "" "oak: run: 'a/b' is no container name*"

run_oak run -d --name one tiny sleep 1000
expect "-d prints the identifier" 0 "????????????????????????????????????????????????????????????????" ""
id=$out
run_oak run -d --name one tiny true
expect "a name that is taken is refused" 125 "" "oak: the container name one is in use*"
run_oak ps
expect "ps shows what runs" 0 "CONTAINER ID*${id:0:12}*tiny*sleep 1000*Up*one"
run_oak ps -q --no-trunc
expect "ps -q --no-trunc prints identifiers only" 0 "$id"
run_oak ps --format '{{.Names}} {{.State}}'
expect "ps --format takes simple templates" 0 "one running"
run_oak ps --format json
expect "ps --format json prints an object a line" 0 '{*"Names":"one"*}'
run_oak exec one sh -c 'echo $FROM_IMAGE; exit 3'
expect "exec runs in the container, with its environment and its own exit code" 3 "yes"
run_oak exec -i one cat <<<typed
expect "exec -i passes stdin" 0 "typed"
run_oak exec one no-such-program
expect "exec of what is not there is 127" 127 "" "oak: no-such-program: command not found*"
run_oak inspect -f '{{.State.Status}} {{.Config.Image}} {{.HostConfig.AutoRemove}}' one
expect "inspect shows state and configuration" 0 "running tiny false"
run_oak inspect --authority one
expect "inspect --authority lists capabilities" 0 "*memory image read*"
run_oak rm one
expect "rm refuses a running container" 1 "" "oak: container one is running*"
run_oak kill -s WRONG one
expect "an unknown signal is refused" 125 "" "oak: kill: no such signal: WRONG"
run_oak stop -t 5 "${id:0:10}"
expect "stop takes a prefix of the identifier" 0 "${id:0:10}"
run_oak wait one
expect "wait prints the exit code" 0 "143"
run_oak rm one
expect "rm removes" 0 "one"
run_oak rm one
expect "what is gone is not found" 1 "" "oak: no such container: one*"
run_oak exec one true
expect "exec in what is not there is 1" 1 "" "oak: no such container: one*"

run_oak run -d --name stubborn tiny sh -c 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
wait_for 5 sh -c "$oak logs stubborn | grep -q ready"
run_oak stop -t 1 stubborn
expect "stop kills what does not obey" 0 "stubborn"
run_oak wait stubborn
expect "with SIGKILL" 0 "137"
run_oak logs stubborn
expect "logs shows what was written" 0 "ready" ""
run_oak rm -f stubborn
expect "rm -f removes" 0 "stubborn"

run_oak create --name later tiny echo started
id=$out
expect "create prints the identifier" 0 "????????????????????????????????????????????????????????????????"
run_oak start -a later
expect "start -a shows the output" 0 "started"
run_oak rm later

run_oak run -d --name slow tiny sh -c 'echo one; sleep 0.3; echo two'
run_oak logs -f slow
expect "logs -f follows until the end" 0 "one
two"
run_oak rm slow

head -c 30000000 /dev/urandom >"$work/big"
sum=$(sha256sum <"$work/big")
[ "$(timeout 60 "$oak" run --rm -i tiny cat <"$work/big" | sha256sum)" = "$sum" ]
result $? "30 MB go in and come out unchanged"
[ "$(timeout 60 "$oak" run --rm tiny cat "$work/big" | head -c 10 | wc -c)" = 10 ]
result $? "a reader that goes away ends the CLI"

timeout 20 "$oak" run --rm --name signalled tiny sh -c \
    'trap "echo caught; exit 9" TERM; echo ready; while :; do sleep 0.05; done' >"$work/signalled" &
pid=$!
wait_for 5 grep -q ready "$work/signalled"
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 9 ] && grep -q caught "$work/signalled"
result $? "a signal to the CLI reaches the container"

"$oak" run --name orphan tiny sleep 1000 &
pid=$!
wait_for 5 sh -c "$oak ps -q -f name=orphan | grep -q ."
kill -9 $pid
wait_for 5 sh -c "[ \$($oak machine status | awk '\$1 == \"sessions\" { print \$2 }') = 0 ]"
result $? "a CLI killed with -9 leaves no session behind"
run_oak ps -q -f name=orphan
expect "and its container lives on" 0 "????????????"
run_oak rm -f orphan

"$oak" run --rm tiny sleep 1000 2>"$work/died" &
pid=$!
wait_for 5 sh -c "$oak ps -q | grep -q ."
kill -9 "$(status_value machine_pid)"
wait $pid
code=$?
[ $code -eq 125 ] && grep -q '^oak: the machine died' "$work/died"
result $? "when the machine dies, an attached CLI says so at once and ends with 125"
run_oak run --rm tiny echo again
expect "and the next run works" 0 "again"
exit ${failed:-0}
