# strace and gdb: what a pipeline calls, breakpoints and variables, threads, forks, a running process.
#@ seconds 180
exec 2>&1
cd "$(mktemp -d)" || exit 1
debug() { gdb -nx -batch -iex 'set debuginfod enabled off' "$@" 2>&1 | grep -v '^\[\|^Using host\|^warning: Unable to find dynamic' | sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/(process|LWP|pid) [0-9]+/\1 N/g; s/tmp\.[A-Za-z0-9]+/FOLDER/g'; }
echo "== strace of a pipeline"
strace -f -e trace=execve,pipe2,pipe,dup2,clone,fork,vfork,wait4,exit_group,write -o trace sh -c 'ls / | wc -l >lines'
echo "code $?"
sed -E 's/^[0-9]+ +//; s/[0-9]+ vars/N vars/; s/0x[0-9a-f]+/ADDRESS/g; s/ <unfinished.*//; s/\) += .*//; s/\)$//; s/clone\(.*|v?fork\(.*/child/' trace | grep -E '^(execve|pipe|dup2|exit_group|child)' | sort | uniq -c
grep -c '+++ exited with 0 +++' trace
echo "== strace attaches"
# In a process that forks: strace, interrupted, waits for a parent that waits for its vforked child, which
# waits for strace.
sh -c 'while :; do (sleep 0.1); done' & loop=$!
timeout -s INT 3 strace -f -e trace=wait4 -p $loop -o attached >/dev/null 2>&1; grep -cE '^[0-9]+ +wait4' attached | sed 's/^[1-9][0-9]*$/some/'; kill -0 $loop && echo "it goes on"; kill $loop; wait $loop 2>/dev/null; echo "code $?"
cat >small.c <<'END'
#include <stdio.h>
struct point { int x, y; };
int calls;
static int area(struct point p) {
    int product = p.x * p.y;
    calls++;
    return product;
}
int main(void) {
    struct point p = {6, 7};
    for (int i = 0; i < 3; i++) p.x += area(p) % 3;
    printf("%d %d\n", p.x, calls);
    return 3;
}
END
gcc -g -O0 small.c -o small; gcc -g -O1 -static small.c -o fixed
echo "== a breakpoint"
debug -ex 'break area' -ex run -ex backtrace -ex next -ex 'print product' -ex 'print p' -ex 'set var product = 44' -ex continue -ex 'info breakpoints' -ex 'print calls' -ex delete -ex continue ./small
echo "== a crash"
printf 'static int deep(int *p, int n) { return n ? deep(p, n - 1) + 1 : *p; }\nint main(void) { return deep((int *)16, 3); }\n' >crash.c; gcc -g -O0 crash.c -o crash
debug -ex run -ex backtrace -ex 'print n' -ex 'print $_siginfo.si_signo' -ex 'print $_siginfo._sifields._sigfault.si_addr' -ex 'info registers rdi' ./crash
echo "== threads"
printf '#include <pthread.h>\n#include <stdio.h>\nstatic long sum;\nstatic pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;\nstatic void *work(void *a) { pthread_mutex_lock(&lock); sum += (long)a; pthread_mutex_unlock(&lock); return a; }\nint main(void) { pthread_t t[4]; for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, work, (void *)i); for (int i = 0; i < 4; i++) pthread_join(t[i], 0); printf("sum %%ld\\n", sum); return 0; }\n' >threads.c; gcc -g -O0 -pthread threads.c -o threads
debug -ex 'break work' -ex run -ex 'print $_thread != 1' -ex continue -ex continue -ex continue -ex 'print a != 0 || 1' -ex continue ./threads | grep -v '^Thread\|^\s*$'
echo "== a process that runs"
printf '#include <unistd.h>\nint stop;\nint main(void) { while (!stop) usleep(1000); return 7; }\n' >runs.c; gcc -g -O0 runs.c -o runs; ./runs & process=$!
sleep 0.3; debug -p $process -ex 'up 10' -ex 'print stop' -ex 'set var stop = 1' -ex 'print stop' -ex detach | grep '^\$'; wait $process; echo "code $?"
[ "$1" = full ] || exit 0
echo "== strace's counts and errors"
strace -e trace=openat -P /no/such/file cat /no/such/file 2>&1 | sed 's/(.*ENOENT/ ENOENT/' | head -n 1; strace -c -o counts true; grep -c '% time' counts; strace -e inject=getcwd:error=EACCES /bin/pwd -P 2>&1 | grep -c 'EACCES.*INJECTED'; strace -e trace=none -e signal=none sh -c 'kill -TERM $$'; echo "code $?"; strace -f -e trace=kill -o out timeout 1 sleep 5; echo "code $?"; strace -y -e trace=write -o written echo hello >out; sed 's/<.*out>/<out>/' written
echo "== a static program"
debug -ex 'break main' -ex run -ex 'p $rip > 0' -ex stepi -ex stepi -ex 'call (int)calls' -ex kill ./fixed
echo "== conditions, displays, software watchpoints, calls"
debug -ex 'set can-use-hw-watchpoints 0' -ex 'break area if calls == 1' -ex run -ex 'watch calls' -ex continue -ex 'print area(p)' -ex 'info watchpoints' -ex delete -ex finish -ex continue ./small
echo "== hardware watchpoints are said not to be there, or are"
debug -ex 'break main' -ex run -ex 'watch calls' -ex continue ./small | grep -cE 'Could not insert hardware|write debug register|Hardware watchpoint 2: calls'
echo "== signals"
printf '#include <signal.h>\n#include <stdio.h>\n#include <unistd.h>\nstatic volatile int got;\nstatic void on(int n) { got = n; }\nint main(void) { signal(SIGUSR1, on); signal(SIGUSR2, on); raise(SIGUSR1); printf("got %%d\\n", got); raise(SIGUSR2); printf("got %%d\\n", got); return 0; }\n' >signals.c; gcc -g -O0 signals.c -o signals
debug -ex 'handle SIGUSR1 stop print nopass' -ex 'handle SIGUSR2 nostop noprint pass' -ex run -ex 'print got' -ex 'signal SIGUSR2' ./signals
debug -ex 'break on' -ex 'handle SIGUSR1 nostop' -ex run -ex backtrace -ex stepi -ex finish -ex continue ./signals | grep -v raise
echo "== forks"
printf '#include <stdio.h>\n#include <sys/wait.h>\n#include <unistd.h>\nint main(int c, char **v) { if (c > 1) return 9; int s; pid_t p = fork(); if (p == 0) { execl(v[0], v[0], "x", (char *)0); _exit(1); } waitpid(p, &s, 0); printf("child %%d\\n", WEXITSTATUS(s)); return 0; }\n' >forks.c; gcc -g -O0 forks.c -o forks
debug -ex 'set follow-fork-mode child' -ex 'break main if c > 1' -ex run -ex 'print c' -ex 'print v[1]' -ex continue ./forks; debug -ex 'catch fork' -ex 'catch exec' -ex run -ex continue ./forks | grep -v '^#\|^arch_fork\|^[0-9].*No such file\|^__\|^_Fork\|in \.\./'
echo "== python, core files"
debug -ex 'python print(6 * 7)' -ex 'break area' -ex run -ex 'python print(gdb.selected_frame().name(), gdb.parse_and_eval("p.y"))' -ex 'generate-core-file core' ./small | grep -v '^warning'; debug -ex backtrace -ex 'print p' ./small core | grep '^#\|^\$'
exit 0
