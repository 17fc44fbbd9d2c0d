#!/bin/bash
# oak trace on the real machine: what it records of a container at work, in a form that Perfetto reads.
. "$(dirname "$0")/lib.sh"

run_oak run -d --name busy busybox sh -c 'while :; do ls / >/dev/null; done'
expect "a container is at work" 0 "*"
run_oak trace -o "$work/trace.json" 1
expect "a second of it is recorded" 0 "" "oak: * events in *trace.json*"
check() {
    /usr/bin/python3 - "$work/trace.json" "$1" 2>&1 <<'PYTHON'
import json
import sys

with open(sys.argv[1], encoding="ascii") as file:
    events = json.load(file)["traceEvents"]
names = {(event["pid"], event["name"]): event["args"]["name"]
         for event in events if event["ph"] == "M"}
threads = {(event["pid"], event["tid"]): event["args"]["name"]
           for event in events if event["ph"] == "M" and event["name"] == "thread_name"}
slices = [event for event in events if event["ph"] == "X"]
instants = [event for event in events if event["ph"] == "i"]
busy = [pid for (pid, name), text in names.items() if name == "process_name" and text == "busy"]
running = [event for event in slices if event["pid"] == 0]
calls = {event["name"] for event in instants}


def overlaps():
    """Two threads at once on one CPU."""
    for cpu in {event["tid"] for event in running}:
        ends = 0.0
        for event in sorted((e for e in running if e["tid"] == cpu), key=lambda e: e["ts"]):
            if event["ts"] < ends - 0.01:
                return True
            ends = event["ts"] + event["dur"]
    return False


checks = {
    "named": len(busy) == 1 and threads[(0, 0)] == "CPU 0" and names[(0, "process_name")] == "CPUs",
    "times": all(event["ts"] >= 0 and event.get("dur", 0) >= 0 for event in slices + instants)
             and min(event["ts"] for event in slices + instants) < 1000,
    "running": any(event["name"].startswith("busy thread ") for event in running) and not overlaps(),
    "system_calls": any(event["pid"] in busy and event["name"] == "system call 262"
                        for event in slices),
    "calls": {"space_create", "memory_clone", "thread_park", "page fault: OK"} <= calls,
    "threads": all((event["pid"], event["tid"]) in threads for event in slices + instants),
}
if not checks[sys.argv[2]]:
    print(len(events), len(slices), len(instants), names, sorted(calls))
sys.exit(not checks[sys.argv[2]])
PYTHON
}
while read -r key sentence; do
    out=$(check "$key")
    result $? "$sentence" "$out"
done <<'CHECKS'
named the container and the processors have their names
times times begin at the start and nothing takes less than none
running the container's threads run on processors, one at a time on each
system_calls its programs' system calls are slices of their own (newfstatat is 262)
calls kernel calls and page faults are there by name
threads every track has a name
CHECKS

"$oak" trace -o "$work/one.json" 3 2>/dev/null &
sleep 1
run_oak trace -o "$work/two.json" 1
expect "two at once is one too many" 125 "" "oak: trace: another oak trace is at work"
wait $!
result $? "the first one goes on"
"$oak" trace -o "$work/none.json" 60 2>/dev/null &
sleep 0.5
kill $!
wait $! 2>/dev/null
sleep 0.5
run_oak trace -o "$work/two.json" 0
expect "whoever goes away gives the trace back" 0 "" "oak: *"
run_oak trace -o /no/such/directory/file 0
expect "a file that cannot be written is said" 125 "" "oak: trace: cannot write /no/such*"
run_oak trace 1
expect "a file is needed" 125 "" "oak: *-o FILE*"
run_oak exec busy echo alive
expect "the container lives on" 0 "alive"
done_testing
