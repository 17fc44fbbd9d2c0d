#!/bin/bash
# The life of containers on the real machine: create, start, exec, stop, kill, wait, rm, and what is
# said about them: ps, logs, inspect.
. "$(dirname "$0")/lib.sh"

identifier=????????????????????????????????????????????????????????????????
run_oak create --name later busybox sh -c 'echo started; echo wrong >&2; exit 4'
expect "create prints the identifier" 0 "$identifier"
run_oak ps -q
expect "what was created is not in ps" 0 ""
run_oak ps -a --format '{{.Names}} {{.State}} {{.Image}}'
expect "but in ps -a" 0 "later created busybox"
run_oak start -a later
expect "start -a shows both streams and gives the exit code" 4 "started" "wrong"
run_oak ps -a --format '{{.Names}} {{.Status}}'
expect "ps -a tells how it ended" 0 "later Exited (4) *"
run_oak logs later
expect "logs keeps the streams apart" 0 "started" "wrong"
run_oak wait later
expect "wait prints the exit code of what has ended" 0 "4"
run_oak rm later
expect "rm removes" 0 "later"
run_oak rm later
expect "what is gone is not found" 1 "" "oak: no such container: later*"
run_oak create --name input -i busybox sh -c 'read line; echo "got $line"'
run_oak start -ai input <<<word
expect "start -ai passes stdin" 0 "got word"
run_oak rm input

# A program that neither waits nor writes: the engine has to interrupt it to hear of it.
run_oak run -d --name busy busybox sh -c 'trap "exit 3" TERM; while :; do :; done'
expect "a program that only computes is started" 0 "$identifier"
run_oak exec busy sh -c 'until grep -q "^SigCgt:.*4...$" /proc/1/status; do sleep 0.01; done; echo beside'
expect "exec runs beside it" 0 "beside"
run_oak kill -s TERM busy
run_oak wait busy
expect "and a signal reaches it" 0 "3"
run_oak rm busy
run_oak run -d --name busier busybox sh -c 'trap "exit 4" USR1; echo ready; while :; do :; done'
wait_for 5 logged busier ready
run_oak kill -s USR1 busier
run_oak wait busier
expect "also when it is the first thing that the engine wants of it" 0 "4"
run_oak rm busier

script='trap "echo caught TERM; exit 5" TERM; trap "echo caught USR1" USR1; trap "echo caught INT; exit 6" INT
echo ready; while :; do sleep 0.05; done'
run_oak run -d --name polite -e WHO=polite -w /tmp busybox sh -c "$script"
id=$out
wait_for 5 logged polite ready
result $? "logs shows what a running container has written"

# exec
run_oak exec polite sh -c 'echo $WHO; pwd; id -u; exit 3'
expect "exec has the container's environment and directory, and an exit code of its own" 3 "polite
/tmp
0"
run_oak exec -w /etc -u 1000 -e WHO=other polite sh -c 'echo $WHO; pwd; id -u'
expect "exec -w, -u, -e" 0 "other
/etc
1000"
run_oak exec -i polite cat <<<typed
expect "exec -i passes stdin" 0 "typed"
run_oak exec polite cat <<<typed
expect "without -i it reads end of file" 0 ""
run_oak exec polite sh -c 'echo out; echo err >&2'
expect "exec keeps the streams apart" 0 "out" "err"
run_oak exec polite no-such-program
expect "exec of what is not there is 127" 127 "" "oak: no-such-program: command not found*"
run_oak exec polite /etc/passwd
expect "exec of what cannot be executed is 126" 126 "" "oak: /etc/passwd*"
run_oak exec polite sh -c 'kill -9 $$'
expect "an exec's death by a signal is 128 + its number" 137 ""
run_oak exec -d polite sh -c 'sleep 0.1; echo done >/tmp/detached'
expect "exec -d returns at once" 0 ""
wait_for 5 "$oak" exec polite test -f /tmp/detached
result $? "and runs in the background"
run_oak exec polite ps -o pid,args
expect "processes see each other" 0 "*    1 *sh -c*ps -o pid,args*"
run_oak exec gone true
expect "exec in what is not there is 1" 1 "" "oak: no such container: gone*"

# signals
run_oak kill -s USR1 polite
expect "kill -s sends that signal" 0 "polite"
wait_for 5 logged polite "caught USR1"
result $? "and the container catches it"
run_oak kill -s WRONG polite
expect "an unknown signal is refused" 125 "" "oak: kill: no such signal: WRONG"
run_oak rm polite
expect "rm refuses what runs" 1 "" "oak: container polite is running*"
run_oak pause polite
expect "pause stops it for a while" 0 "polite"
run_oak ps --format '{{.Names}} {{.Status}}'
expect "ps says so" 0 "*polite Up * (Paused)*"
run_oak pause polite
expect "what is paused is not paused again" 1 "" "oak: *polite*is paused already"
run_oak exec polite true
expect "and executes nothing" 1 "" "oak: container polite is paused*"
run_oak unpause polite
expect "unpause lets it go on" 0 "polite"
run_oak exec polite echo again
expect "and then it executes" 0 "again"
run_oak unpause polite
expect "what is not paused does not go on" 1 "" "oak: *polite*is not paused"
run_oak run -d --name counting busybox sh -c 'while :; do echo $((i = i + 1)); done'
expect "one counts without end" 0 "*"
wait_for 5 logged counting 100 && "$oak" pause counting >/dev/null
last=$("$oak" logs --tail 1 counting)
sleep 0.3
[ "$("$oak" logs --tail 1 counting)" = "$last" ]
result $? "and does not while it is paused"
"$oak" unpause counting >/dev/null
goes_on() { [ "$("$oak" logs --tail 1 counting)" -gt "$last" ]; }
wait_for 5 goes_on
result $? "and goes on from there"
"$oak" pause counting >/dev/null
run_oak rm -f counting
expect "a paused container is removed by force" 0 "counting"
run_oak pause polite
expect "a paused container" 0 "polite"
run_oak stop -t 5 "${id:0:10}"
expect "stop takes a prefix of the identifier" 0 "${id:0:10}"
run_oak wait polite
expect "and SIGTERM can be handled" 0 "5"
run_oak logs --tail 1 polite
expect "logs --tail shows the last lines" 0 "caught TERM"
run_oak exec polite true
expect "exec in what has ended is refused" 1 "" "oak: *polite*not running*"
run_oak stop polite
expect "stop of what has ended is no error" 0 "polite"
run_oak kill polite
expect "kill of what has ended is one" 1 "" "oak: *polite*not running*"
run_oak rm polite

run_oak run -d --name stubborn busybox sh -c 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
wait_for 5 logged stubborn ready
run_oak stop -t 1 stubborn
expect "stop kills what does not obey" 0 "stubborn"
run_oak inspect -f '{{.State.ExitCode}} {{.State.Status}}' stubborn
expect "with SIGKILL" 0 "137 exited"
run_oak rm stubborn
run_oak run -d --name other --stop-signal INT busybox sh -c "$script"
wait_for 5 logged other ready
run_oak stop -t 5 other
run_oak wait other
expect "--stop-signal is what stop sends" 0 "6"
run_oak rm other

# wait and logs -f on what still runs
run_oak run -d --name slow busybox sh -c 'echo one; sleep 0.3; echo two; exit 8'
run_oak logs -f slow
expect "logs -f follows until the end" 0 "one
two"
run_oak rm slow
run_oak run -d --name slow busybox sh -c 'sleep 0.3; exit 8'
run_oak wait slow
expect "wait waits" 0 "8"
run_oak rm slow
run_oak run --name chatty busybox sh -c 'i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i + 1)); done'
run_oak logs -n 2 chatty
expect "logs -n" 0 "line 28
line 29"
run_oak rm chatty

# inspect
run_oak run -d --name told -e A=1 -l key=value -m 64m busybox sleep 1000
run_oak inspect -f '{{.State.Running}} {{.Config.Image}} {{.HostConfig.Memory}} {{.Oak.MemoryLimit}}' told
expect "inspect shows state and limits" 0 "true busybox 67108864 67108864"
run_oak inspect -f '{{json .Config.Env}}' told
expect "and the environment" 0 '*"A=1"*'
"$oak" inspect told | /usr/bin/python3 -c 'import json, sys
about, = json.load(sys.stdin)
assert about["Name"] == "/told" and about["Path"] == "sleep" and about["Args"] == ["1000"]
assert about["Config"]["Labels"] == {"key": "value"} and about["State"]["Pid"] > 0
assert 0 < about["Oak"]["MemoryUsed"] < 1 << 20, about["Oak"]'
result $? "all of it is JSON with docker's names"
run_oak inspect --authority told
authority=$out
expect "inspect --authority lists capabilities" 0 "*"
grep -q '^memory image read' <<<"$authority" && grep -qx 'platform log write' <<<"$authority" &&
    ! grep -vx 'platform log write' <<<"$authority" | grep -E '^(platform|irq|ioport)'
result $? "none of them is a device's, and of the platform's only writing into the log"

# the seal
run_oak cp "$root/build/tests/real-seal" told:/seal
run_oak exec told /seal
expect "a program does not see its personality" 0 "sealed"
run_oak run -d --name unsealed --security-opt seal=off busybox sleep 1000
run_oak cp "$root/build/tests/real-seal" unsealed:/seal
run_oak exec unsealed /seal
expect "but with seal=off" 0 "open *"
run_oak inspect -f '{{json .HostConfig.SecurityOpt}}' unsealed
expect "which inspect says" 0 '\["seal=off"\]'
run_oak inspect --authority unsealed
grep -q '^domain own .* unsealed$' <<<"$out" && ! grep -q unsealed <<<"$authority"
result $? "and its authority, too"
sed 's/ unsealed$//' <<<"$out" | grep -v ' [0-9]' | cmp -s - <(grep -v ' [0-9]' <<<"$authority")
result $? "its personality was handed what every other was handed"
run_oak run --security-opt seal=on busybox true
expect "there is no other security option" 125 "" "oak: run: --security-opt takes seal=off only*"
run_oak rm -f unsealed

run_oak ps --format json
expect "ps --format json prints an object a line" 0 '{*"Names":"told"*}'
run_oak machine statistics told
expect "what the engine counts of a container is shown" 0 "*memory.bytes *processes *1"
run_oak machine statistics
expect "and of the machine" 0 "*machine.memory_free_bytes *containers *1*"
run_oak machine statistics gone
expect "but not of what is not there" 1 "" "oak: no such container: gone*"
run_oak inspect gone
expect "inspect of what is not there is 1" 1 "[[]]" "oak: no such *gone*"
run_oak rm -f told gone
expect "rm -f removes what is there and is silent about what is not" 0 "told*" "*"
run_oak ps -a
expect "nothing is left" 0 "CONTAINER ID*NAMES"
done_testing
