/* Processes are made, replaced, ended and waited for as on Linux. */
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/linux/programs/program.h"

static char self[PATH_MAX];

static int code_return(void *argument)
{
    return *(const int *)argument;
}

static int signal_self(void *argument)
{
    raise(*(const int *)argument);
    return 77;
}

static void exits_check(void)
{
    int codes[] = {0, 7, 255, 256 + 9};
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        say_status("fork: child", child_run(code_return, &codes[i]));
    }
    int signals[] = {SIGHUP, SIGKILL, SIGTERM, SIGUSR1, SIGPIPE, SIGALRM, SIGCHLD, SIGURG};
    for (size_t i = 0; i < ARRAY_LENGTH(signals); i++) {
        say_status(signal_name(signals[i]), child_run(signal_self, &signals[i]));
    }
}

static void fork_memory_check(void)
{
    static int value = 1;
    int on_stack = 1;
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        value = 2;
        on_stack = 2;
        _exit(value + on_stack);
    }
    say_status("fork: child's sum", child_wait(pid));
    say("fork: parent's values %d %d", value, on_stack);
}

static void vfork_check(void)
{
    static volatile int value = 1;
    pid_t pid = vfork();
    if (pid == 0) {
        value = 5;
        _exit(3);
    }
    must(pid > 0, "vfork");
    say("vfork: child wrote %d", value);
    say_status("vfork: child", child_wait(pid));
}

static int clone_entry(void *argument)
{
    int *value = argument;
    *value += 1;
    close(*value);
    chdir("/");
    umask(0);
    return 11;
}

static void clone_check(const char *what, int flags)
{
    static char stack[65536] __attribute__((aligned(16)));
    static int value;
    char before[PATH_MAX];
    must(getcwd(before, sizeof(before)) != NULL, "getcwd");
    umask(022);
    int file = open("/dev/null", O_RDONLY);
    must(file > 2, "open");
    value = file - 1;
    pid_t pid = clone(clone_entry, stack + sizeof(stack), flags | SIGCHLD, &value);
    must(pid > 0, "clone");
    say_status(what, child_wait(pid));
    char after[PATH_MAX];
    must(getcwd(after, sizeof(after)) != NULL, "getcwd");
    say("%s: memory %s, descriptors %s, directory %s, umask %03o", what,
        value == file ? "shared" : "copied", fcntl(file, F_GETFD) < 0 ? "shared" : "copied",
        strcmp(after, before) != 0 ? "shared" : "copied", (unsigned)umask(022));
    must(chdir(before) == 0, "chdir");
    close(file);
}

/* A sibling's end is told by the signal of its maker's, whatever the maker wants. */
static int sibling_check(void *argument)
{
    (void)argument;
    pid_t maker = fork();
    if (maker == 0) {
        pid_t sibling = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGKILL, 0, 0, 0, 0);
        _exit(sibling < 0);
    }
    int ended = 0;
    while (wait(NULL) > 0) {
        ended++;
    }
    say("clone PARENT: %d children", ended);
    return 0;
}

static void clones_check(void)
{
    clone_check("clone", 0);
    clone_check("clone VM", CLONE_VM);
    clone_check("clone FILES", CLONE_FILES);
    clone_check("clone FS", CLONE_FS);
    clone_check("clone VM VFORK", CLONE_VM | CLONE_VFORK);
    say_status("clone PARENT", child_run(sibling_check, NULL));
    say_result("clone SIGHAND without VM", syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
    say_result("clone THREAD without SIGHAND",
               syscall(SYS_clone, CLONE_THREAD | CLONE_VM | SIGCHLD, 0, 0, 0, 0));
    int in_parent = 0;
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, 0, &in_parent, 0, 0);
    if (pid == 0) {
        _exit(in_parent == getpid() ? 21 : 22);
    }
    say_status("clone PARENT_SETTID", child_wait(pid));
    say("clone PARENT_SETTID: parent's word is %s", in_parent == pid ? "the child" : "wrong");
}

static void wait_options_check(void)
{
    int status;
    say_result("waitpid without children", waitpid(-1, &status, 0));
    say_result("waitpid of init", waitpid(1, &status, 0));
    say_result("waitpid with wrong options", waitpid(-1, &status, 0x100));
    int gate[2];
    must(pipe(gate) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]);
        byte_receive(gate[0]);
        _exit(4);
    }
    close(gate[0]);
    say_result("waitpid NOHANG while it runs", waitpid(pid, &status, WNOHANG));
    kill(pid, SIGSTOP);
    say("waitpid UNTRACED: %s", waitpid(pid, &status, WUNTRACED) == pid ? "the child" : "other");
    say_status("waitpid UNTRACED", status);
    say_result("waitpid UNTRACED again", waitpid(pid, &status, WUNTRACED | WNOHANG));
    kill(pid, SIGCONT);
    say("waitpid CONTINUED: %s", waitpid(pid, &status, WCONTINUED) == pid ? "the child" : "other");
    say_status("waitpid CONTINUED", status);
    close(gate[1]);
    siginfo_t info = {0};
    say_result("waitid NOWAIT", waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    say("waitid NOWAIT: signal %s, code %d, status %d, the child %d", signal_name(info.si_signo),
        info.si_code, info.si_status, info.si_pid == pid);
    say_result("waitid", waitid(P_ALL, 0, &info, WEXITED));
    say("waitid: code %d, status %d", info.si_code, info.si_status);
    say_result("waitid without options", waitid(P_ALL, 0, &info, 0));
    say_result("waitpid after all", waitpid(pid, &status, 0));
    pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        _exit(6);
    }
    setpgid(pid, pid);
    say_result("waitpid of the own group", waitpid(0, &status, 0));
    say("waitpid of its group: %s", waitpid(-pid, &status, 0) == pid ? "the child" : "other");
    say_status("waitpid of its group", status);
}

static void zombie_check(void)
{
    int gate[2];
    must(pipe(gate) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        _exit(1);
    }
    close(gate[1]);
    byte_receive(gate[0]);
    close(gate[0]);
    sleeping_wait(pid, 'Z');
    say_result("zombie: kill with 0", kill(pid, 0));
    child_wait(pid);
    say_result("zombie: kill with 0 after wait", kill(pid, 0));
    signal(SIGCHLD, SIG_IGN);
    pid = fork();
    if (pid == 0) {
        _exit(1);
    }
    int status;
    say_result("SIGCHLD ignored: waitpid", waitpid(pid, &status, 0));
    signal(SIGCHLD, SIG_DFL);
}

/* An orphan goes to the nearest subreaper, here to us. */
static void orphan_check(void)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        say("orphan: no subreaper: %s", error_name(errno));
        return;
    }
    int gate[2];
    must(pipe(gate) == 0, "pipe");
    pid_t reaper = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            close(gate[1]);
            byte_receive(gate[0]);
            _exit(getppid() == reaper ? 33 : 34);
        }
        _exit(2);
    }
    close(gate[0]);
    say_status("orphan: its parent", child_wait(pid));
    close(gate[1]);
    int status;
    pid_t orphan = wait(&status);
    say("orphan: %s", orphan > 0 && orphan != pid ? "comes to the subreaper" : "is lost");
    say_status("orphan", status);
    must(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0, "subreaper");
}

/* --- exec --- */

struct exec {
    const char *path;
    char **arguments;
    char **environment;
};

static int exec_run(void *argument)
{
    const struct exec *exec = argument;
    execve(exec->path, exec->arguments, exec->environment);
    return errno;
}

static void exec_say(const char *what, const char *path, char **arguments, char **environment)
{
    struct exec exec = {path, arguments, environment};
    int status = child_run(exec_run, &exec);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        say("%s: %s", what, error_name(WEXITSTATUS(status)));
    } else {
        say_status(what, status);
    }
}

static void script_make(const char *path, const char *text, mode_t mode)
{
    file_write(path, text);
    must(chmod(path, mode) == 0, "chmod");
}

static void exec_errors_check(void)
{
    char name[] = "name";
    char *arguments[] = {name, NULL};
    char *environment[] = {NULL};
    exec_say("exec of nothing", "missing", arguments, environment);
    exec_say("exec of an empty name", "", arguments, environment);
    exec_say("exec of a directory", ".", arguments, environment);
    script_make("plain", "echo hello\n", 0644);
    exec_say("exec without permission", "plain", arguments, environment);
    script_make("text", "echo hello\n", 0755);
    exec_say("exec of a text", "text", arguments, environment);
    script_make("empty", "", 0755);
    exec_say("exec of an empty file", "empty", arguments, environment);
    script_make("short", "\177ELF", 0755);
    exec_say("exec of a short ELF file", "short", arguments, environment);
    script_make("lost", "#!/missing/shell\n", 0755);
    exec_say("exec of a script without interpreter", "lost", arguments, environment);
    exec_say("exec below a file", "plain/name", arguments, environment);
    must(symlink("loop", "loop") == 0, "symlink");
    exec_say("exec of a loop", "loop", arguments, environment);
    int file = open("text", O_WRONLY);
    exec_say("exec of a file being written", "text", arguments, environment);
    close(file);
    char path[600] = {0};
    memset(path, 'n', 300);
    exec_say("exec of a long name", path, arguments, environment);
    exec_say("exec with bad arguments", self, (char **)8, environment);
    /* Scripts that name one another. */
    for (int i = 0; i < 8; i++) {
        char text[64], script[16];
        snprintf(script, sizeof(script), "chain%d", i);
        snprintf(text, sizeof(text), "#!./chain%d\n", i + 1);
        script_make(script, text, 0755);
    }
    exec_say("exec of a long chain of scripts", "chain0", arguments, environment);
}

static void exec_big_check(void)
{
    /* One string may have 32 pages, with its end. */
    size_t limit = 32 * PAGE_BYTES;
    char *string = malloc(limit + 1);
    must(string != NULL, "malloc");
    memset(string, 'a', limit);
    string[limit - 1] = '\0';
    char mode[] = "length";
    char *arguments[] = {self, mode, string, NULL};
    char *environment[] = {NULL};
    exec_say("exec with the longest argument", self, arguments, environment);
    string[limit - 1] = 'a';
    string[limit] = '\0';
    exec_say("exec with one byte more", self, arguments, environment);
    string[100000] = '\0';
    static char *many[102];
    many[0] = self;
    many[1] = mode;
    for (size_t i = 2; i < ARRAY_LENGTH(many) - 1; i++) {
        many[i] = string;
    }
    exec_say("exec with ten million bytes", self, many, environment);
    free(string);
}

/* Without room for a core there is none, and no status says so. */
static int death_run(void *argument)
{
    struct rlimit none = {0, 0};
    must(setrlimit(RLIMIT_CORE, &none) == 0, "setrlimit");
    raise(*(int *)argument);
    return 0;
}

static void core_check(void)
{
    const int numbers[] = {SIGSEGV, SIGABRT, SIGTERM};
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        int number = numbers[i];
        int status = child_run(death_run, &number);
        say("%s: dead by it %d, with a core %d", signal_name(number), WTERMSIG(status) == number,
            WCOREDUMP(status) != 0);
        pid_t pid = fork();
        if (pid == 0) {
            _exit(death_run(&number));
        }
        siginfo_t info;
        must(waitid(P_PID, (id_t)pid, &info, WEXITED) == 0, "waitid");
        say("waitid: %s", info.si_code == CLD_KILLED ? "killed" : "another code");
    }
}

static void exec_check(void)
{
    char mode[] = "show", one[] = "one", two[] = "", three[] = "three words here";
    char *arguments[] = {self, mode, one, two, three, NULL};
    char first[] = "FIRST=1", second[] = "SECOND=second value";
    char *environment[] = {first, second, NULL};
    exec_say("exec", self, arguments, environment);
    char *none[] = {NULL};
    exec_say("exec without environment", self, arguments, none);

    char text[PATH_MAX + 64];
    snprintf(text, sizeof(text), "#!%s show with one\nthe rest is not read\n", self);
    script_make("script", text, 0755);
    exec_say("exec of a script", "./script", arguments, environment);
    snprintf(text, sizeof(text), "#! %s \t\n", self);
    script_make("spaces", text, 0755);
    char word[] = "x";
    char *short_arguments[] = {word, word, NULL};
    exec_say("exec of a script with spaces", "./spaces", short_arguments, environment);
    script_make("outer", "#!./script\n", 0755);
    exec_say("exec of a script of a script", "./outer", arguments, environment);

    int file = open(self, O_RDONLY);
    must(file >= 0, "open");
    pid_t pid = fork();
    if (pid == 0) {
        syscall(SYS_execveat, file, "", arguments, environment, 0x1000);
        _exit(errno);
    }
    say_status("execveat of a descriptor", child_wait(pid));
    close(file);
}

static void handler(int number)
{
    (void)number;
}

/* What an exec keeps and what it does not. */
static void exec_state_check(void)
{
    char mode[] = "state";
    char *arguments[] = {self, mode, NULL};
    char *environment[] = {NULL};
    struct sigaction old[2];
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = handler}, &old[0]);
    sigaction(SIGUSR2, &(struct sigaction){.sa_handler = SIG_IGN}, &old[1]);
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, &before);
    exec_say("exec with dispositions and a mask", self, arguments, environment);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGUSR1, &old[0], NULL);
    sigaction(SIGUSR2, &old[1], NULL);
}

static int state_show(void)
{
    struct sigaction action;
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGTERM};
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        sigaction(numbers[i], NULL, &action);
        say("  %s: %s, %s", signal_name(numbers[i]),
            action.sa_handler == SIG_DFL   ? "default"
            : action.sa_handler == SIG_IGN ? "ignored"
                                           : "handled",
            sigismember(&mask, numbers[i]) ? "blocked" : "free");
    }
    return 0;
}

static int show(int count, char **arguments, char **environment)
{
    for (int i = 0; i < count; i++) {
        const char *name = strrchr(arguments[i], '/');
        say("  argument %d: [%s]", i, name != NULL ? name + 1 : arguments[i]);
    }
    for (int i = 0; environment[i] != NULL; i++) {
        say("  environment %d: [%s]", i, environment[i]);
    }
    return 0;
}

int main(int count, char **arguments, char **environment)
{
    if (count > 1 && strcmp(arguments[1], "length") == 0) {
        say("  argument of %zu bytes", strlen(arguments[2]));
        return 0;
    }
    if (count > 1 && strcmp(arguments[1], "state") == 0) {
        return state_show();
    }
    if (count > 1) {
        return show(count, arguments, environment);
    }
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    must(length > 0, "/proc/self/exe");
    self[length] = '\0';
    exits_check();
    fork_memory_check();
    vfork_check();
    clones_check();
    wait_options_check();
    zombie_check();
    orphan_check();
    core_check();
    exec_check();
    exec_state_check();
    exec_errors_check();
    exec_big_check();
    return 0;
}
